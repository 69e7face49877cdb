"""Which code computes the LSTM: the plain scan, or the fused kernel where it can."""

import jax

from ..errors import InputError, shown
from .layer import say_once
from .library import MAX_HIDDEN_SIZE, NativeUnavailable, load

IMPLEMENTATIONS = ("auto", "scan", "fused")


def known_implementation(wanted: str) -> str:
    """Return the name of an implementation as it is, or raise InputError if there is none such."""
    if not isinstance(wanted, str) or wanted not in IMPLEMENTATIONS:
        raise InputError(
            f"implementation is {shown(wanted)}: give one of {', '.join(IMPLEMENTATIONS)}"
        )
    return wanted


def choose_implementation(wanted: str, hidden_size: int) -> str:
    """Return "scan" or "fused": what was wanted, or for "auto" the fastest there is here.

    Where "auto" has to do without the kernel on a CPU, a log line says why, once.

    Raises:
      InputError: `wanted` is not one of IMPLEMENTATIONS, or is "fused" and cannot be had.
    """
    if known_implementation(wanted) == "scan":
        return "scan"
    obstacle = _obstacle(hidden_size)
    if obstacle is None:
        return "fused"
    if wanted == "fused":
        raise InputError(
            f"implementation is 'fused', but {obstacle}: give 'scan' (--implementation scan)"
        )
    if default_platform() == "cpu":
        say_once("computing with the plain scan", obstacle)
    return "scan"


def _obstacle(hidden_size: int) -> str | None:
    """Return why the kernel cannot be used here, or None."""
    if default_platform() != "cpu":
        return f"the kernel is for cpu and this is {default_platform()}"
    if hidden_size > MAX_HIDDEN_SIZE:
        return f"the kernel takes at most {MAX_HIDDEN_SIZE} hidden units, not {hidden_size}"
    try:
        load()
    except NativeUnavailable as error:
        return str(error)
    return None


def default_platform() -> str:
    """Return the platform that JAX computes on by default."""
    device = jax.config.jax_default_device  # pyright: ignore  (options are made at run time)
    if device is None:
        return jax.default_backend()
    return device if isinstance(device, str) else device.platform
