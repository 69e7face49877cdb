"""Columns of times: which one it is, and its fields as seconds."""

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .dates import (
    MOST,
    OF_DAY,
    TURNED,
    day_of,
    format_of,
    joined,
    seconds_of,
    zone_of,
)
from .fields import IN_ONE, as_number, as_time
from .fields import OF_DAY as _DAY_TIME
from .names import (
    CALLED,
    DATES,
    SECONDS,
    called_time,
    counts_rows,
    may_be_temperature,
    word_and_unit,
)
from .words import DAY, HOUR

# What numbers from here on are, where no unit is told: the epoch's, of 1973 at the earliest.
EPOCHS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
EPOCH = 1e8  # and of seconds
WHOLE_DATE = re.compile(IN_ONE)
UPWARDS = 0.9  # share of times that come after the one before, of which some may be wrong
MONTH = 365.2425 * 86400 / 12  # s, on the average
DIGITS = 6  # of seconds, in what is written; more where the rate asks for it


class TimeColumn(NamedTuple):
    """A column of times, or one of dates and one of times of day, and how they are read."""

    columns: tuple[int, ...]
    form: str | None  # of `FORMATS`, or OF_DAY; None: numbers
    unit: str = "s"  # of numbers
    zone: timezone | None = None  # of dates; None where none is told
    day: int | None = None  # of the month, or its last one: they are months apart, all of a day
    elapsed: bool = False  # whether OF_DAY is the time since a start, over a day

    @property
    def wraps(self) -> float:
        """How far times fall back where they are right: an hour in autumn, a day at midnight."""
        if self.form == OF_DAY:
            return DAY
        return HOUR if self.form and self.zone is None else 0.0

    def turned(self) -> "TimeColumn | None":
        """Return the column with day and month the other way round; None where they are told."""
        for pair in TURNED:
            for one, other in (pair, pair[::-1]):
                if self.form is not None and self.form.startswith(one):
                    return self._replace(form=self.form.replace(one, other))
        return None

    def seconds(self, fields: list) -> np.ndarray:
        """Return columns of fields, `[time]` each, as seconds in float64; NaN where none is told.

        Of dates since 1970, of a time of day since midnight.
        """
        if self.form is None:
            given: Any = pd.to_numeric(pd.Series(fields[0]), errors="coerce")
            return given.to_numpy(np.float64) * SECONDS[self.unit]
        return seconds_of(joined(fields), self.form)

    def settled(self, fields: list) -> "TimeColumn":
        """Return the column, with day and month as fields from all over a file tell."""
        if self.form is None or self.turned() is None:
            return self
        text = joined(fields)
        form = format_of(text[text.str.strip() != ""].reset_index(drop=True)) or self.form
        return self._replace(form=form, day=day_of(seconds_of(text, form)))

    def counting(self, last: float) -> "TimeColumn":
        """Return the column, as it goes on after a row at so many seconds."""
        return self._replace(elapsed=self.form == OF_DAY and last >= DAY)

    def written(self, seconds: float, rate: float) -> float | str:
        """Return a time as the column has it, to as many digits as samples at `rate` Hz need."""
        digits = max(DIGITS, 3 + int(np.ceil(np.log10(rate))))
        if self.form is None:
            scale = SECONDS[self.unit]
            number = round(seconds / scale, max(0, digits + int(np.floor(np.log10(scale)))))
            return int(number) if number.is_integer() and abs(number) >= 1e9 else number
        microseconds = round(seconds * 1e6)
        if self.form == OF_DAY:
            days, of_day = divmod(microseconds, int(DAY * 1e6))
            told = (datetime(1970, 1, 1) + timedelta(microseconds=of_day)).time().isoformat()
            return f"{24 * days + int(told[:2])}{told[2:]}" if self.elapsed else told
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
        if self.day is not None:  # months are of 28 to 31 days, and steps all alike
            near = moment - timedelta(days=self.day - 1) + timedelta(seconds=MONTH / 2)
            day = min(self.day, monthrange(near.year, near.month)[1])
            moment = near.replace(day=day, hour=0, minute=0, second=0, microsecond=0)
        if self.zone is None:
            return moment.replace(tzinfo=None).isoformat()
        return moment.astimezone(self.zone).isoformat()


