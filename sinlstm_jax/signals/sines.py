"""Where data is born: sine waves, in NumPy float64 and on the device in float32.

A wave is sin(2 pi f (t + t0)), sampled at 100 Hz, with a frequency f in Hz and an offset t0 in
seconds. Random waves draw f from U[0.5, 4) Hz and t0 from U[0, 2 pi) s.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Float64, Key

from ..errors import InputError, finite_number, positive_integer, positive_number, shown
from .signal import NO_INPUT, Window, batch_of

SAMPLING_RATE = 100  # Hz
FREQUENCY_RANGE = (0.5, 4.0)  # Hz, upper end excluded
OFFSET_RANGE = (0.0, 2 * np.pi)  # s, upper end excluded
HIGHEST = 256  # Hz, the frequency from which `sine` could not count its cycles in 32 bits
# Of x, x**3, ..., x**9: sin(pi/2 x) for x from -1 to 1, within 4e-9 before rounding (a
# least-squares fit, reweighted to be nearly minimax).
QUARTER_SINE = (1.57079629, -0.645963360, 0.0796884805, -0.00467222792, 0.000150820564)

PerWave = Float32[Array, " batch"]


def generate_sample(
    f: float | None = 1.0,
    t0: float | None = None,
    batch_size: int = 1,
    predict: int = 50,
    samples: int = 100,
    *,
    rng: np.random.Generator | np.random.RandomState | None = None,
) -> tuple[
    Float64[np.ndarray, "{batch_size} {samples}"],
    Float64[np.ndarray, "{batch_size} {samples}"],
    Float64[np.ndarray, "{batch_size} {predict}"],
    Float64[np.ndarray, "{batch_size} {predict}"],
]:
    """Sample sine waves in NumPy: what was observed and how it goes on.

    Args:
      f: frequency of every series in Hz; None draws one per series from U[0.5, 4).
      t0: offset in seconds, to which series i adds i / batch_size; None draws one per series
        from U[0, 2 pi).
      batch_size: number of series.
      predict: future steps per series.
      samples: past steps per series.
      rng: source of the draws (per series the offset, then the frequency). A
        `np.random.RandomState(s)` gives, bit for bit, what the PyTorch tutorial draws after
        `np.random.seed(s)`; a `np.random.Generator` works too. None makes a fresh, unseeded one.

    Returns:
      (T, Y, FT, FY): past times in seconds and values, future times and values.

    Raises:
      InputError: a size or the frequency is not positive, or t0 is not finite.
    """
    batch_size = positive_integer("batch_size", batch_size)
    predict = positive_integer("predict", predict)
    samples = positive_integer("samples", samples)
    if f is not None:
        f = positive_number("f", f)
    if t0 is not None:
        t0 = finite_number("t0", t0)
    rng = np.random.default_rng() if rng is None else rng
    if not isinstance(rng, np.random.RandomState | np.random.Generator):
        raise InputError(f"rng is {shown(rng)}: give a RandomState, a Generator or None")

    frequency = np.empty((batch_size, 1))
    offset = np.empty((batch_size, 1))
    for series in range(batch_size):
        offset[series] = rng.uniform(*OFFSET_RANGE) if t0 is None else t0 + series / batch_size
        frequency[series] = rng.uniform(*FREQUENCY_RANGE) if f is None else f
    times = np.tile(np.arange(samples + predict) / SAMPLING_RATE, (batch_size, 1))
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.sin(2 * np.pi * frequency * (times + offset))
    if not np.isfinite(values).all():
        raise InputError(f"f is {f} and t0 {t0}: give values whose product is finite")
    return times[:, :samples], values[:, :samples], times[:, samples:], values[:, samples:]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Sines:
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

    def draw(self, key: Key[Array, ""], batch_size: int) -> tuple[PerWave, ...]:
        """Draw waves: frequencies in Hz, offsets in seconds, and amplitudes and levels if any."""
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

    def values(self, drawn: tuple[PerWave, ...], steps: int) -> Float32[Array, "{steps} batch"]:
        """Sample waves that were drawn, as `sine` does."""
        frequency, offset, *scales = drawn
        values = sine(frequency, offset, steps, self.sampling_rate)
        if not scales:
            return values
        amplitude, level = scales
        return level[None] + amplitude[None] * values

    @property
    def _scales(self) -> bool:
        """Whether waves are other than of amplitude 1 around 0."""
        return (self.amplitude, self.level) != ((1.0, 1.0), (0.0, 0.0))


def number_range(name: str, value, positive: bool) -> tuple[float, float]:
    """Return a range (low, high), or raise InputError naming it."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InputError(f"{name} is {shown(value)}: give a range (low, high)")
    low, high = ((positive_number if positive else finite_number)(name, x) for x in value)
    if low > high:
        raise InputError(f"{name} is {shown(value)}: give a range (low, high), low at most high")
    return low, high


