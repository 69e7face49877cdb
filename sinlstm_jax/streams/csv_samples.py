"""Samples from CSV text, line by line as it comes: nothing can be found out ahead of it."""

import csv
import itertools
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..errors import InputError, positive_number, shown
from ..measurements.columns import index_of
from ..measurements.fields import as_number, as_time, is_missing
from ..measurements.names import called_time, may_be_temperature
from ..measurements.reading import Reading, delimiter_of
from ..measurements.times import time_column
from ..runs.signals import TUTORIALS, Trained
from .stream_clock import StreamClock

_LOG = logging.getLogger("sinlstm_jax")


class Sample(NamedTuple):
    """What was read of one step."""

    time: float  # s
    values: np.ndarray  # [stream], NaN where missing


def in_seconds(time: float, rate: float) -> float:
    """Return a time in s without float64's last digits."""
    return round(time, max(6, 3 + math.ceil(math.log10(rate))))


class Samples(NamedTuple):
    """Streams that are being read."""

    names: list[str]  # of the streams
    steps: Iterator[Sample]
    rate: float  # Hz
    dated: bool = False  # whether times are dates, or in another unit than seconds
    before: int = 0  # steps before the first one, which were read and are not given
    written: Callable[[float, float], float | str] = (
        in_seconds  # a time, as they have it, at a rate
    )
    unit: str = ""  # of times that are numbers in another unit


def read_samples(
    lines: Iterable[str],
    source: str,
    reading: Reading = Reading(),  # noqa: B008
    trained: Trained = TUTORIALS,
) -> Samples:
    """Read CSV text: a column per stream, a line per step.

    A first line with a field that is not a number is a header; so is one that counts the columns
    from 0, as pandas writes it where columns have no names, which is logged as a warning. The rate
    is `reading.rate`, or else the model's; times, if there are any, are held against it: steps
    between them are missing samples. Without times, the first sample is at 0 s. A field without a
    number (empty, nan, ...) is a missing sample; so is an empty line where there is one column, and
    among several it is skipped. The first value beyond what the model is trained on is logged as a
    warning.

    Args:
      lines: the text, perhaps not all there yet: no line is asked for before the one before it was
        used, but for the first, and the second one where that is a header.
      source: what to call it in errors.
      reading: how it is read, as far as it is told: delimiter, decimal point, columns.
      trained: what the model is trained on.

    Raises:
      InputError: there is nothing to read, or, while `steps` is iterated, a line is of another
        length, holds something else than numbers, or its time does not fit.
    """
    rate = trained.sampling_rate
    if reading.rate is not None:
        rate = positive_number("--rate", reading.rate)
    rows = _rows(lines, source, reading)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{source} is empty: give samples, one a line, at {rate:g} Hz")
    number, fields = first
    if _is_header(fields, reading, f"{source}, line {number}"):
        names = tuple(field.strip() for field in fields)
        begin = list(itertools.islice(rows, 1))
        rows, example = itertools.chain(begin, rows), begin[0][1] if begin else None
    else:
        names = tuple(f"value_{i}" for i in range(1, len(fields) + 1))
        names = names if len(fields) > 1 else ("value",)
        rows, example = itertools.chain([first], rows), fields
    where = f"{source}, line {number}"
    if len(set(names)) < len(names):
        raise InputError(f"{where}: the columns are {', '.join(names)}: give each its own name")
    if len(names) > 1 and "" in names and not reading.column:
        raise InputError(
            f"{where}: column {names.index('') + 1} has no name: give it one, or "
            "leave it out if it only counts the lines (pandas: index=False)"
        )
    clock = _clock_of(source, names, example, reading)
    columns = tuple(i for i in range(len(names)) if i != clock)
    if reading.column:
        columns = tuple(index_of(source, names, "--column", name) for name in reading.column)
    if not columns:
        raise InputError(
            f"{where}: the columns are {', '.join(names)}: give one of samples at least"
        )
    steps = _steps(rows, source, names, columns, clock, reading, trained, rate)
    return Samples([names[i] for i in columns], steps, rate)


