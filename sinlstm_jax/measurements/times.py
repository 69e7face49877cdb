"""Columns of times: which one it is, and its fields as seconds."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .fields import as_number, as_time
from .words import DAY, HOUR

# Of names, without a unit in them.
CALLED = """time t timestamp time_stamp ts datetime date_time date/time date date_and_time elapsed
elapsed_time epoch unix unixtime unix_time utc zeit zeitstempel uhrzeit datum index_time""".split()
COUNTERS = ("", "index", "unnamed: 0", "no", "nr", "n", "row", "sample", "value_1")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
SECONDS |= {"h": 3600.0, "d": 86400.0, "a": 365.25 * 86400}
SPELT_OUT = {
    **dict.fromkeys(("nanoseconds", "nanos", "nanosecond"), "ns"),
    **dict.fromkeys(("microseconds", "micros", "microsecond", "usec"), "us"),
    **dict.fromkeys(("milliseconds", "millis", "millisecond", "msec"), "ms"),
    **dict.fromkeys(("seconds", "secs", "sec", "second"), "s"),
    **dict.fromkeys(("minutes", "minute", "mins"), "min"),
    **dict.fromkeys(("hours", "hour", "hrs", "hr"), "h"),
    **dict.fromkeys(("days", "day"), "d"),
    **dict.fromkeys(("years", "year", "yr"), "a"),
}
# What numbers from here on are, where no unit is told: the epoch's, of 1973 at the earliest.
EPOCHS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
FORMATS = (
    "ISO8601",
    *(f"{date}{of_day}" for date in ("%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%Y/%m/%d")
      for of_day in (" %H:%M:%S.%f", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", "")),
)  # fmt: skip
OF_DAY = "of day"
UPWARDS = 0.9  # share of times that come after the one before, of which some may be wrong
MONTH = 365.2425 * 86400 / 12  # s, on the average
DIGITS = 6  # of seconds, in what is written; more where the rate asks for it


class TimeColumn(NamedTuple):
    """A column of times, or one of dates and one of times of day, and how they are read."""

    columns: tuple[int, ...]
    form: str | None  # of `FORMATS`, or OF_DAY; None: numbers
    unit: str = "s"  # of numbers
    zone: timezone | None = None  # of dates; None where none is told
    day: int | None = None  # of the month, where all dates are of one: they are months apart

    @property
    def wraps(self) -> float:
        """How far times fall back where they are right: an hour in autumn, a day at midnight."""
        if self.form == OF_DAY:
            return DAY
        return HOUR if self.form and self.zone is None else 0.0

    def seconds(self, fields: list) -> np.ndarray:
        """Return columns of fields, `[time]` each, as seconds in float64; NaN where none is told.

        Of dates since 1970, of a time of day since midnight.
        """
        if self.form is None:
            given: Any = pd.to_numeric(pd.Series(fields[0]), errors="coerce")
            return given.to_numpy(np.float64) * SECONDS[self.unit]
        text = pd.Series(fields[0]).astype("string").str.strip()
        for more in fields[1:]:
            text = text + " " + pd.Series(more).astype("string").str.strip()
        return _seconds_of(text, self.form)

    def written(self, seconds: float, rate: float) -> float | str:
        """Return a time as the column has it, to as many digits as samples at `rate` Hz need."""
        digits = max(DIGITS, 3 + int(np.ceil(np.log10(rate))))
        if self.form is None:
            scale = SECONDS[self.unit]
            number = round(seconds / scale, max(0, digits + int(np.floor(np.log10(scale)))))
            return int(number) if number.is_integer() and abs(number) >= 1e9 else number
        microseconds = round(seconds * 1e6)
        if self.form == OF_DAY:
            whole = datetime(1970, 1, 1) + timedelta(microseconds=microseconds % int(DAY * 1e6))
            return whole.time().isoformat()
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
        if self.day is not None:  # months are of 28 to 31 days, and steps all alike
            near = moment - timedelta(days=self.day - 1) + timedelta(seconds=MONTH / 2)
            moment = near.replace(day=self.day, hour=0, minute=0, second=0, microsecond=0)
        if self.zone is None:
            return moment.replace(tzinfo=None).isoformat()
        return moment.astimezone(self.zone).isoformat()


def find_times(
    names: tuple[str, ...], units: tuple[str, ...], rows: list[list[str]], decimal: str
) -> TimeColumn | None:
    """Find the column of times by its name, or else by what it holds; None where there is none.

    Args:
      names: of the columns.
      units: of the columns, "" where none is told.
      rows: the first of the file's rows, split into fields.
      decimal: the decimal point.
    """
    columns = [[row[i] for row in rows] for i in range(len(names))]
    dates = [i for i, column in enumerate(columns) if _all(column, as_time)]
    if dates:
        return time_column(dates[:2], names, units, columns)
    called = called_time(names, units)
    if called is not None and (names[called].lower() in CALLED or _goes_up(columns[called])):
        return time_column([called], names, units, columns)
    counts = counts_rows(names[0], columns[0], decimal)
    if len(names) > 1 and not counts and _goes_up_evenly(columns[0], decimal):
        return time_column([0], names, units, columns)
    return None


def called_time(names: tuple[str, ...], units: tuple[str, ...]) -> int | None:
    """Return which column is called as times are; None where none is."""
    for i, name in enumerate(names):
        word, unit = _word_and_unit(name, units[i])
        if word in CALLED or (word == "" and unit):
            return i
    return None


def counts_rows(name: str, fields: list[str], decimal: str) -> bool:
    """Tell whether a column counts the rows, as programs write it without being asked."""
    numbers = [as_number(x, decimal) for x in fields]
    if name.lower() not in COUNTERS or len(numbers) < 2 or any(x is None for x in numbers):
        return False
    steps = np.diff(np.array(numbers, np.float64))
    return numbers[0] in (0, 1) and bool((steps == 1).all())


def time_column(
    which: list[int], names: tuple[str, ...], units: tuple[str, ...], columns: list[list[str]]
) -> TimeColumn | None:
    """Return how a column is read that holds times; None where it does not.

    Of two columns the first one is to hold dates and the other one times of day.
    """
    first = columns[which[0]]
    if not _all(first, as_time):
        known = [x for x in map(as_number, (x.replace(",", ".") for x in first)) if x is not None]
        if not known:
            return None
        unit = _word_and_unit(names[which[0]], units[which[0]])[1]
        if unit is None:
            unit = next((name for least, name in EPOCHS if abs(known[0]) >= least), "s")
        return TimeColumn((which[0],), None, unit)
    text = pd.Series([x.strip() for x in first if x.strip()], dtype="string")
    of_day = ~text.str.contains(r"[-/.]\d+[-/.]|^\d{8}", regex=True)
    used = which[:1]
    if len(which) > 1:
        second = pd.Series([x.strip() for x in columns[which[1]] if x.strip()], dtype="string")
        if not of_day.any() and not text.str.contains(":").any() and len(second) == len(text):
            text, used = text + " " + second, which[:2]
    if of_day.all():
        return TimeColumn(tuple(used), OF_DAY)
    form = _format_of(text)
    if form is None:
        return None
    return TimeColumn(tuple(used), form, zone=_zone_of(text), day=_day_of(_seconds_of(text, form)))


def _day_of(seconds: np.ndarray) -> int | None:
    """Return the day of the month of dates that are whole months apart; None of others."""
    moments = pd.to_datetime(seconds, unit="s")
    days = set(moments.day)
    apart = np.diff(seconds).min(initial=np.inf)
    whole = bool((moments == moments.normalize()).all()) and apart >= 27 * DAY
    return min(days) if whole and len(days) == 1 and min(days) <= 28 else None


def _format_of(text) -> str | None:
    """Return the format that reads all of some times; of several, in which they go up evenly."""
    found = []
    for form in FORMATS:
        seconds = _seconds_of(text, form)
        if np.isfinite(seconds).all():
            steps = np.diff(seconds)
            uneven = np.median(np.abs(steps - np.median(steps))) if steps.size else 0.0
            found.append((bool((steps < 0).any()), uneven, len(found), form))
    return min(found)[-1] if found else None


def _seconds_of(text, form: str) -> np.ndarray:
    """Return text as seconds, NaN where it is of another format."""
    if form == OF_DAY:
        whole = text.where(text.str.count(":") != 1, text + ":00")
        return pd.to_timedelta(whole, errors="coerce").dt.total_seconds().to_numpy(np.float64)
    moments = pd.to_datetime(text, format=form, errors="coerce", utc=True)
    since = moments - pd.Timestamp(0, tz="UTC")
    return since.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)


def _zone_of(text) -> timezone | None:
    """Return the zone that times tell, that of the first one; None where they tell none."""
    found = re.search(r"(?:(z|utc|gmt)|([+-])(\d{2}):?(\d{2})?)$", text.iloc[0], re.IGNORECASE)
    if found is None or ":" not in text.iloc[0].split(found[0])[0] + " ":
        return None
    if found[1]:
        return UTC
    hours, minutes = int(found[3]), int(found[4] or 0)
    return timezone((1 if found[2] == "+" else -1) * timedelta(hours=hours, minutes=minutes))


def _word_and_unit(name: str, told: str) -> tuple[str, str | None]:
    """Return a column's name without its unit, and that, of `time_ms`, `Time [s]`, `seconds`."""
    words = name.strip().lower()
    unit = re.search(r"[\[(]\s*([^\])]*)\s*[\])]\s*$", words)
    words = words[: unit.start()] if unit else words
    word = words.strip().replace(" ", "_").strip("_")
    for text in (unit[1] if unit else "", told.lower(), word, word.rpartition("_")[2]):
        found = SPELT_OUT.get(text.strip(), text.strip())
        if found in SECONDS and not (text == word and len(text) == 1 and text != "s"):
            if text in (word, word.rpartition("_")[2]) and word not in CALLED:
                word = word[: -len(text)].strip("_")
            return word, found
    return word, None


def _all(column: list[str], is_one) -> bool:
    """Tell whether all fields that hold anything hold a time."""
    known = [field for field in column if field.strip()]
    return bool(known) and all(map(is_one, known))


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
