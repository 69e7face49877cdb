"""What a signal is: data that says what a network learns to continue; described without JAX."""

import hashlib
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from ..errors import finite_number, positive_number

if TYPE_CHECKING:
    import jax

SAMPLING_RATE = 100  # Hz, the tutorial's
NO_INPUT = -2.0  # what the network is fed where there is nothing to observe
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


def checked_scaling(mean: float, scale: float) -> Scaling:
    """Return a scaling, or raise InputError naming what is not finite, or not above 0."""
    return Scaling(finite_number("mean", mean), positive_number("scale", scale))


class HeldOut(NamedTuple):
    """Windows to test forecasts on."""

    values: np.ndarray  # [past + horizon, window], NaN where nothing is known
    amplitude: np.ndarray  # [window], what an observation's noise is relative to


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

        drawn = self.draw(jax.random.key(HELD_OUT_SEED), count)
        amplitude = np.asarray(self.amplitude_of(drawn), np.float32)
        values = np.asarray(self.values(drawn, past + horizon))
        return HeldOut(values, np.broadcast_to(amplitude, values.shape[1:]))

    def describe(self) -> dict[str, Any]:
        """Return what it is, as JSON's values: its class's name, and the fields of a dataclass."""
        told = {"class": type(self).__name__, "sampling_rate": self.sampling_rate}
        if self.scaling != Scaling():
            told["scaling"] = self.scaling._asdict()
        for field in fields(self) if is_dataclass(self) else ():
            told[field.name] = _as_json(getattr(self, field.name))
        return told


def in_words(description: dict[str, Any]) -> str:
    """Return what `describe` told as a line: `Tones(count 2, power 0.5)`."""
    told = [f"{name.replace('_', ' ')} {_shown(x)}" for name, x in description.items()]
    return f"{description['class']}({', '.join(told[1:])})"


def _as_json(value):
    if isinstance(value, tuple | list):
        return [_as_json(x) for x in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array__"):
        return fingerprint(np.asarray(value))
    return repr(value)


def fingerprint(array: np.ndarray) -> dict[str, Any]:
    """Return an array's shape and SHA-256: the array itself would be long."""
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": digest}


def _shown(value) -> str:
    if isinstance(value, list):
        words = [_shown(x) for x in value]
        return words[0] if len(words) == 2 and words[0] == words[1] else " to ".join(words)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict) and "sha256" in value:
        return value["sha256"][:8]
    if isinstance(value, dict):
        return " ".join(f"{name} {_shown(x)}" for name, x in value.items())
    return str(value)