def _clock_of(source: str, names, example: list[str] | None, reading: Reading) -> int | None:
    """Return which column holds times: by its name, or where the first row has a date.

    It is none that samples are wanted of, and where there is one alone, not `T`.
    """
    if reading.no_time:
        return None
    if reading.time_column is not None:
        return index_of(source, names, "--time-column", reading.time_column)
    if len(names) == 1 and may_be_temperature(names[0]):
        return None
    clock = called_time(names, ("",) * len(names))
    if clock is None:
        clock = next((i for i, field in enumerate(example or ()) if as_time(field)), None)
    wanted = [index_of(source, names, "--column", name) for name in reading.column]
    return None if clock in wanted else clock


def _is_header(fields: list[str], reading: Reading, where: str) -> bool:
    """Tell whether a first line holds names, as far as "auto" can tell."""
    if reading.header != "auto":
        return reading.header == "yes"
    plain = [field.strip() for field in fields]
    counted = plain[1:] if len(plain) > 1 and plain[0] == "" else plain  # pandas' index comes first
    if counted == [str(i) for i in range(len(counted))]:
        _LOG.warning(
            f"{where} is {','.join(plain)}: taken for a header, as pandas writes it; give --header "
            "no if these are samples"
        )
        return True
    return any(_number(field, reading) is None and not as_time(field) for field in fields)


def _number(field: str, reading: Reading) -> float | None:
    """Return a field's number, NaN where it is missing, None where it is something else."""
    if is_missing(field, reading.missing):
        return math.nan
    return as_number(field, reading.decimal or ".")


def _rows(lines: Iterable[str], source: str, reading: Reading) -> Iterator[tuple[int, list[str]]]:
    """Split lines into fields: (line number, fields)."""
    delimiter = delimiter_of(reading) or ("," if reading.decimal != "," else ";")
    if delimiter == " ":
        lines = (re.sub(r"\s+", " ", line.strip()) + "\n" for line in lines)
    reader = csv.reader((line.removeprefix("\ufeff") for line in lines), delimiter=delimiter)
    try:
        for fields in reader:
            yield reader.line_num, fields or [""]
    except UnicodeDecodeError:
        raise InputError(f"{source} is not text in UTF-8: give CSV text") from None
    except csv.Error as error:
        raise InputError(f"{source}, line {reader.line_num} is not CSV text ({error})") from None


def _steps(
    rows,
    source: str,
    names: tuple[str, ...],
    columns: tuple[int, ...],
    clock: int | None,
    reading: Reading,
    trained: Trained,
    rate: float,
) -> Iterator[Sample]:
    follow, before, step, warned = None, 0.0, 0, False
    nothing = np.full(len(columns), math.nan)
    for number, fields in rows:
        if fields == [""] and len(names) > 1:
            continue
        where = f"{source}, line {number}"
        values = _values(names, columns, fields, where, reading)
        now = step / rate
        if clock is not None:
            if follow is None:
                example = [[x] for x in fields]
                time = time_column([clock], names, ("",) * len(names), example)
                follow = StreamClock(time, rate)
            now, missing = follow(fields[clock], where)
            for i in range(1, missing + 1):
                yield Sample(before + i * (now - before) / (missing + 1), nothing)
            before = now
        beyond = np.abs(values) > trained.largest  # never true of NaN
        if beyond.any() and not warned:
            warned = True
            _LOG.warning(
                f"{where} holds {values[np.argmax(beyond)]:g}: models are trained on waves of "
                f"{trained.waves_in_words}, so give --scale auto"
            )
        yield Sample(now, values)
        step += 1


def _values(names, columns, fields: list[str], where: str, reading: Reading) -> np.ndarray:
    """Return the numbers of a line, NaN where one is missing."""
    if len(fields) != len(names):
        raise InputError(
            f"{where} has {len(fields)} fields: give {len(names)}, for {', '.join(names)}"
        )
    numbers = []
    for i in columns:
        value = _number(fields[i], reading)
        if value is None or math.isinf(value):
            raise InputError(
                f"{where}: {names[i]} is {shown(fields[i].strip())}: give a finite number, or "
                "leave the field empty where a sample is missing"
            )
        numbers.append(value)
    return np.array(numbers)
