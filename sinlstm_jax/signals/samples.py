"""What counts as samples: real numbers in an array of any library, and what is missing."""

import math
import warnings
from decimal import Decimal
from numbers import Real

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Float, Float64

from ..errors import InputError, shown
from .signal import NO_INPUT

FEW, MANY = 20, 10  # steps, and as many times more series, are rather time and series swapped
MISSING = ("NAType", "MaskedConstant")  # the types of pandas' NA and of NumPy's masked


def real_numbers(name: str, values) -> Float64[np.ndarray, "..."]:
    """Return numbers as an array in float64, NaN where one is missing.

    Args:
      name: what to call them in errors.
      values: whatever NumPy makes an array of, or what knows DLPack: numbers, lists, arrays and
        tensors of other libraries, of any real dtype. A tensor's gradient is left behind. Missing
        are NaN, None, pandas' NA and what a mask hides.

    Raises:
      InputError: there are values of another kind: booleans, complex numbers, dates, text.
    """
    try:
        return _as_float64(values)
    except Exception as error:  # other libraries raise whatever they like
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name}: not an array of real numbers ({reason}): give numbers, and None or NaN where "
            "one is missing"
        ) from None


def observed(name: str, values, dtype) -> Float[np.ndarray, "..."]:
    """Return samples in a model's dtype, NO_INPUT where one is missing.

    Takes what `real_numbers` takes.

    Raises:
      InputError: as `real_numbers`, or a value is not finite in that dtype.
    """
    samples = _finite_floats(values, dtype)
    if samples is not None:
        return samples
    given = finite_or_missing(name, values, dtype)
    return np.where(np.isnan(given), NO_INPUT, given).astype(dtype)


def finite_or_missing(name: str, values, dtype) -> Float64[np.ndarray, "..."]:
    """Return samples in float64, NaN where one is missing; takes what `real_numbers` takes.

    Raises:
      InputError: as `real_numbers`, or a value is not finite in `dtype`.
    """
    given = real_numbers(name, values)
    with np.errstate(over="ignore"):  # what is too large is named below
        wrong = np.isinf(given.astype(dtype))
    if wrong.any():
        bad = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InputError(
            f"{name}: there is {given[bad]} at {list(bad)}: give values that are finite in "
            f"{np.dtype(dtype)}, and None or NaN where one is missing"
        )
    return given


def warn_of_rows(name: str, shape: tuple[int, ...]) -> None:
    """Warn of what is rather `[batch, time]` than `[time, batch]`: few steps of many series."""
    if len(shape) > 1 and 1 < shape[0] <= FEW < MANY * shape[0] <= shape[1]:
        warnings.warn(
            f"{name} has shape {list(shape)}, which is {shape[0]} steps of {shape[1]} series: time "
            "comes first, so give its transpose if it is the other way round",
            stacklevel=3,
        )


def _finite_floats(values, dtype) -> np.ndarray | None:
    """Return a copy in `dtype` of what is plainly samples, none missing; else None.

    A thousand samples are seen through in 5 us; the way of all others takes 30.
    """
    given = isinstance(values, float | jax.Array) and not isinstance(values, Tracer)
    array = np.asarray(values) if given else values
    if type(array) is not np.ndarray or array.dtype.kind != "f":
        return None
    with np.errstate(over="ignore"):
        samples = array.astype(dtype)
    return samples if np.isfinite(samples).all() else None


def _as_float64(values) -> np.ndarray:
    if isinstance(values, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(values), np.nan, _as_float64(values.data))
    if hasattr(values, "detach"):  # a tensor of PyTorch, perhaps with a gradient or on a GPU
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values  # NumPy has no bfloat16
    elif hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        values = np.from_dlpack(values)
    array = np.asarray(values)
    if array.dtype == object:
        return np.array([_as_float(value) for value in array.flat], float).reshape(array.shape)
    # JAX's own, such as bfloat16, have kind V.
    if array.dtype.kind in "iuf" or (
        array.dtype.kind == "V" and jnp.issubdtype(array.dtype, jnp.number)
    ):
        with np.errstate(over="ignore"):  # of long doubles
            return array.astype(np.float64)
    raise TypeError(f"they are {array.dtype}")


def _as_float(value) -> float:
    if value is None or type(value).__name__ in MISSING:
        return math.nan
    if isinstance(value, Real | Decimal) and not isinstance(value, bool):
        return float(value)
    raise TypeError(f"{shown(value)} is not a real number")
