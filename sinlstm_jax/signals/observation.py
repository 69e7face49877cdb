"""What a network is shown of the truth: noise, missing samples, gaps, a past of varying length."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import (
    InputError,
    integer_from,
    number_range,
    positive_integer,
    positive_number,
    shown,
)
from .signal import NO_INPUT, HeldOut, range_in_words

if TYPE_CHECKING:
    import jax
    import numpy as np

KEY = 0x0B5E  # folds an iteration's key into that of its observation


@dataclass(frozen=True)
class Observation:
    """What a network is shown of windows, while it learns them as they truly are.

    As it stands it is the tutorial's: all of it, clean. For each window a number is drawn from each
    range: low + (high - low) u^power, with u even from 0 to 1. A power above 1 draws more of what
    is nearly clean.

    Raises:
      InputError: a range is no pair of numbers that go up, noise is below 0, a share not from 0 to
        1, a power not above 0, or a number of steps not a whole one.
    """

    noise: tuple[float, float] = (0.0, 0.0)  # standard deviation, of the window's amplitude
    missing: tuple[float, float] = (0.0, 0.0)  # share of samples missing, each by itself
    gap: tuple[int, int] = (0, 0)  # steps missing in a row, somewhere in the past; of a past of
    # varying length at most half
    shortest_past: int | None = None  # steps observed, from these to all of the past; None: all
    noise_power: float = 1.0
    missing_power: float = 1.0

    def __post_init__(self):
        for name in ("noise", "missing"):
            low, high = number_range(name, getattr(self, name), positive=False)
            if low < 0 or (name == "missing" and high > 1):
                least = "from 0 on" if name == "noise" else "from 0 to 1"
                raise InputError(f"{name} is {shown((low, high))}: give a range {least}")
            object.__setattr__(self, name, (low, high))
            power = f"{name}_power"
            object.__setattr__(self, power, positive_number(power, getattr(self, power)))
        gap = number_range("gap", self.gap, positive=False)
        if not all(steps.is_integer() for steps in gap):
            raise InputError(f"gap is {shown(self.gap)}: give whole numbers of steps")
        object.__setattr__(self, "gap", tuple(integer_from(0, "gap", int(x)) for x in gap))
        if self.shortest_past is not None:
            shortest = positive_integer("shortest_past", self.shortest_past)
            object.__setattr__(self, "shortest_past", shortest)

    @property
    def is_clean(self) -> bool:
        """Whether all of the past is shown as it is."""
        return self == Observation()

    def of(self, key: "jax.Array", past: "jax.Array | np.ndarray", amplitude) -> "jax.Array":
        """Return what is shown of `past`, `[past, batch]`: NO_INPUT where nothing is.

        Args:
          key: of this batch.
          past: how windows truly go while they are observed.
          amplitude: of each window, `[batch]`, or of all: what noise is relative to.
        """
        import jax
        import jax.numpy as jnp

        (steps, batch), dtype = past.shape, past.dtype
        keys, each = jax.random.split(key, 7), (batch,)
        step = jnp.arange(steps)[:, None]
        nothing = jnp.zeros(past.shape, bool)
        if self.noise != (0, 0):
            sd = amplitude * _drawn(keys[0], each, dtype, self.noise, self.noise_power)
            past = past + sd[None, :] * jax.random.normal(keys[1], past.shape, dtype)
        if self.missing != (0, 0):
            share = _drawn(keys[2], each, dtype, self.missing, self.missing_power)
            nothing |= jax.random.uniform(keys[3], past.shape, dtype) < share[None, :]
        ends = jnp.full(each, steps)
        if self.shortest_past is not None:
            ends = jax.random.randint(keys[6], each, self.shortest_past, steps + 1)
            nothing |= step >= ends[None, :]
        if self.gap != (0, 0):
            low, high = self.gap
            length = jax.random.randint(keys[4], each, low, high + 1)
            if self.shortest_past is not None:  # else all of a short past might be missing
                length = jnp.minimum(length, ends // 2)
            first = jax.random.randint(keys[5], each, 0, ends - length + 1)[None, :]
            nothing |= (step >= first) & (step < first + length[None, :])
        return jnp.where(nothing, NO_INPUT, past)

    def unavoidable(self, key: "jax.Array", observed: "jax.Array", steps: int) -> "jax.Array":
        """Return the squared error that noise makes unavoidable of sine waves, `[steps, batch]`.

        Of the amplitude's square: s^2 (2 / n + u^2 / sum over what was observed of u^2), at most
        0.5, with s the noise, n the steps observed, and u the steps from their middle: the error of
        the best unbiased estimate of amplitude, phase and frequency, on average over the phases
        (by the Fisher information; Kay, Estimation Theory, 1993, example 3.14).

        Args:
          key: that of `of`.
          observed: whether a step was, `[past, batch]`.
          steps: from the first on.
        """
        import jax
        import jax.numpy as jnp

        past, batch = observed.shape
        noise_key = jax.random.split(key, 7)[0]
        sd = _drawn(noise_key, (1, batch), jnp.float32, self.noise, self.noise_power)
        step = jnp.arange(steps, dtype=jnp.float32)[:, None]
        count = jnp.maximum(observed.sum(axis=0, keepdims=True), 1).astype(jnp.float32)
        squares = jnp.square(step - (observed * step[:past]).sum(axis=0, keepdims=True) / count)
        apart = jnp.maximum((observed * squares[:past]).sum(axis=0, keepdims=True), 1)
        return jnp.minimum(jnp.square(sd) * (2 / count + squares / apart), 0.5)

    def shown(self, windows: HeldOut, past: int, seed: int) -> "np.ndarray":
        """Return what is shown of held-out windows, `[past, window]`, the same for each seed."""
        import numpy as np

        history = windows.values[:past]
        if not self.is_clean:
            import jax

            history = np.asarray(self.of(jax.random.key(seed), history, windows.amplitude))
        return np.where(np.isnan(history), NO_INPUT, history)

    def check(self, past: int) -> None:
        """Raise InputError where a past of so many steps is too short for it."""
        if max(self.gap[1], self.shortest_past or 0) > past:
            raise InputError(
                f"the past has {past} steps, and the observation {self}: give a longer past, or a "
                "gap and a shortest_past that are within it"
            )

    def describe(self) -> dict[str, Any]:
        """Return what it is, as JSON's values."""
        return {name: list(x) if isinstance(x, tuple) else x for name, x in asdict(self).items()}

    def in_words(self) -> str:
        """Return what is not the tutorial's as words: `noise 0 to 0.2, missing 0 to 0.5`."""
        told = [
            f"{name.replace('_', ' ')} {_words(x)}"
            for name, x in asdict(self).items()
            if x and not (name.endswith("_power") and x == 1)
        ]
        return ", ".join(each for each in told if not each.endswith(" 0")) or "clean"


CLEAN = Observation()  # the tutorial's


def _drawn(key, shape, dtype, between: tuple[float, float], power: float) -> "jax.Array":
    """Draw numbers of a range, evenly where the power is 1."""
    import jax

    low, high = between
    if power == 1:
        return jax.random.uniform(key, shape, dtype, low, high)
    return low + (high - low) * jax.random.uniform(key, shape, dtype) ** power


def _words(value) -> str:
    if isinstance(value, tuple):
        return range_in_words(*value)
    return f"{value:g}"
