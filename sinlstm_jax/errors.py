"""The errors that a user can do something about, and the checks that raise them."""

import math
import numbers
import operator


class InputError(ValueError):
    """What was given cannot be used; the message names the value and the way out."""


class Diverged(ArithmeticError):
    """Training came to numbers that are not finite; the message says where, and what to try."""


class Interrupted(Exception):
    """A signal asked to stop; the message says where the run stands, which is saved."""

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal


class SaveFailed(OSError):
    """What is to be kept cannot be written; the message says what, why, and what to do."""


def positive_integer(name: str, value) -> int:
    """Return `value` as an int of at least 1, or raise InputError naming it."""
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or number < 1:
        raise InputError(f"{name} is {value!r}: give a whole number of at least 1")
    return number


def positive_number(name: str, value) -> float:
    """Return `value` as a finite float above 0, or raise InputError naming it."""
    if not isinstance(value, numbers.Real) or not math.isfinite(value) or value <= 0:
        raise InputError(f"{name} is {value!r}: give a finite number above 0")
    return float(value)
