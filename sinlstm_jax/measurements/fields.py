"""What a field of a text file holds: a number, a time, nothing."""

import math
import re

MISSING = ("", "nan", "na", "n/a", "none", "null", "-", "--", "?")  # fields, in any case
# A date, a time of day, or both; what `times` reads.
# A date in one number, 20241231, perhaps with the hour, or with the time of day to the minute or
# second.
IN_ONE = r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(([01]\d|2[0-3])([0-5]\d){0,2})?"
_DATE = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{4}-\d{2}"
_NAMES = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_MONTH = rf"(\w{{3}},? )?(\d{{1,2}}[- ])?{_NAMES}[- ]((\d{{1,2}},? )?\d{{4}}|\d{{2}})"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+|:\d{3})?)?( ?[ap]\.?m\.?)?|(?<=T)\d{4,6}([.,]\d+)?"
_ZONE = r"( ?(z|utc|gmt|[+-]\d{2}(:?\d{2})?))?(\[[^\]]*\])?"
THOUSANDS = r"[+-]?\d{1,3}(\.\d{3})+(,\d*)?"  # as Germans write 20.000,5
OF_DAY = re.compile(_CLOCK, re.IGNORECASE)
_TIME = re.compile(
    rf"({_DATE}|{IN_ONE}|{_MONTH})(([T ]+|, )({_CLOCK}){_ZONE})?|({_CLOCK})", re.IGNORECASE
)


def as_number(field: str, decimal: str = ".") -> float | None:
    """Return the number in a field, None where it holds another thing, or nothing."""
    field = field.strip()
    if decimal == ",":
        if "." in field and not re.fullmatch(THOUSANDS, field):
            return None
        field = field.replace(".", "").replace(",", ".")
    try:
        number = None if "_" in field else float(field)  # Python reads 1_000, no one else does
    except ValueError:
        return None
    return None if number is None or math.isnan(number) else number


def is_missing(field: str, missing: tuple[str, ...] = ()) -> bool:
    """Tell whether a field holds no sample."""
    field = field.strip().lower()
    if field in MISSING or field in (each.strip().lower() for each in missing):
        return True
    number = as_number(field)
    return number is not None and any(as_number(each) == number for each in missing)


def as_time(field: str) -> bool:
    """Tell whether a field holds a date, or a time of day."""
    return _TIME.fullmatch(field.strip()) is not None
