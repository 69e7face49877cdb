"""Samples from CSV text, line by line, held against what a model is trained on: rate and size."""

import csv
import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..runs.signals import TUTORIALS, Trained

MISSING = ("", "nan", "na", "none", "null")  # fields, in any case, that hold no sample
TIME = "time"  # the column that holds no samples but their time in seconds
STEP_TOLERANCE = 0.5  # steps that a sample may come early or late, or one is missing, or twice
RATE_TOLERANCE = 0.01  # share by which the rate may be off on the whole
_LOG = logging.getLogger("sinlstm_jax")


class Sample(NamedTuple):
    """What was read of one step."""

    time: float  # s
    values: np.ndarray  # [stream], NaN where missing


class Samples(NamedTuple):
    """Streams that are being read."""

    names: list[str]  # of the streams
    steps: Iterator[Sample]


def read_samples(
    lines: Iterable[str], source: str, header: str = "auto", trained: Trained = TUTORIALS
) -> Samples:
    """Read CSV text: a column per stream, a line per step at the rate that a model is trained at.

    A first line with a field that is not a number is a header; so is one that counts the columns
    from 0, as pandas writes it where columns have no names, which is logged as a warning. A column
    that it calls `time` (in seconds) is checked to be at that rate, jitter aside; without one, the
    first sample is at 0 s. A field without a number (empty, nan, ...) is a missing sample; so is an
    empty line where there is one column, and among several it is skipped. The first value beyond
    what the model is trained on is logged as a warning.

    Args:
      lines: the text, perhaps not all there yet: no line is asked for before the one before it was
        used, but for the first.
      source: what to call it in errors.
      header: whether the first line is one: "yes", "no", or "auto" for what is said above.
      trained: what the model is trained on.

    Raises:
      InputError: there is nothing to read, or, while `steps` is iterated, a line is of another
        length, holds something else than numbers, or is not one step after the one before.
    """
    rows = _rows(lines, source)
    first = next(rows, None)
    if first is None:
        rate = trained.sampling_rate
        raise InputError(f"{source} is empty: give samples, one a line, at {rate:g} Hz")
    number, fields = first
    if _is_header(fields, header, f"{source}, line {number}"):
        names = [field.strip() for field in fields]
    else:
        names = [f"value_{i}" for i in range(1, len(fields) + 1)] if len(fields) > 1 else ["value"]
        rows = itertools.chain([first], rows)
    if len(names) > 1 and "" in names:
        raise InputError(
            f"{source}, line {number}: column {names.index('') + 1} has no name: give it one, or "
            "leave it out if it only counts the lines (pandas: index=False)"
        )
    columns = [i for i, name in enumerate(names) if name.lower() == TIME]
    if len(columns) > 1 or len(columns) == len(names):
        raise InputError(
            f"{source}, line {number}: the columns are {', '.join(names)}: give one of samples at "
            f"least, and at most one called {TIME}"
        )
    time = columns[0] if columns else None
    streams = [name for i, name in enumerate(names) if i != time]
    return Samples(streams, _steps(rows, source, names, time, trained))


def _is_header(fields: list[str], wanted: str, where: str) -> bool:
    """Tell whether a first line holds names, as far as "auto" can tell."""
    if wanted != "auto":
        return wanted == "yes"
    plain = [field.strip() for field in fields]
    counted = plain[1:] if len(plain) > 1 and plain[0] == "" else plain  # pandas' index comes first
    if counted == [str(i) for i in range(len(counted))]:
        _LOG.warning(
            f"{where} is {','.join(plain)}: taken for a header, as pandas writes it; give --header "
            "no if these are samples"
        )
        return True
    return any(_as_number(field) is None for field in fields)


def _rows(lines: Iterable[str], source: str) -> Iterator[tuple[int, list[str]]]:
    """Split lines into fields: (line number, fields)."""
    reader = csv.reader(line.removeprefix("\ufeff") for line in lines)
    try:
        for fields in reader:
            yield reader.line_num, fields or [""]
    except UnicodeDecodeError:
        raise InputError(f"{source} is not text in UTF-8: give CSV text") from None
    except csv.Error as error:
        raise InputError(f"{source}, line {reader.line_num} is not CSV text ({error})") from None


def _steps(
    rows, source: str, header: list[str], time: int | None, trained: Trained
) -> Iterator[Sample]:
    rate, largest = trained.sampling_rate, trained.largest
    first = before = math.nan
    step, warned = 0, False
    for number, fields in rows:
        if fields == [""] and len(header) > 1:
            continue
        where = f"{source}, line {number}"
        numbers = _numbers(header, fields, where)
        now = step / rate
        if time is not None:
            now = numbers.pop(time)
            first = first if step else now
            _check_time(now, before, first, step, where, rate)
            before = now
        values = np.array(numbers)
        beyond = np.abs(values) > largest  # never true of NaN
        if beyond.any() and not warned:
            warned = True
            _LOG.warning(
                f"{where} holds {values[np.argmax(beyond)]:g}: models are trained on waves of "
                f"{trained.waves_in_words}, so shift and scale the samples"
            )
        yield Sample(now, values)
        step += 1


def _numbers(header: list[str], fields: list[str], where: str) -> list[float]:
    """Return the numbers of a line, NaN where one is missing."""
    if len(fields) != len(header):
        raise InputError(
            f"{where} has {len(fields)} fields: give {len(header)}, for {', '.join(header)}"
        )
    numbers = []
    for name, field in zip(header, fields, strict=True):
        value = _as_number(field)
        if value is None or math.isinf(value):
            raise InputError(
                f"{where}: {name} is {field.strip()!r}: give a finite number, or leave the "
                "field empty where a sample is missing"
            )
        numbers.append(value)
    return numbers


def _check_time(
    now: float, before: float, first: float, step: int, where: str, rate: float
) -> None:
    """Raise InputError if a sample, the first being step 0, is not where its rate would put it."""
    if math.isnan(now):
        raise InputError(f"{where} has no time: give one in every line, or in none")
    if step == 0:
        return
    if abs((now - before) * rate - 1) > STEP_TOLERANCE:
        raise InputError(
            f"{where} is {now - before:.4g} s after the one before: models are trained "
            f"at {rate:g} Hz, so resample to {1 / rate:g} s, and leave "
            "fields empty where a sample is missing"
        )
    elapsed = (now - first) * rate
    if abs(elapsed - step) > STEP_TOLERANCE + RATE_TOLERANCE * step:
        raise InputError(
            f"{where}: the rate is {step * rate / elapsed:.4g} Hz up to here: models are "
            f"trained at {rate:g} Hz, so resample"
        )


def _as_number(field: str) -> float | None:
    """Return a field's number, NaN where it is missing, None where it is something else."""
    field = field.strip()
    if field.lower() in MISSING:
        return math.nan
    try:
        return None if "_" in field else float(field)  # Python reads 1_000, no one else does
    except ValueError:
        return None
