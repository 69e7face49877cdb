"""Rows of a file of samples: its columns as numbers, and which line a row is."""

import contextlib
import io
import itertools
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from ..errors import InputError, shown
from .columns import Table
from .fields import MISSING, THOUSANDS, as_number, is_missing
from .layout import Layout, split

ROWS = 100_000  # that are read at once
LINES = 1000  # that are looked at for comments at once
SEEN = 200  # rows that columns are found by


def first_rows(path: Path, layout: Layout) -> list[list[str]]:
    """Return the fields of the first rows, as many in each as there are columns."""
    rows, count = [], len(layout.names)
    with path.open(encoding=layout.encoding, errors="replace") as file:
        for number, line in enumerate(file):
            if number >= layout.first and _is_row(line, layout):
                fields = split(line.rstrip("\r\n"), layout.delimiter)[:count]
                rows.append(fields + [""] * (count - len(fields)))
            if len(rows) == SEEN or number > layout.first + 10 * SEEN:
                break
    return rows


def settled(table: Table) -> Table:
    """Return a file with day and month of its dates as the whole of it tells, if they are in doubt.

    Its first rows may be of one day, which is the same day of a month either way round.
    """
    if table.time is None or table.time.turned() is None:
        return table
    parts: list[list] = [[] for _ in table.time.columns]
    for frame in _frames(table, lambda share: None):
        some = frame.iloc[:: max(1, len(frame) // SEEN)]
        for part, i in zip(parts, table.time.columns, strict=True):
            part += some[i].astype("string").fillna("").tolist()
    return table._replace(time=table.time.settled(parts))


def line_of(table: Table, row: int) -> int:
    """Return the line of a row, both counted from their first, rows from 0 and lines from 1."""
    layout, seen = table.layout, -1
    with table.path.open(encoding=layout.encoding, errors="replace") as file:
        for number, line in enumerate(file, 1):
            if number > layout.first and _is_row(line, layout, table.time is not None):
                seen += 1
                if seen == row:
                    return number
    return layout.first + row + 1


def _is_row(line: str, layout: Layout, timed: bool = False) -> bool:
    """Tell whether a line is a row; one that has nothing is none where rows have times."""
    if layout.comment and line.startswith(layout.comment):
        return False
    if timed:
        return not all(is_missing(field) for field in split(line.strip(), layout.delimiter))
    return layout.blank or bool(line.strip('"\r\n\t '))


class _WithoutComments(io.TextIOBase):
    """The lines of a file but for comments: pandas would cut rows at a comment's sign, too."""

    def __init__(self, file: IO[bytes], layout: Layout):
        self.text = io.TextIOWrapper(file, encoding=layout.encoding, errors="replace", newline="")
        self.lines = (
            line
            for number, line in enumerate(self.text)
            if number < layout.first or not line.startswith(layout.comment or "")
        )

    def read(self, size: int | None = -1) -> str:
        """Return the next lines, however long they are; nothing at the end."""
        return "".join(itertools.islice(self.lines, LINES))


def _frames(table: Table, progress) -> Iterator[pd.DataFrame]:
    """Read the rows of a file, so many at once, as pandas takes them."""
    layout, reading, rows = table.layout, table.reading, 0
    extra = len(layout.names)  # one more, which is to be empty
    nothing = {y for x in MISSING for y in (x, x.upper(), x.title())}
    told = sorted({y for x in reading.missing for y in (x, x.lower(), x.upper())} | nothing)
    spelt: Any = {i: told for i in table.columns}
    if table.time is not None:
        spelt |= dict.fromkeys(table.time.columns, sorted(nothing))
    try:
        size = max(1, table.path.stat().st_size)
        with (
            table.path.open("rb") as file,
            contextlib.nullcontext(
                _WithoutComments(file, layout) if layout.comment else file
            ) as source,
            pd.read_csv(
                source,
                sep=layout.delimiter,
                encoding=layout.encoding,
                encoding_errors="replace",
                header=None,
                names=range(extra + 1),
                index_col=False,  # else longer rows are shifted
                skiprows=layout.first,
                decimal=layout.decimal,
                na_values=spelt,
                skipinitialspace=True,
                skip_blank_lines=not layout.blank,
                chunksize=ROWS,
                low_memory=False,
            ) as chunks,
        ):
            for frame in chunks:
                kept = frame.notna().any(axis=1).to_numpy(bool) | (table.time is None)
                frame = frame[kept]  # spreadsheets end with rows of empty fields
                longer = frame[extra].notna().to_numpy(bool)
                if longer.any():
                    number = line_of(table, rows + int(np.argmax(longer)))
                    raise InputError(
                        f"{table.path}, line {number} has more than {extra} fields: mend it, or "
                        "give --delimiter"
                    )
                rows += len(frame)
                yield frame
                progress(min(1.0, file.tell() / size))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{table.path} cannot be read as rows of {len(layout.names)} columns ({reason}): "
            "mend that line, or give --delimiter"
        ) from None


def times(table: Table, progress) -> Iterator[np.ndarray]:
    assert table.time is not None
    for frame in _frames(table, progress):
        yield table.time.seconds([frame[i] for i in table.time.columns])


def numbers(table: Table, progress) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read chunks of (times, values); times are nothing where there are none."""
    time = table.time
    row = 0
    for frame in _frames(table, progress):
        values = np.stack([_column(table, frame[i], i, row) for i in table.columns], axis=1)
        seconds = time.seconds([frame[i] for i in time.columns]) if time else np.empty(0)
        row += len(values)
        yield seconds, values


def _column(table: Table, fields, index: int, row: int) -> np.ndarray:
    """Return a column as float64, NaN where missing, or raise InputError naming a line."""
    values: Any = fields
    if not pd.api.types.is_numeric_dtype(fields) or pd.api.types.is_bool_dtype(fields):
        text = fields.astype("string").str.strip().fillna("")
        if table.layout.decimal == ",":
            grouped = text.str.fullmatch(THOUSANDS)
            text = text.mask(grouped, text.str.replace(".", "", regex=False))
            text = text.str.replace(",", ".", regex=False)
        values = pd.to_numeric(text, errors="coerce")
        known = ~text.map(lambda field: is_missing(field, table.reading.missing))
        wrong = (values.isna() & known).to_numpy(bool)
        if wrong.any():
            _refuse(table, index, row + int(np.argmax(wrong)), str(text[wrong].iloc[0]))
    found = values.to_numpy(np.float64, na_value=np.nan)
    if np.isinf(found).any():
        at = int(np.argmax(np.isinf(found)))
        _refuse(table, index, row + at, str(found[at]))
    return found


def _refuse(table: Table, index: int, row: int, field: str):
    name = table.layout.names[index] or f"column {index + 1}"
    other = "," if table.layout.decimal == "." else "."
    way_out = f"or give --missing {shlex.quote(field)}"
    if as_number(field, other) is not None:
        way_out = f"or give --decimal {other}"
    raise InputError(
        f"{table.path}, line {line_of(table, row)}: {name} is {shown(field)}: give a finite "
        f"number, or leave the field empty where a sample is missing ({way_out})"
    )
