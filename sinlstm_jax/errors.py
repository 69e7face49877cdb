"""The errors that a user can do something about, and the checks that raise them."""

import difflib
import math
import numbers
import operator
from collections.abc import Iterable

LARGEST_INTEGER = 2**31 - 1  # JAX counts in int32
MAX_HIDDEN_SIZE = 4096  # units; what a file that tells it may make a process allocate


class InputError(ValueError):
    """What was given cannot be used; the message names the value and the way out, on one line."""

    def __init__(self, message: str):
        super().__init__(message.replace("\n", "\\n"))  # a file's name may hold anything


class Diverged(ArithmeticError):
    """Training came to numbers that are not finite; the message says where, and what to try."""


class Interrupted(Exception):
    """A signal asked to stop; the message says where the run stands, which is saved."""

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal

    def __reduce__(self):  # an exception is pickled by its message alone
        return type(self), (str(self), self.signal)


class SaveFailed(OSError):
    """What is to be kept cannot be written; the message says what, why, and what to do."""


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """Return what to end a message with that lists names: the one that is closest, or nothing."""
    close = difflib.get_close_matches(given, names, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def positive_integer(name: str, value) -> int:
    """Return `value` as an int from 1 to LARGEST_INTEGER, or raise InputError naming it."""
    return integer_from(1, name, value)


def integer_from(least: int, name: str, value) -> int:
    """Return `value` as an int from `least` to LARGEST_INTEGER, or raise InputError naming it."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < least:
        raise InputError(f"{name} is {shown(value)}: give a whole number of at least {least}")
    if number > LARGEST_INTEGER:
        raise InputError(f"{name} is {shown(value)}: give at most {LARGEST_INTEGER}")
    return number


def checked_size(name: str, size) -> int:
    """Return a size as an int from 1 to MAX_HIDDEN_SIZE, or raise InputError naming it."""
    if positive_integer(name, size) > MAX_HIDDEN_SIZE:
        raise InputError(f"{name} is {size}: give at most {MAX_HIDDEN_SIZE}")
    return int(size)


def positive_number(name: str, value) -> float:
    """Return `value` as a finite float above 0, or raise InputError naming it."""
    number = _finite(value)
    if number is None or number <= 0:
        raise InputError(f"{name} is {shown(value)}: give a finite number above 0")
    return number


def finite_number(name: str, value) -> float:
    """Return `value` as a finite float, or raise InputError naming it."""
    number = _finite(value)
    if number is None:
        raise InputError(f"{name} is {shown(value)}: give a finite number")
    return number


def number_range(name: str, value, positive: bool) -> tuple[float, float]:
    """Return a range (low, high), or raise InputError naming it."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InputError(f"{name} is {shown(value)}: give a range (low, high)")
    low, high = ((positive_number if positive else finite_number)(name, x) for x in value)
    if low > high:
        raise InputError(f"{name} is {shown(value)}: give a range (low, high), low at most high")
    return low, high


def _finite(value) -> float | None:
    try:
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if is_number and math.isfinite(value):
            return float(value)
    except OverflowError:  # a whole number beyond all floats
        pass
    return None


def shown(value) -> str:
    """Return a value as a message names it: on one line, and not at any length."""
    try:
        text = repr(value)
    except ValueError:  # a whole number of more digits than Python likes to print
        text = "a very large number"
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:150]}..."
