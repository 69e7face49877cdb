"""Sums of sine waves: independent tones, or the harmonics of one."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Key

from ..errors import InputError, number_range, positive_integer, positive_number, shown
from .signal import SAMPLING_RATE, Signal
from .sines import FREQUENCY_RANGE, below_nyquist
from .waves import sine

PerTone = Float32[Array, "batch tones"]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Tones(Signal):
    """Sums of tones of random frequency, phase and amplitude, scaled to one power.

    A tone's amplitude is drawn evenly from 0 to 1; of a harmonic, divided by its number, as a saw's
    or a square's are. Then a wave is scaled so that its mean square, over a long time, is `power`.

    Args:
      count: tones, each with a frequency of its own.
      frequency: range in Hz that a tone's, or the first harmonic's, is drawn evenly from.
      harmonic: tones are harmonics of one frequency, the first up to number `count`.
      power: mean square; 0.5 is that of a sine of amplitude 1.
      sampling_rate: Hz.

    Raises:
      InputError: the range is no pair of numbers above 0 that go up, one of the others is not above
        0, or a tone would be above half of the sampling rate.
    """

    count: int = 2
    frequency: tuple[float, float] = FREQUENCY_RANGE
    harmonic: bool = False
    power: float = 0.5
    sampling_rate: float = float(SAMPLING_RATE)

    def __post_init__(self):
        if not isinstance(self.harmonic, bool):
            raise InputError(f"harmonic is {shown(self.harmonic)}: give True or False")
        for name, value in {
            "count": positive_integer("count", self.count),
            "power": positive_number("power", self.power),
            "sampling_rate": positive_number("sampling_rate", self.sampling_rate),
            "frequency": number_range("frequency", self.frequency, positive=True),
        }.items():
            object.__setattr__(self, name, value)
        highest = self.frequency[1] * (self.count if self.harmonic else 1)
        below_nyquist(highest, self.sampling_rate)

    def draw(self, key: Key[Array, ""], batch_size: int) -> tuple[PerTone, PerTone, PerTone]:
        """Draw tones: frequencies in Hz, offsets in periods of each, and amplitudes."""
        keys = jax.random.split(key, 3)
        shape = (batch_size, self.count)
        number = jnp.arange(1, self.count + 1, dtype=jnp.float32)[None]
        amplitude = jax.random.uniform(keys[2], shape, jnp.float32)
        if self.harmonic:
            first = jax.random.uniform(keys[0], (batch_size, 1), jnp.float32, *self.frequency)
            frequency = number * first
            amplitude /= number
        else:
            frequency = jax.random.uniform(keys[0], shape, jnp.float32, *self.frequency)
        # A sine has half of the square of its amplitude. (A single one is 0 once in 2**23.)
        square = jnp.sum(jnp.square(amplitude), axis=1, keepdims=True) / 2
        amplitude *= jnp.sqrt(self.power / jnp.maximum(square, 1e-12))
        return frequency, jax.random.uniform(keys[1], shape, jnp.float32), amplitude

    def values(
        self, drawn: tuple[PerTone, PerTone, PerTone], steps: int
    ) -> Float32[Array, "{steps} batch"]:
        """Sample the sums."""
        frequency, offset, amplitude = drawn
        offset = (offset / frequency).ravel()
        tones = sine(frequency.ravel(), offset, steps, self.sampling_rate)
        tones = tones.reshape(steps, *amplitude.shape)
        return jnp.sum(amplitude[None] * tones, axis=2)

    def amplitude_of(self, drawn: tuple[PerTone, PerTone, PerTone]) -> float:
        """Return the amplitude of a sine of their power."""
        return (2 * self.power) ** 0.5
