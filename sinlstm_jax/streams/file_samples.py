"""Samples of a whole file, at the rate they are forecast at, and what was understood of it."""

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError, positive_number
from ..measurements.reader import Piece, latest, pieces, survey
from ..measurements.reading import Reading
from ..measurements.resampling import resampled
from ..measurements.summary import summary
from ..measurements.words import duration_in_words, rate_in_words
from ..runs.signals import Trained
from .csv_samples import Sample, Samples, in_seconds

LOOKED_AT = 4096  # of the latest steps, to tell what samples are like
BESIDE = 64  # steps more, at the slower rate, that a filter is not to begin within


class Found(NamedTuple):
    """What was found in a file."""

    samples: Samples
    trained: Trained  # what the model is trained on, at the rate of the samples
    said: list[str]  # what was understood, line by line


def read_file(
    path: Path,
    reading: Reading,
    trained: Trained,
    *,
    resample: float | None = None,
    keep: int | None,
    progress: Callable[[float], object] = lambda share: None,
) -> Found:
    """Read a file of samples to be forecast.

    Args:
      path: of the file.
      reading: what is told of it.
      trained: what the model is trained on.
      resample: Hz that samples are brought to; None: they stay as they are.
      keep: how many of the latest steps are followed; None: all, which is done piece by piece, but
        where they are resampled.
      progress: told the share that was read.

    Raises:
      InputError: as `survey` and `pieces` do, or the model knows another rate alone.
    """
    surveyed = survey(path, reading, progress)
    rate = surveyed.sampling_rate or trained.sampling_rate
    surveyed = surveyed._replace(sampling_rate=rate)
    check_rate(path, resample or rate, trained)
    wanted = sys.maxsize
    if keep is not None or resample is None:
        wanted = max(keep or 0, LOOKED_AT)
        if resample is not None:
            wanted = math.ceil((wanted + BESIDE) * max(1.0, rate / resample))
    last, before = latest(pieces(surveyed, progress), wanted)
    for name, column in zip(surveyed.table.names, last.values.T, strict=True):
        if not np.isfinite(column).any():
            raise InputError(
                f"{path}: the last {len(column)} samples of {name} are all missing: give another "
                "--column, or a file that ends earlier"
            )
    said = summary(surveyed, last, before + len(last.values))
    if resample is not None:
        said.append(f"resampled from {rate_in_words(rate)} to {rate_in_words(resample)}")
        before = round(before * resample / rate)
        last, rate = resampled(last, rate, resample), resample
    at_rate = trained.at_rate(rate)
    if at_rate.waves is not None and not math.isclose(rate, trained.sampling_rate):
        low, high = at_rate.waves.frequency
        said.append(
            f"the model knows periods of {rate / high:.3g} to {rate / low:.3g} steps, here of "
            f"{duration_in_words(1 / high)} to {duration_in_words(1 / low)}"
        )
    steps = _steps(iter([last]))
    if keep is None and resample is None:
        steps, before = _steps(pieces(surveyed, progress)), 0
    elif keep is not None:
        extra = max(0, len(last.values) - keep)
        steps = _steps(iter([Piece(last.seconds[extra:], last.values[extra:])]))
        before += extra
    table = surveyed.table
    written = in_seconds if table.time is None else table.time.written
    dated, unit = False, ""
    if table.time is not None:
        unit = table.time.unit if table.time.form is None and table.time.unit != "s" else ""
        dated = table.time.form is not None or bool(unit)
    samples = Samples(table.names, steps, rate, dated, before, written, unit)
    return Found(samples, at_rate, said)


def wanted_rate(resample: str | None, trained: Trained) -> float | None:
    """Return the rate in Hz that `--resample` tells: a number, or "model" for the model's.

    Raises:
      InputError: it is neither.
    """
    if resample is None or resample == "model":
        return None if resample is None else trained.sampling_rate
    try:
        number = float(resample)
    except ValueError:
        raise InputError(f"--resample is {resample!r}: give a rate in Hz, or model") from None
    return positive_number("--resample", number)


def check_rate(path: Path, rate: float, trained: Trained) -> None:
    """Raise InputError where a model does not count in steps alone, and knows another rate."""
    known = trained.sampling_rate
    if trained.waves is None and not math.isclose(rate, known, rel_tol=0.01):
        raise InputError(
            f"{path} is at {rate_in_words(rate)}, and the model was trained at "
            f"{rate_in_words(known)}: give --resample {known:.6g}, or --no-time --rate {known:.6g} "
            "if a step is a step"
        )


def _steps(read: Iterator[Piece]) -> Iterator[Sample]:
    for piece in read:
        yield from map(Sample, piece.seconds.tolist(), piece.values)
