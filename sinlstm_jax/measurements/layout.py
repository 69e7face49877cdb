"""How a text file of columns is laid out: found from its beginning, or told."""

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import InputError
from .fields import THOUSANDS, as_number, as_time, is_missing
from .header import header_of, is_of_values, names_in_comment

BEGINNING = 1 << 16  # bytes that a layout is found from
DELIMITERS = (";", "\t", ",", "|")
SPACES = r"\s+"  # as pandas takes any of them between two fields
NONE = "\x1f"  # a delimiter that no file has: of a single column
COMMENTS = ("#", "%")
TAKEN = 0.9  # share of lines that must have the same number of fields
# What a file begins with that is no text.
PACKED = {b"PK": "a spreadsheet or a zip archive", b"\x1f\x8b": "packed by gzip"}
PACKED |= {b"\x89HDF": "an HDF5 file", b"PAR1": "a Parquet file", b"%PDF": "a PDF"}


@dataclass(frozen=True)
class Layout:
    """Where the rows of a text file begin, and how they are split."""

    encoding: str
    delimiter: str  # as pandas takes it
    decimal: str
    comment: str | None  # what a line begins with that is none of the rows
    names: tuple[str, ...]  # of the columns
    units: tuple[str, ...]  # of the columns, "" where none is told
    first: int  # lines before the first row
    blank: bool = False  # whether an empty line is a row


def find_layout(
    path: Path,
    *,
    delimiter: str | None = None,
    decimal: str | None = None,
    header: Literal["auto", "yes", "no"] = "auto",
    missing: tuple[str, ...] = (),
) -> Layout:
    """Find how a file is laid out.

    Args:
      path: of the file.
      delimiter: what is between fields, where that is known; one of a character, or a space for
        any number of them.
      decimal: the decimal point, or comma.
      header: whether the first line holds names: by itself, if one of them is no number.
      missing: fields that hold no sample, beside those that never do.

    Raises:
      InputError: it cannot be read, is no text, or holds no rows.
    """
    raw, whole = _beginning(path)
    encoding = _encoding(path, raw)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(raw).lstrip("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not whole and len(lines) > 1:
        del lines[-1:]  # it may go on
    comment = next((c for c in COMMENTS if any(_begins(x, c) for x in lines)), None)
    begun = 0
    told = re.fullmatch(r'"?sep=(.)"?', lines[0].strip())
    if told:  # as Excel takes it
        delimiter, begun = delimiter or told[1], 1
    rows = [
        (number, line)
        for number, line in enumerate(lines)
        if line.strip() and not _begins(line, comment) and number >= begun
    ]
    if not rows:
        raise InputError(f"{path} is empty: give samples, one a line")
    given = SPACES if delimiter == " " else delimiter
    delimiter, count = _split(rows, given, decimal, missing)
    fields = [(number, split(line, delimiter)) for number, line in rows]
    alike = [len(each) == count for _, each in fields]
    # A header may lack the delimiter at the end that all rows have.
    begin = next(i for i, same in enumerate(alike) if same)
    if decimal is None:
        decimal = _decimal(path, delimiter, [each for _, each in fields[begin:]], missing)
    longer = begin - _longer_header(fields[: begin + 1], decimal, missing)
    if longer < begin:
        begin, count = longer, len(fields[longer][1])
    before = begin > 0 and count > 1 and len(fields[begin - 1][1]) == count - 1
    if before and all(each[-1].strip() == "" for _, each in fields[begin:]):
        while begin > 0 and len(fields[begin - 1][1]) == count - 1:
            begin -= 1
    elif (
        before
        and not is_of_values(fields[begin - 1][1], decimal, missing)
        and any(as_number(x, decimal) is not None or as_time(x) for x in fields[begin][1][1:])
    ):
        begin -= 1  # R writes rows with a name, and no name for that
        fields[begin] = (fields[begin][0], ["", *fields[begin][1]])
    names, units, first = header_of(fields[begin:], count, decimal, header, missing)
    if comment and all(name.startswith("value") for name in names) and header != "no":
        last = next((x for x in reversed(lines[:first]) if _begins(x, comment)), "")
        names = names_in_comment(split(last.lstrip(comment).strip(), delimiter), names)
    if not any(_begins(line, comment) for line in lines[first:]):
        comment = None  # none among rows: pandas alone is faster
    inner = [line.strip() for line in lines[first:]]
    while inner and not inner[-1]:
        del inner[-1]
    alternate = all(not x for x in inner[1::2]) and all(inner[::2])
    blank = count == 1 and not all(inner) and not alternate
    return Layout(encoding, delimiter, decimal, comment, names, units, first, blank)


def _begins(line: str, comment: str | None) -> bool:
    """Tell whether a line is a comment; `#` alone in the first field is the name of a column."""
    if comment is None or not line.startswith(comment):
        return False
    return line[len(comment) :].lstrip(" ")[:1] not in DELIMITERS


def _longer_header(fields, decimal: str, missing) -> int:
    """Return how many lines belong to the last one, the first of them names, all alike longer.

    Loggers write a serial number beside the first sample alone, and programs a name for comments.
    """
    *before, (_, first) = fields
    rows = [row for _, row in before]
    size = len(rows[-1]) if rows else 0
    if size <= len(first) or len(first) < 2 or not is_of_values(first, decimal, missing):
        return 0
    many = next((i for i, row in enumerate(reversed(rows)) if len(row) != size), len(rows))
    names, *others = rows[-many:]
    told = [x for x in names if not is_missing(x, missing)]
    is_header = not any(is_of_values([x], decimal, missing) for x in told)
    return many if is_header and all(is_of_values(x, decimal, missing) for x in others) else 0


def split(line: str, delimiter: str) -> list[str]:
    """Split a line into its fields."""
    if delimiter == SPACES:
        line, delimiter = re.sub(r"\s+", " ", line.strip()), " "
    try:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [""])
    except csv.Error:
        return line.split(delimiter)


