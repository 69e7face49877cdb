"""`sinlstm forecast`: continue samples in CSV."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..errors import InputError, positive_integer
from ..plots import plot_continuations
from ..signals import SAMPLING_RATE
from ..streams.csv_forecasts import continue_samples
from ..streams.samples import TRAINED_SAMPLES, read_samples
from .files import make_way_for, opened, warn, written
from .shared import DEVICES, SHIPPED, computing_on, named_model, optional


@dataclass(frozen=True)
class ForecastOptions:
    """Continue samples that are read from standard input or from a CSV file.

    A column per stream, a line per step at 100 Hz, of waves of amplitude 1 around 0. A first line
    of names is a header; a column called `time`, in seconds, is checked. An empty field or `nan` is
    a missing sample. Forecasts are CSV, too: after how many samples, when, and the values.
    """

    samples: Annotated[
        tyro.conf.Positional[Path | None],
        optional("[PATH]", "standard input, line by line as it comes"),
    ] = None
    """File to read."""
    model: str = SHIPPED
    """Folder of a run or a checkpoint, or `pretrained` for the model that ships."""
    replicate: Annotated[int | None, optional("INT")] = None
    """Which of a run's replicates, from 0 on; needed where there are several."""
    steps: int = 400
    """Steps to forecast, 100 a second."""
    every: Annotated[int | None, optional("INT")] = None
    """Forecast after every so many samples, too, and not at the end alone."""
    window: int = TRAINED_SAMPLES
    """How many of the latest samples to forecast from; networks do best with what they were trained
    to observe."""
    out: Annotated[Path | None, optional("PATH", "standard output")] = None
    """File to write forecasts to."""
    picture: Annotated[Path | None, optional("PATH")] = None
    """PNG file for a picture of the last forecast."""
    device: Annotated[
        Literal["cpu", "gpu", "tpu"] | None, optional(DEVICES, "what JAX prefers")
    ] = None
    """Where to compute."""

    def execute(self) -> None:
        """Do what was asked for."""
        steps = positive_integer("--steps", self.steps)
        every = None if self.every is None else positive_integer("--every", self.every)
        window = positive_integer("--window", self.window)
        if self.out is not None and self.out == self.picture:
            raise InputError(f"--out and --picture are both {self.out}: give two names")
        for path in (self.out, self.picture):
            if path is not None:
                make_way_for(path)
        source = "standard input" if self.samples is None else str(self.samples)
        try:
            with computing_on(self.device), opened(self.samples) as lines:
                model = named_model(self.model, self.replicate)
                samples = read_samples(lines, source, warn)
                with written(self.out) as file:
                    found = continue_samples(model, samples, steps, every, window, file, warn)
        except KeyboardInterrupt:  # one way to end a stream; there is nothing to go on with
            print("interrupted", file=sys.stderr)
            sys.exit(130)
        if self.picture is not None:
            title = f"The next {steps / SAMPLING_RATE:g} s, by {self.model}"
            plot_continuations(self.picture, *found, title)
