"""`sinlstm forecast`: continue samples in CSV."""

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TextIO

import tyro

from ..errors import InputError, finite_number, positive_integer
from ..files import replacing, usable_path
from ..recipes import SHIPPED
from .shared import (
    Device,
    Replicate,
    computing_on,
    make_folder,
    named_model,
    optional,
    trained_as,
)


@dataclass(frozen=True)
class ForecastOptions:
    """Continue samples that are read from standard input or from a CSV file.

    A column per stream, a line per step at the rate that the model is trained at, 100 Hz unless its
    run tells otherwise; in any units for `sensor`, of amplitude 1 around 0 for the others that
    ship. A first line of names is a header; a column called `time`, in seconds, is checked. An
    empty field or `nan` is a missing sample. Forecasts are CSV, too: after how many samples, when,
    and the values, of `sensor` with the two that 90 % are to lie between.
    """

    samples: Annotated[
        tyro.conf.Positional[Path | None],
        optional("[PATH]", "standard input, line by line as it comes"),
    ] = None
    """File to read."""
    model: str = SHIPPED[0]
    """Folder of a run or a checkpoint, or a model that ships: sensor, curriculum, tuned, long."""
    replicate: Replicate = None
    steps: int = 400
    """Steps to forecast, 100 a second unless the run has another rate."""
    every: Annotated[int | None, optional("INT")] = None
    """Forecast after every so many samples, too, and not at the end alone."""
    header: Literal["auto", "yes", "no"] = "auto"
    """Whether the first line is a header; by itself, if it holds names or counts the columns."""
    window: Annotated[int | None, optional("INT", "what it is trained to observe")] = None
    """How many of the latest samples to forecast from."""
    band: Annotated[float | None, optional("SHARE", "0.9 where the model says how sure it is")] = (
        None
    )
    """Share of what comes that is to lie between two more columns of each stream."""
    out: Annotated[Path | None, optional("PATH", "standard output")] = None
    """File to write forecasts to."""
    picture: Annotated[Path | None, optional("PATH")] = None
    """PNG file for a picture of the last forecast."""
    device: Device = None

    def execute(self) -> None:
        """Do what was asked for."""
        steps = positive_integer("--steps", self.steps)
        every = None if self.every is None else positive_integer("--every", self.every)
        window = None if self.window is None else positive_integer("--window", self.window)
        if self.band is not None and not 0 < finite_number("--band", self.band) < 1:
            raise InputError(f"--band is {self.band}: give a share between 0 and 1, such as 0.9")
        if self.out is not None and self.out == self.picture:
            raise InputError(f"--out and --picture are both {self.out}: give two names")
        for path in (self.out, self.picture):
            if path is not None:
                make_way_for(path)
        source = "standard input" if self.samples is None else str(self.samples)
        try:
            with computing_on(self.device), opened(self.samples) as lines:
                from ..sensor import BAND, SensorLSTM, with_spread
                from ..streams.csv_forecasts import write_forecasts
                from ..streams.csv_samples import read_samples

                model = named_model(self.model, self.replicate)
                trained = trained_as(self.model, model)
                band = self.band
                if band is not None:
                    with_spread(model)
                elif isinstance(model, SensorLSTM):
                    band = BAND
                samples = read_samples(lines, source, self.header, trained)
                with written(self.out) as file:
                    last = write_forecasts(
                        file,
                        model,
                        samples,
                        steps=steps,
                        every=every,
                        window=window or trained.past,
                        trained=trained,
                        band=band,
                    )
        except KeyboardInterrupt:  # one way to end a stream; there is nothing to go on with
            print("interrupted", file=sys.stderr)
            sys.exit(130)
        if self.picture is not None:
            from ..plots import plot_streams

            title = f"The next {steps / trained.sampling_rate:g} s, by {self.model}"
            plot_streams(self.picture, last, title)


def make_way_for(path: Path) -> None:
    """Make the folder that a file is to be in, or raise InputError if it cannot be made."""
    if usable_path(path).exists():
        raise InputError(f"{path} exists: give a name that does not")
    folder = path.absolute().parent
    make_folder(folder)
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} cannot be written to: give {path.name} another folder")


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """Open a text file to be read, or give standard input."""
    if path is None:
        if sys.stdin is None:
            raise InputError("there is no standard input, it is closed: give a CSV file")
        if sys.stdin.isatty():
            print("Reading samples, one a line; Ctrl-D ends them.", file=sys.stderr)
        yield sys.stdin
        return
    try:
        file = path.open(encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{path} cannot be read ({problem.strerror}): give a CSV file") from None
    with file:
        yield file


@contextlib.contextmanager
def written(path: Path | None) -> Iterator[TextIO]:
    """Open a text file that will be there whole or not at all, or give standard output."""
    if path is not None:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            yield file
        return
    if sys.stdout is None:
        raise InputError("there is no standard output, it is closed: give --out")
    yield sys.stdout