def _beginning(path: Path) -> tuple[bytes, bool]:
    """Return the first bytes of a file, and whether they are all of it."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"{path} is no file, and can be read but once: give a CSV file")
    try:
        with path.open("rb") as file:
            raw = file.read(BEGINNING)
            return raw, not file.read(1)
    except OSError as problem:
        raise InputError(f"{path} cannot be read ({problem.strerror}): give a CSV file") from None


def _encoding(path: Path, raw: bytes) -> str:
    for begin, what in PACKED.items():
        if raw.startswith(begin):
            raise InputError(f"{path} is {what}: give CSV text")
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if raw.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if b"\x00" in raw:
        for encoding, odd in (("utf-16-le", raw[1::2]), ("utf-16-be", raw[::2])):
            if odd.count(0) > TAKEN * len(odd):
                return encoding
        raise InputError(f"{path} is not text: it holds zero bytes; give CSV text")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(raw)
    except UnicodeDecodeError:
        return "cp1252"  # as Windows writes it; degree signs and the like are all that differs
    return "utf-8"


def _split(rows, delimiter: str | None, decimal: str | None, missing) -> tuple[str, int]:
    """Return what is between fields, and how many of them a row has."""
    candidates = (*DELIMITERS, SPACES) if delimiter is None else (delimiter,)
    lines = [line for _, line in rows[-200:]]
    best, found = -1.0, (NONE, 1)
    for candidate in candidates:
        fields = [split(line, candidate) for line in lines]
        count, times = Counter(map(len, fields)).most_common(1)[0]
        if delimiter is not None:
            return delimiter, count
        # A header and a row of units may differ in a short file.
        if count < 2 or times < min(TAKEN * len(lines), len(lines) - 2):
            continue
        if candidate == "," and _are_decimal_commas(rows, decimal):
            continue
        of_rows = [each for each in fields if len(each) == count]
        good = sum(_is_value(x, missing) for each in of_rows for x in each)
        score = good / (len(of_rows) * count) - (0.5 if candidate == SPACES else 0)
        if score > best:
            best, found = score, (candidate, count)
    return found


def _are_decimal_commas(rows, decimal: str | None) -> bool:
    """Tell whether what one comma is in, in every line, is a column of numbers like `0,5`."""
    if decimal == ",":
        return not all('"' in line for _, line in rows[1:])
    header, *rest = (line.strip() for _, line in rows)
    return "," not in header and all(as_number(line, ",") is not None for line in rest if line)


def _is_value(field: str, missing) -> bool:
    return any(as_number(field, decimal) is not None for decimal in ".,") or (
        is_missing(field, missing) or as_time(field)
    )


def _decimal(path: Path, delimiter: str, rows: list[list[str]], missing) -> str:
    """Return the decimal point: a comma where columns have numbers with one.

    A point is none between thousands, nor is a comma where fields are quoted for it.

    Raises:
      InputError: some columns have numbers with a comma, and others with a point.
    """
    with_comma = _numbers_with(",", rows, missing)
    if delimiter == "," and all(re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", x) for x in with_comma):
        with_comma = []
    with_point = [x for x in _numbers_with(".", rows, missing) if not re.fullmatch(THOUSANDS, x)]
    if with_comma and with_point:
        raise InputError(
            f"{path} has numbers with a decimal comma ({with_comma[0]}) and with a point "
            f"({with_point[0]}): give --decimal , or --decimal ."
        )
    return "," if with_comma else "."


def _numbers_with(decimal: str, rows: list[list[str]], missing) -> list[str]:
    """Return numbers with a decimal point, or comma, of columns that hold numbers so."""
    found = []
    for i in range(max(map(len, rows))):
        told = [row[i].strip() for row in rows if i < len(row) and not is_missing(row[i], missing)]
        numbers = [x for x in told if as_number(x, decimal) is not None]
        if 4 * len(numbers) >= len(told):  # there may be a header, and a row of units
            found += [x for x in numbers if decimal in x]
    return found
