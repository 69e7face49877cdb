"""What a signal is: data that says what is learnt; told without JAX and NumPy."""

import hashlib
import json
import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from ..errors import InputError, finite_number, integer_from, positive_number, shown

if TYPE_CHECKING:
    import jax
    import numpy as np

SAMPLING_RATE = 100  # Hz, the tutorial's
NO_INPUT = -2.0  # what the network is fed where there is nothing to observe
OURS = ("Sines", "Tones", "Recording")  # classes that a run's folder is enough for
HELD_OUT_SEED = 20180130  # of windows that no run draws


class Scaling(NamedTuple):
    """How samples become a signal's values: less `mean`, over `scale`; both in their units."""

    mean: float = 0.0
    scale: float = 1.0

    def apply(self, samples):
        """Return samples as a model sees them."""
        return (samples - self.mean) / self.scale

    def undo(self, values):
        """Return values in the units of the samples."""
        return self.mean + self.scale * values


def checked_scaling(scaling) -> Scaling:
    """Return (mean, scale) as Scaling, or raise InputError naming what they are."""
    is_pair = isinstance(scaling, tuple | list) and len(scaling) == 2
    if not is_pair and getattr(scaling, "shape", None) != (2,):
        raise InputError(f"scaling is {shown(scaling)}: give (mean, scale)")
    return Scaling(finite_number("mean", scaling[0]), positive_number("scale", scaling[1]))


class HeldOut(NamedTuple):
    """Windows to test forecasts on."""

    values: "np.ndarray"  # [past + horizon, window], NaN where nothing is known
    amplitude: "np.ndarray"  # [window], what an observation's noise is relative to


@runtime_checkable
class Signal(Protocol):
    """What a network learns to continue: how windows are drawn, and what is true of them.

    A class of one's own inherits from this one and has `draw` and `values`. It is a pytree: a
    frozen dataclass under `jax.tree_util.register_static`, or `register_dataclass` with arrays as
    data fields. What is static is part of a compiled program, and arrays are not: other arrays of
    the same shapes compile nothing.
    """

    sampling_rate: float = float(SAMPLING_RATE)  # Hz
    has_gaps: bool = False  # whether values may be NaN, where nothing is known: no loss is taken
    longest_horizon: int | None = None  # steps of a forecast that can be tested; None: any
    scaling: Scaling = Scaling()

    def draw(self, key: "jax.Array", batch_size: int) -> Any:
        """Draw what tells the windows of a batch apart, leaves `[batch, ...]`."""
        ...

    def values(self, drawn, steps: int) -> "jax.Array":
        """Return how such windows go, from their first step on, `[steps, batch]` in float32."""
        ...

    def amplitude_of(self, drawn) -> "jax.Array | float":
        """Return what an observation's noise is relative to, `[batch]` or one for all."""
        return 1.0

    def held_out(self, count: int, past: int, horizon: int) -> HeldOut:
        """Return up to `count` windows of `past + horizon` steps to test forecasts on.

        They are drawn as in training, with a key of their own.
        """
        import jax
        import numpy as np

        drawn = self.draw(jax.random.key(HELD_OUT_SEED), count)
        amplitude = np.asarray(self.amplitude_of(drawn), np.float32)
        values = np.asarray(self.values(drawn, past + horizon))
        return HeldOut(values, np.broadcast_to(amplitude, values.shape[1:]))

    def test_horizon(self, wanted: int, least: int = 1) -> int:
        """Return how many steps to test forecasts over: as many as wanted, where there are any.

        Where the horizon is limited it is half of that, since else few windows would be left, and
        `least` if that is more.
        """
        if self.longest_horizon is None:
            return wanted
        return min(wanted, self.longest_horizon, max(least, self.longest_horizon // 2))

    def describe(self) -> dict[str, Any]:
        """Return what it is, as JSON's values: its class's name, and the fields of a dataclass."""
        told = {"class": _class_name(type(self)), "sampling_rate": _as_json(self.sampling_rate)}
        if self.scaling != Scaling():
            told["scaling"] = checked_scaling(self.scaling)._asdict()
        for field in fields(self) if is_dataclass(self) else ():
            told[field.name] = _as_json(getattr(self, field.name))
        return told


def _class_name(signal_class: type) -> str:
    """Return a class's name; one of a user's that is called as one of ours is told apart."""
    name = signal_class.__name__
    ours = signal_class.__module__.startswith(f"{__name__.partition('.')[0]}.")
    return name if ours or name not in OURS else f"another {name}"


def known_signal(signal) -> Signal:
    """Return a signal, or raise InputError if it is none, or what it tells of itself is wrong.

    Whether it can be drawn from is not known then: `check_windows` finds out.
    """
    if not isinstance(signal, Signal) or isinstance(signal, type):
        raise InputError(
            f"signal is {shown(signal)}: give one of a class that inherits from Signal, such as "
            "Sines()"
        )
    positive_number("sampling_rate of the signal", signal.sampling_rate)
    checked_scaling(signal.scaling)
    if signal.longest_horizon is not None:
        integer_from(0, "longest_horizon of the signal", signal.longest_horizon)
    if not isinstance(signal.has_gaps, bool):
        raise InputError(f"has_gaps of the signal is {shown(signal.has_gaps)}: give True or False")
    description_of(signal)
    return signal


def description_of(signal: Signal) -> dict[str, Any]:
    """Return what a signal tells of itself, as it comes back from JSON.

    Raises:
      InputError: it is not what JSON can hold, or does not tell its class.
    """
    name = type(signal).__name__
    try:
        told = json.loads(json.dumps(signal.describe(), allow_nan=False))
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{name}.describe returned what JSON cannot hold ({reason}): have it return a dict of "
            "finite numbers, text, lists and dicts"
        ) from None
    if not isinstance(told, dict) or not isinstance(told.get("class"), str):
        raise InputError(
            f"{name}.describe returned {shown(told)}: have it return a dict with a name as 'class'"
        )
    return told


def in_words(description: dict[str, Any]) -> str:
    """Return what `describe` told as a line: `Tones(count 2, power 0.5)`."""
    told = [
        f"{name.replace('_', ' ')} {_shown(x)}"
        for name, x in description.items()
        if name != "class"
    ]
    words = f"{description['class']}({', '.join(told)})"
    return words if len(words) <= 400 else f"{words[:350]}..."  # a stranger's may be of any length


def range_in_words(low: float, high: float) -> str:
    """Return a range in words, or its number where it is one."""
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _as_json(value):
    if isinstance(value, tuple | list):
        return [_as_json(x) for x in value]
    if hasattr(value, "__array__"):
        import numpy as np

        if not isinstance(value, np.generic):
            return fingerprint(np.asarray(value))
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value)


def fingerprint(array: "np.ndarray") -> dict[str, Any]:
    """Return an array's shape and SHA-256: the array itself would be long."""
    import numpy as np

    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": digest}


def _shown(value) -> str:
    if isinstance(value, list):
        words = [_shown(x) for x in value]
        return words[0] if len(words) == 2 and words[0] == words[1] else " to ".join(words)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict) and "sha256" in value:
        return str(value["sha256"])[:8]
    if isinstance(value, dict):
        return " ".join(f"{name} {_shown(x)}" for name, x in value.items())
    return str(value)
