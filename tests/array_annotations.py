"""What tests switch on: annotations of arrays are checked at every call."""

import inspect
from typing import get_args

from beartype import beartype
from jaxtyping import AbstractArray


def check(function):
    """Let beartype check the annotations that name an array; other values are the borders'."""
    annotations = function.__annotations__.items()
    function.__annotations__ = {name: hint for name, hint in annotations if names_array(hint)}
    return beartype(function)


def names_array(hint) -> bool:
    if inspect.isclass(hint) and issubclass(hint, AbstractArray):
        return True
    return any(names_array(part) for part in get_args(hint))
