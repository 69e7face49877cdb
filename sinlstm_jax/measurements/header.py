"""What stands above the rows of a file: names and units of its columns, titles and settings."""

import re

from .fields import as_number, as_time, is_missing
from .names import CALLED, word_and_unit

TIMES = ("time", "date", "zeit", "uhrzeit", "datum")  # what no unit is called


def header_of(
    fields: list[tuple[int, list[str]]],
    count: int,
    decimal: str,
    header: str,
    missing: tuple[str, ...],
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Return (names, units, lines before the first row) of what begins with a header, perhaps.

    Args:
      fields: lines, by their numbers from 0 on, split into fields.
      count: of the columns.
      decimal: the decimal point.
      header: "yes" or "no" where that is told, or "auto".
      missing: fields that hold no sample, beside those that never do.
    """
    above = _above_the_rows([row for _, row in fields], decimal, missing)
    if header == "auto" and above:
        fields = fields[_settings_in(above, decimal, missing) :]
    number, first = fields[0]
    has_words = not is_of_values(first, decimal, missing) if above is None else bool(above)
    if header == "no" or not (header == "yes" or has_words or _counts(first, fields)):
        names = tuple(f"value_{i}" for i in range(1, count + 1)) if count > 1 else ("value",)
        return names, ("",) * count, number
    names = _apart([field.strip().strip('"') for field in first] + [""] * (count - len(first)))
    units, rest = [""] * len(names), fields[1:]
    if len(rest) > 1 and _are_units([row for _, row in rest], decimal, missing):
        for i, unit in enumerate(rest[0][1][: len(names)]):
            units[i] = unit.strip().strip("()[]")
        rest = rest[1:]
        # Campbell's loggers tell in one more line what is an average and what a sample.
        if count > 1 and len(rest) > 1 and _are_units([row for _, row in rest], decimal, missing):
            rest = rest[1:]
    after = rest[0][0] if rest else fields[-1][0] + 1
    return names, tuple(units), after


def _above_the_rows(rows: list[list[str]], decimal: str, missing) -> list[list[str]] | None:
    """Return what stands above the first row of samples; None where nothing tells which that is.

    It has words in columns that else hold numbers and times, or nothing.
    """
    told = [
        [is_of_values([row[i]], decimal, missing) for row in rows if _tells(row, i, missing)]
        for i in range(max(map(len, rows)))
    ]
    valued = [i for i, column in enumerate(told) if column and 2 * sum(column) >= len(column)]
    number = 0  # of rows down to the last of those above that hold anything
    for i, row in enumerate(rows, 1):
        samples = [row[i] for i in valued if _tells(row, i, missing)]
        if samples and is_of_values(samples, decimal, missing):
            return rows[:number]
        if any(not is_missing(field, missing) for field in row):
            number = i
    return None


def _tells(row: list[str], column: int, missing) -> bool:
    return column < len(row) and not is_missing(row[column], missing)


def _settings_in(above: list[list[str]], decimal: str, missing) -> int:
    """Return how many lines of those above the rows stand above the names of the columns.

    They are titles, and settings, as oscilloscopes write them: words beside numbers and dates.
    """
    told = [[x for x in row if not is_missing(x, missing)] for row in above]
    settings = [
        number
        for number, row in enumerate(told)
        if any(is_of_values([field], decimal, missing) for field in row)
    ]
    begin = settings[-1] + 1 if settings else 0
    left = [number for number in range(begin, len(above)) if told[number]]
    named = next((number for number in left if _name_times(above[number])), None)
    if named is not None:
        return named
    return max(left, key=lambda number: len(told[number])) if len(settings) > 1 and left else 0


def _name_times(row: list[str]) -> bool:
    """Tell whether a row has the name of a column of times: `time`, or `t_ms`, with its unit."""
    words = [word_and_unit(field, "") for field in row]
    return any(word in CALLED and (unit or word.startswith(TIMES)) for word, unit in words)


def _counts(first: list[str], fields) -> bool:
    """Tell whether a line counts the columns from 0, as pandas writes it where they have none."""
    plain = [field.strip() for field in first]
    counted = plain[1:] if len(plain) > 1 and plain[0] == "" else plain
    return counted == [str(i) for i in range(len(counted))] and len(fields) > 1


def _are_units(rows: list[list[str]], decimal: str, missing) -> bool:
    """Tell whether the first of rows holds units: words alone, above what are none."""
    words = [x.strip() for x in rows[0]]
    if all(re.fullmatch(r"\d+[sdn]", x) for x in words):
        return True  # the widths of columns, of rivers in the United States
    if any(as_number(x, decimal) is not None or as_time(x) for x in words if x):
        return False
    told = [i for i, x in enumerate(words) if not is_missing(x, missing)]
    below = [[row[i] for row in rows[1:] if i < len(row)] for i in told]
    return bool(told) and all(
        2 * sum(is_of_values([x], decimal, missing) for x in column) > len(column)
        for column in below
    )


def _apart(names: list[str]) -> tuple[str, ...]:
    """Return names of which none stands twice: `a`, `a_2`."""
    found: list[str] = []
    for name in names:
        other, number = name, 1
        while other and other in found:
            number += 1
            other = f"{name}_{number}"
        found.append(other)
    return tuple(found)


def names_in_comment(found: list[str], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in the last comment before the rows, where NumPy writes them, if any."""
    if len(found) != len(names) or not all(found) or any(as_number(x) is not None for x in found):
        return names
    return _apart([field.strip() for field in found]) if len(names) > 1 else names


def is_of_values(row: list[str], decimal: str, missing: tuple[str, ...]) -> bool:
    """Tell whether all that a row holds are numbers and times."""
    return all(
        as_number(x, decimal) is not None or is_missing(x, missing) or as_time(x) for x in row
    )
