"""Sine waves as a signal: what is drawn for each; told without JAX and NumPy."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError, number_range, positive_number
from .signal import SAMPLING_RATE, Signal

if TYPE_CHECKING:
    import jax

FREQUENCY_RANGE = (0.5, 4.0)  # Hz, upper end excluded
OFFSET_RANGE = (0.0, 2 * math.pi)  # s, upper end excluded


def below_nyquist(frequency: float, sampling_rate: float) -> None:
    """Raise InputError for a frequency that samples at that rate cannot tell."""
    if frequency > sampling_rate / 2:
        raise InputError(
            f"a frequency of {frequency:g} Hz is above half the sampling rate of {sampling_rate:g} "
            "Hz: give lower ones, or a higher rate"
        )


@dataclass(frozen=True)
class Sines(Signal):
    """Sine waves, level + amplitude sin(2 pi f (t + t0)); as they stand, the tutorial's.

    Each range is (low, high): a number for each wave is drawn evenly from it, and is `low` where
    both are equal.

    Raises:
      InputError: a range is no pair of numbers that go up, an amplitude or a frequency is not above
        0, a frequency is above half of the sampling rate, or that is not above 0.
    """

    frequency: tuple[float, float] = FREQUENCY_RANGE  # Hz
    offset: tuple[float, float] = OFFSET_RANGE  # s
    amplitude: tuple[float, float] = (1.0, 1.0)
    level: tuple[float, float] = (0.0, 0.0)
    sampling_rate: float = float(SAMPLING_RATE)  # Hz

    def __post_init__(self):
        rate = positive_number("sampling_rate", self.sampling_rate)
        object.__setattr__(self, "sampling_rate", rate)
        for name in ("frequency", "offset", "amplitude", "level"):
            positive = name in ("frequency", "amplitude")
            object.__setattr__(self, name, number_range(name, getattr(self, name), positive))
        below_nyquist(self.frequency[1], rate)

    def draw(self, key: "jax.Array", batch_size: int) -> "tuple[jax.Array, ...]":
        """Draw waves: frequencies in Hz, offsets in seconds, and amplitudes and levels if any."""
        import jax
        import jax.numpy as jnp

        frequency_key, offset_key = jax.random.split(key)
        drawn = [
            jax.random.uniform(frequency_key, (batch_size,), jnp.float32, *self.frequency),
            jax.random.uniform(offset_key, (batch_size,), jnp.float32, *self.offset),
        ]
        if self._scales:
            keys = jax.random.split(jax.random.fold_in(key, 2))
            for each, (low, high) in zip(keys, (self.amplitude, self.level), strict=True):
                drawn.append(jax.random.uniform(each, (batch_size,), jnp.float32, low, high))
        return tuple(drawn)

    def values(self, drawn: "tuple[jax.Array, ...]", steps: int) -> "jax.Array":
        """Sample waves that were drawn, as `sine` does: `[steps, batch]`, float32."""
        from .waves import sine

        frequency, offset, *scales = drawn
        values = sine(frequency, offset, steps, self.sampling_rate)
        if not scales:
            return values
        amplitude, level = scales
        return level[None] + amplitude[None] * values

    def amplitude_of(self, drawn: "tuple[jax.Array, ...]") -> "jax.Array | float":
        """Return waves' amplitudes, `[batch]`, or 1."""
        return drawn[2] if self._scales else 1.0

    @property
    def _scales(self) -> bool:
        """Whether waves are other than of amplitude 1 around 0."""
        return (self.amplitude, self.level) != ((1.0, 1.0), (0.0, 0.0))


SINES = Sines()  # the tutorial's
