"""Names of columns: which are those of times, in which unit, and which only count the rows."""

import re

import numpy as np

from .fields import as_number

# Of names, without a unit in them.
CALLED = """time t timestamp time_stamp ts datetime date_time date/time date date_and_time elapsed
elapsed_time epoch unix unixtime unix_time utc zeit zeitstempel uhrzeit datum index_time""".split()
DATES = (
    "date",
    "datetime",
    "datum",
    "decimal",
)  # words in names of which plain numbers tell nothing
COUNTERS = """index unnamed:_0 no nr n row sample value_1 record scan sequence seq entry_id id
#""".split()
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
SECONDS |= {"h": 3600.0, "d": 86400.0, "a": 365.25 * 86400}
SPELT_OUT = {
    **dict.fromkeys(("nanoseconds", "nanos", "nanosecond"), "ns"),
    **dict.fromkeys(("microseconds", "micros", "microsecond", "usec"), "us"),
    **dict.fromkeys(("milliseconds", "millis", "millisecond", "msec"), "ms"),
    **dict.fromkeys(("seconds", "secs", "sec", "second", "sekunden"), "s"),
    **dict.fromkeys(("minutes", "minute", "mins", "minuten"), "min"),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "stunden"), "h"),
    **dict.fromkeys(("days", "day"), "d"),
    **dict.fromkeys(("years", "year", "yr"), "a"),
}


def called_time(names: tuple[str, ...], units: tuple[str, ...]) -> int | None:
    """Return which column is called as times are; None where none is.

    `T` is the last choice: it may be a temperature.
    """
    words = [word_and_unit(name, unit) for name, unit in zip(names, units, strict=True)]
    found = [i for i, (word, unit) in enumerate(words) if word in CALLED or (word == "" and unit)]
    return min(found, key=lambda i: may_be_temperature(names[i]), default=None)


def may_be_temperature(name: str) -> bool:
    """Tell whether a name is that of times and of temperatures alike."""
    return name.strip().lower() == "t"


def counts_rows(name: str, fields: list[str], decimal: str) -> bool:
    """Tell whether a column counts the rows, as programs write it without being asked."""
    numbers = [as_number(x, decimal) for x in fields]
    if (
        (name and name.lower().rstrip(".").replace(" ", "_") not in COUNTERS)
        or len(numbers) < 2
        or any(x is None for x in numbers)
    ):
        return False
    steps = np.diff(np.array(numbers, np.float64))
    called = name and name != "value_1"  # by a name: a logger's memory may begin anywhere
    return (called or numbers[0] in (0, 1)) and bool((steps == 1).all())


def word_and_unit(name: str, told: str) -> tuple[str, str | None]:
    """Return a column's name without its unit, and that: `time_ms`, `Time [s]`, `t/ms`, `timeMs`.

    Of a unit alone, as in `seconds`, the name is "".
    """
    spelt = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip()).lower()
    bracket = re.search(r"[\[(]\s*([^\])]*?)\s*[\])]\s*$", spelt)
    spelt = spelt[: bracket.start()] if bracket else spelt
    word = re.sub(r"[\s_]+", "_", spelt).strip("_")
    tokens = [each for each in re.split(r"[_/.,]+", word) if each]
    given = [bracket[1] if bracket else "", told.strip().lower()]
    if word not in CALLED and tokens:
        if len(tokens) > 1 and tokens[0] in CALLED and _unit(tokens[1]):
            return tokens[0], _unit(tokens[1])  # `time ms since boot`
        last = _unit(tokens[-1])
        if last and (len(tokens) > 1 or len(tokens[0]) > 1 or tokens[0] == "s"):
            return "_".join(tokens[:-1]), last
    return word, next((_unit(each) for each in given if _unit(each)), None)


def _unit(word: str) -> str | None:
    found = SPELT_OUT.get(word, word)
    return found if found in SECONDS else None
