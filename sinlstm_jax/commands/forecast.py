"""`sinlstm forecast`: continue samples in CSV."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import tyro

from ..errors import InputError, finite_number, positive_integer
from ..files import replacing, usable_path
from ..measurements.reading import Reading
from ..measurements.words import duration_in_words
from ..recipes import SHIPPED
from .shared import (
    Device,
    Replicate,
    check_spelling,
    computing_on,
    make_folder,
    named_model,
    optional,
    trained_as,
)

if TYPE_CHECKING:
    from ..runs.signals import Trained

LARGE = 2**25  # bytes of a file from which on its reading shows progress
LONGEST = 1_000_000  # steps of a forecast, which is in memory before it is written


@dataclass(frozen=True)
class ForecastOptions:
    """Continue samples that are read from a CSV file, or from standard input.

    Of a file all is found out: how it is laid out, its column of times, its rate and gaps in it;
    what was understood is told. Standard input is followed line by line as it comes: a column per
    stream, a line per step at the model's rate or at --rate. Units are any for `sensor`; for the
    others that ship, --scale auto measures samples first. Forecasts are CSV, too: after how many
    samples, when, and the values, of `sensor` with the two that 90 % are to lie between.
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
    """Steps to forecast."""
    every: Annotated[int | None, optional("INT")] = None
    """Forecast after every so many samples, too, and not at the end alone."""
    reading: tyro.conf.OmitArgPrefixes[Reading] = field(default_factory=Reading)
    resample: Annotated[str | None, optional("HZ", "they stay as they are")] = None
    """Rate to bring a file's samples to; `model` is the one that the model is trained at."""
    scale: Literal["auto", "none", "run"] = "run"
    """Level and amplitude of samples: estimated from the window observed, 0 and 1, or the run's."""
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
        check_spelling(self.model)
        steps = positive_integer("--steps", self.steps)
        if steps > LONGEST:
            raise InputError(
                f"--steps is {steps}: give at most {LONGEST}; in Python, `stepper` goes on"
            )
        every = None if self.every is None else positive_integer("--every", self.every)
        window = None if self.window is None else positive_integer("--window", self.window)
        if self.band is not None and not 0 < finite_number("--band", self.band) < 1:
            raise InputError(f"--band is {self.band}: give a share between 0 and 1, such as 0.9")
        if self.out is not None and self.out == self.picture:
            raise InputError(f"--out and --picture are both {self.out}: give two names")
        for path in (self.out, self.picture):
            if path is not None:
                make_way_for(path)
        if self.resample is not None and (self.samples is None or is_stream(self.samples)):
            raise InputError("--resample takes a file, not standard input: give one")
        try:
            with computing_on(self.device):
                from ..sensor import BAND, SensorLSTM, with_spread
                from ..streams.csv_forecasts import write_forecasts
                from ..streams.forecaster import UNSCALED

                model = named_model(self.model, self.replicate)
                trained = trained_as(self.model, model)
                band = self.band
                if band is not None:
                    with_spread(model)
                elif isinstance(model, SensorLSTM):
                    band = BAND
                scaling = trained.scaling if self.scale == "run" else UNSCALED
                if self.scale == "auto":
                    scaling, trained = "auto", trained._replace(in_any_units=True)
                window = window or trained.past
                samples, trained = self._samples(trained, every, window)
                with written(self.out) as file:
                    last = write_forecasts(
                        file,
                        model,
                        samples,
                        steps=steps,
                        every=every,
                        window=window,
                        trained=trained,
                        scaling=scaling,
                        band=band,
                    )
        except KeyboardInterrupt:  # one way to end a stream; there is nothing to go on with
            print("interrupted", file=sys.stderr)
            sys.exit(130)
        if self.picture is not None:
            from ..plots import plot_streams

            title = f"The next {duration_in_words(steps / samples.rate)}, by {self.model}"
            plot_streams(self.picture, last, title)

    def _samples(self, trained: "Trained", every: int | None, window: int):
        """Return (samples, what the model is trained on at their rate); say what was understood."""
        from ..streams.csv_forecasts import LATEST
        from ..streams.csv_samples import read_samples
        from ..streams.file_samples import read_file, wanted_rate

        if self.samples is None or is_stream(self.samples):
            lines, source = standard_input(), "standard input"
            if self.samples is not None:
                lines, source = lines_of(self.samples), str(self.samples)
            samples = read_samples(lines, source, self.reading, trained)
            return samples, trained.at_rate(samples.rate)
        resample = wanted_rate(self.resample, trained)
        keep = max(window, LATEST) if every is None else None
        with reading_progress(self.samples) as progress:
            found = read_file(
                self.samples, self.reading, trained, resample=resample, keep=keep, progress=progress
            )
        if sys.stderr is not None:  # where it is closed; print would take standard output
            print(*found.said, sep="\n", file=sys.stderr)
        return found.samples, found.trained


def make_way_for(path: Path) -> None:
    """Make the folder that a file is to be in, or raise InputError if it cannot be made."""
    if usable_path(path).exists():
        raise InputError(f"{path} exists: give a name that does not")
    folder = path.absolute().parent
    make_folder(folder)
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} cannot be written to: give {path.name} another folder")


def is_stream(path: Path) -> bool:
    """Tell whether a path is a pipe, or a device, which can be read once: line by line."""
    return usable_path(path).exists() and not path.is_file() and not path.is_dir()


def lines_of(path: Path) -> Iterator[str]:
    """Give the lines of a pipe as they come."""
    with path.open(encoding="utf-8") as file:
        yield from file


def standard_input() -> TextIO:
    """Return standard input, to be read line by line."""
    if sys.stdin is None:
        raise InputError("there is no standard input, it is closed: give a CSV file")
    if sys.stdin.isatty():
        print("Reading samples, one a line; Ctrl-D ends them.", file=sys.stderr)
    return sys.stdin


@contextlib.contextmanager
def reading_progress(path: Path) -> Iterator[Callable[[float], None]]:
    """Show on standard error how much of a large file was read, and how long the rest may take."""
    if not usable_path(path).is_file() or path.stat().st_size < LARGE:
        yield lambda share: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"reading {path.name}", total=1.0)
        yield lambda share: bar.update(task, completed=share)


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
