"""What is to be read of a file, and which of its columns that is."""

import re
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError, did_you_mean, shown
from .fields import as_number, is_missing
from .layout import Layout
from .names import called_time, counts_rows, may_be_temperature
from .reading import Reading
from .times import TimeColumn, find_times, time_column

LIKE_A_TIME = re.compile(r"\d{1,4}[-/.:]\d{1,2}[-/.:]\d{1,4}")


class Table(NamedTuple):
    """A file, and the columns of it that are read."""

    path: Path
    layout: Layout
    reading: Reading
    columns: tuple[int, ...]
    time: TimeColumn | None

    @property
    def names(self) -> list[str]:
        """Names of the columns that are read."""
        return [self.layout.names[i] or f"column_{i + 1}" for i in self.columns]


def chosen(path: Path, layout: Layout, reading: Reading, rows: list[list[str]]) -> Table:
    """Return which columns of a file are read.

    Args:
      path: of the file.
      layout: of the file.
      reading: what is told; of columns that are not, times are known by their name or by what they
        hold, and what is read is the only other one of numbers.
      rows: the first ones, split into fields.

    Raises:
      InputError: there are no such columns, or several could be meant.
    """
    time = _time_of(path, layout, reading, rows)
    return Table(path, layout, reading, _columns_of(path, layout, reading, time, rows), time)


def index_of(source: Path | str, names: tuple[str, ...], option: str, wanted: str) -> int:
    """Return which column has a name, or a number from 1 on where none has that name."""
    if wanted in names:
        return names.index(wanted)
    alike = [i for i, each in enumerate(names) if each.lower() == wanted.lower()]
    if len(alike) == 1:
        return alike[0]
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    meant = did_you_mean(wanted, names)
    raise InputError(f"{source}: {option} is {wanted!r}: give one of {_listed(names)}{meant}")


def _listed(names) -> str:
    return ", ".join(name or f"number {i}" for i, name in enumerate(names, 1))


def _time_of(path: Path, layout: Layout, reading: Reading, rows) -> TimeColumn | None:
    if reading.no_time:
        if reading.time_column is not None:
            raise InputError(f"--time-column is {reading.time_column}, with --no-time: give one")
        return None
    if reading.time_column is None:
        samples = wanted_columns(path, layout, reading)
        found = find_times(layout.names, layout.units, rows, layout.decimal, samples)
        called = called_time(layout.names, layout.units)
        if called is None:
            called = _looks_like_times(rows, samples)
        if found is None and called is not None and len(layout.names) > 1:
            example = next((row[called] for row in rows if row[called].strip()), "")
            is_sample = called in samples or (
                may_be_temperature(layout.names[called])
                and as_number(example, layout.decimal) is not None
            )
            if not is_missing(example) and not is_sample:
                name = layout.names[called] or f"column {called + 1}"
                raise InputError(
                    f"{path}: {name} holds {shown(example)}, which is not "
                    "understood as a time: give --no-time and --rate, or --time-column for another"
                )
        return found
    which = index_of(path, layout.names, "--time-column", reading.time_column)
    columns = [[row[i] for row in rows] for i in range(len(layout.names))]
    found = time_column([which], layout.names, layout.units, columns)
    if found is None:
        example = next((x for x in columns[which] if x.strip()), "")
        raise InputError(
            f"{path}: --time-column {reading.time_column} holds {shown(example)}: give one of "
            "seconds, or of dates as 2024-12-31T23:59:59"
        )
    return found


def _looks_like_times(rows, samples: tuple[int, ...]) -> int | None:
    """Return the first column most of whose fields look like dates, and differ; None if none do."""
    for i in (i for i in range(len(rows[0])) if i not in samples):
        told = [row[i] for row in rows if not is_missing(row[i])]
        like = [x for x in told if LIKE_A_TIME.search(x)]
        if 2 * len(like) > len(told) and 2 * len(set(like)) > len(told):
            return i
    return None


def _columns_of(
    path: Path, layout: Layout, reading: Reading, time: TimeColumn | None, rows
) -> tuple[int, ...]:
    """Return the columns that are read: those named, or the only one of numbers."""
    names, times = layout.names, () if time is None else time.columns
    if reading.column:
        return wanted_columns(path, layout, reading)
    numeric = [
        i
        for i in range(len(names))
        if i not in times and _is_numeric([row[i] for row in rows], layout, reading)
    ]
    # Numbers from 1 on, one more in each row, are no samples whatever they are called.
    counts = [
        any(counts_rows(name, [r[i] for r in rows], layout.decimal) for name in ("", names[i]))
        for i in numeric
    ]
    if len(numeric) > 1:
        numeric = [i for i, each in zip(numeric, counts, strict=True) if not each]
    if len(numeric) != 1:
        what = f"{len(numeric)} columns of numbers" if numeric else "no column of numbers"
        meant = [names[i] for i in numeric] or names
        if not numeric:
            words = [row[i] for row in rows for i in range(len(row)) if i not in times]
            word = next((x for x in words if not is_missing(x, reading.missing)), None)
            seen = f"nothing in the first {len(rows)} rows" if word is None else shown(word)
            what += f" (there is {seen})"
        raise InputError(f"{path} has {what}: give --column, one or more of {_listed(meant)}")
    return tuple(numeric)


def wanted_columns(path: Path, layout: Layout, reading: Reading) -> tuple[int, ...]:
    """Return the columns that are named, or raise InputError."""
    found = tuple(index_of(path, layout.names, "--column", name) for name in reading.column)
    if len(set(found)) < len(found):
        raise InputError(f"--column is {', '.join(reading.column)}: give each one once")
    return found


def _is_numeric(fields: list[str], layout: Layout, reading: Reading) -> bool:
    """Tell whether fields are numbers, by most of them: the line of another is named later."""
    told = [x for x in fields if not is_missing(x, reading.missing)]
    return 2 * sum(as_number(x, layout.decimal) is not None for x in told) >= len(told) > 0