def find_times(
    names: tuple[str, ...],
    units: tuple[str, ...],
    rows: list[list[str]],
    decimal: str,
    samples: tuple[int, ...] = (),
) -> TimeColumn | None:
    """Find the column of times by its name, or else by what it holds; None where there is none.

    It is none that samples are wanted of, and where there is one alone, not `T`.

    Args:
      names: of the columns.
      units: of the columns, "" where none is told.
      rows: the first of the file's rows, split into fields.
      decimal: the decimal point.
      samples: columns that are told to hold samples.
    """
    columns = [[row[i] for row in rows] for i in range(len(names))]
    free = [i for i in range(len(names)) if i not in samples]
    if len(names) == 1 and may_be_temperature(names[0]):
        free = []
    dates = [i for i in free if _most(columns[i], as_time)]
    if dates:
        found = time_column(_date_and_time(dates, names, columns), names, units, columns)
        if found is not None:
            return found
    called = called_time(names, units)
    if called in free:
        is_called = names[called].lower() in CALLED and not may_be_temperature(names[called])
        if is_called or _goes_up(columns[called]):
            return time_column([called], names, units, columns)
    first = int(counts_rows(names[0], columns[0], decimal))  # times come next to counts
    if len(names) > first + 1 and first in free and _goes_up_evenly(columns[first], decimal):
        return time_column([first], names, units, columns)
    return None


def time_column(
    which: list[int], names: tuple[str, ...], units: tuple[str, ...], columns: list[list[str]]
) -> TimeColumn | None:
    """Return how a column is read that holds times; None where it does not.

    Of two columns the first one is to hold dates and the other one times of day.
    """
    first, name = columns[which[0]], names[which[0]]
    told = [x.strip() for x in first if x.strip()]
    numbers = [x for x in (as_number(x.replace(",", ".")) for x in told) if x is not None]
    word, unit = word_and_unit(name, units[which[0]])
    if len(numbers) > MOST * len(told) and not all(map(WHOLE_DATE.fullmatch, told)):
        if unit is None:
            unit = next((each for least, each in EPOCHS if abs(numbers[0]) >= least), None)
        if unit is None and abs(numbers[0]) < EPOCH and set(re.split(r"[_ ]", word)) & {*DATES}:
            return None
        return TimeColumn((which[0],), None, unit or "s")
    text = joined([columns[i] for i in which])
    text = text[text.str.strip() != ""].reset_index(drop=True)
    if text.empty:
        return None
    if not text.str.contains(r"[-/.]\d+[-/.]|^\d{6}|[A-Za-z]{3}|^\d{4}-", regex=True).any():
        found = TimeColumn(tuple(which), OF_DAY)
        return found if np.isfinite(seconds_of(text, OF_DAY)).mean() >= MOST else None
    form = format_of(text)
    if form is None:
        return None
    # With an offset beside it, as in `GMT+01:00`, times are written as the file has them.
    zone = UTC if re.search(r"(utc|gmt)(?!\s*[+-]\s*\d)", name.lower()) else zone_of(text)
    return TimeColumn(tuple(which), form, zone=zone, day=day_of(seconds_of(text, form)))


def _date_and_time(dates: list[int], names: tuple[str, ...], columns: list[list[str]]) -> list[int]:
    """Return the column of times among several: the first that goes on, or a date and a time."""
    of_day = [
        _most(columns[i], lambda x: _DAY_TIME.fullmatch(x.strip()) is not None) for i in dates
    ]
    whole = [i for i, each in zip(dates, of_day, strict=True) if not each]
    times = [i for i, each in zip(dates, of_day, strict=True) if each]
    alone = [i for i in whole if not _most(columns[i], lambda x: ":" in x)]
    nameless = ("", *(f"value_{i}" for i in range(1, len(names) + 1)))  # as `layout` has them
    called = [i for i in times if word_and_unit(names[i], "")[0] in CALLED or names[i] in nameless]
    if alone and not called and _stays(columns[alone[0]]):
        called = times[:1]  # `Hour`, or `Anfang` and `Ende`, beside a date
    if alone and called and alone[0] == whole[0]:
        return [alone[0], called[0]]
    going_on = [i for i in whole if not _stays(columns[i])]
    return (going_on or whole or times)[:1]


def _stays(column: list[str]) -> bool:
    """Tell whether most fields stand more than once."""
    return len(set(column)) <= len(column) / 2


def _most(column: list[str], is_one) -> bool:
    """Tell whether most of the fields that hold anything hold a time."""
    known = [field for field in column if field.strip()]
    return bool(known) and sum(map(is_one, known)) >= MOST * len(known)


def _goes_up(column: list[str]) -> bool:
    """Tell whether most numbers are larger than those before: `min` or `hr` may be other things."""
    numbers = [as_number(field.replace(",", ".")) for field in column]
    known = np.array([x for x in numbers if x is not None])
    return known.size > 1 and bool(np.mean(np.diff(known) > 0) > UPWARDS)


def _goes_up_evenly(column: list[str], decimal: str) -> bool:
    """Tell whether numbers go up in steps of one length, jitter and some gaps aside."""
    numbers = [as_number(field, decimal) for field in column]
    if len(numbers) < 4 or any(x is None for x in numbers):
        return False
    steps = np.diff(np.array(numbers, np.float64))
    middle = np.median(steps)
    return bool((steps > 0).all() and np.mean(np.abs(steps / middle - 1) < 0.5) > 0.8)