def below_nyquist(frequency: float, sampling_rate: float) -> None:
    """Raise InputError for a frequency that samples at that rate cannot tell."""
    if frequency > sampling_rate / 2:
        raise InputError(
            f"a frequency of {frequency:g} Hz is above half the sampling rate of {sampling_rate:g} "
            "Hz: give lower ones, or a higher rate"
        )


def draw_waves(key: Key[Array, ""], batch_size: int) -> tuple[PerWave, PerWave]:
    """Draw random waves: (frequency in Hz, offset in seconds), each `[batch]`, float32."""
    frequency, offset = Sines().draw(key, batch_size)
    return frequency, offset


def sine(
    frequency: Float[Array | np.ndarray, " batch"],
    offset: Float[Array | np.ndarray, " batch"],
    steps: int,
    sampling_rate: float = SAMPLING_RATE,
) -> Float32[Array, "{steps} batch"]:
    """Sample waves on the device, `[steps, batch]` in float32, without blur at late steps.

    Within 1e-5 of float64 up to 10,000 steps, for frequencies in Hz and offsets in seconds from
    the ranges above; a frequency must be above 0 and below HIGHEST. float32 cannot hold the
    cycles of a long window to that accuracy, so the whole seconds are counted in integers: with
    the frequency in units of 2**-24 Hz (exact from 0.5 Hz up), the cycles of s seconds modulo one
    are an integer product modulo 2**24. What is left, less than a second and the offset, is small
    enough for float32. At another sampling rate in Hz, a second is still 100 steps and frequencies
    are scaled to it, which rounds them: to 2e-4 after 10,000 steps.
    """
    unit = (1 << 32) // HIGHEST
    step = jnp.arange(steps, dtype=jnp.uint32)[:, None]
    frequency, offset = (jnp.asarray(x, jnp.float32)[None, :] for x in (frequency, offset))
    phase = _fraction(frequency * offset)
    if sampling_rate != SAMPLING_RATE:
        frequency = frequency * (SAMPLING_RATE / sampling_rate)
    second, rest = jnp.divmod(step, jnp.uint32(SAMPLING_RATE))
    whole = jnp.round(frequency * unit).astype(jnp.uint32) * second % jnp.uint32(unit)
    cycles = whole.astype(jnp.float32) / unit
    cycles += _fraction(frequency * rest.astype(jnp.float32) / SAMPLING_RATE)
    cycles += phase
    return _sine_of_turns(cycles)


def _sine_of_turns(turns: jax.Array) -> jax.Array:
    """Return sin(2 pi turns); XLA's own sine on CPU takes five times as long."""
    quarters = jnp.abs(4 * _fraction(turns - 0.25) - 2) - 1  # -1 to 1, and the sine goes along
    square = jnp.square(quarters)
    polynomial = jnp.full_like(square, QUARTER_SINE[-1])
    for coefficient in QUARTER_SINE[-2::-1]:
        polynomial = polynomial * square + coefficient
    return polynomial * quarters


def _fraction(cycles: jax.Array) -> jax.Array:
    """Return cycles modulo one, exactly; the remainder of XLA is a slow call per element."""
    return cycles - jnp.floor(cycles)


def sample_batch(
    key: Key[Array, ""], batch_size: int, past: int, future: int
) -> tuple[Window, Window]:
    """Draw a training batch on the device: (inputs, targets), `[past + future, batch, 1]`.

    Inputs hold the signal for the first `past` steps and NO_INPUT after; targets hold the signal
    throughout. float32.
    """
    waves = Sines()
    return batch_of(waves, waves.draw(key, batch_size), past, future)


def sample_batches(rng, batch_size: int, past: int, future: int, dtype=np.float32):
    """Draw training batches for ever in NumPy, as the PyTorch tutorial does.

    With `np.random.RandomState(s)` as rng they are the batches of its training loop after
    `np.random.seed(s)`. Yields (inputs, targets), `[past + future, batch, 1]`, of the given dtype.
    """
    while True:
        _, observed, _, continuation = generate_sample(
            None, None, batch_size, future, past, rng=rng
        )
        targets = np.concatenate([observed, continuation], axis=1).T[:, :, None].astype(dtype)
        inputs = targets.copy()
        inputs[past:] = NO_INPUT
        yield inputs, targets
