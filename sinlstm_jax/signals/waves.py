"""Sine waves on the device, in float32, exact at any step."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from .signal import SAMPLING_RATE

HIGHEST = 256  # Hz, the frequency from which `sine` could not count its cycles in 32 bits
# Of x, x**3, ..., x**9: sin(pi/2 x) for x from -1 to 1, within 4e-9 before rounding (a
# least-squares fit, reweighted to be nearly minimax).
QUARTER_SINE = (1.57079629, -0.645963360, 0.0796884805, -0.00467222792, 0.000150820564)


def sine(
    frequency: Float[Array | np.ndarray, " batch"],
    offset: Float[Array | np.ndarray, " batch"],
    steps: int,
    sampling_rate: float = SAMPLING_RATE,
) -> Float32[Array, "{steps} batch"]:
    """Sample waves on the device, `[steps, batch]` in float32, without blur at late steps.

    Within 1e-5 of float64 up to 10,000 steps, for frequencies in Hz and offsets in seconds of the
    tutorial's ranges; a frequency must be above 0 and below HIGHEST. float32 cannot hold the
    cycles of a long window to that accuracy, so the whole seconds are counted in integers: with
    the frequency in units of 2**-24 Hz (exact from 0.5 Hz up), the cycles of s seconds modulo one
    are an integer product modulo 2**24. What is left, less than a second and the offset, is small
    enough for float32. At another sampling rate in Hz, a second is still 100 steps, and frequencies
    are scaled to it: to 1e-4 after 10,000 steps.
    """
    unit = (1 << 32) // HIGHEST
    step = jnp.arange(steps, dtype=jnp.uint32)[:, None]
    frequency, offset = (jnp.asarray(x, jnp.float32)[None, :] for x in (frequency, offset))
    phase = _fraction(frequency * offset)
    units = jnp.round(frequency * unit).astype(jnp.uint32)
    if sampling_rate != SAMPLING_RATE:
        units = _scaled_units(frequency, SAMPLING_RATE / sampling_rate, unit)
        frequency = frequency * (SAMPLING_RATE / sampling_rate)
    second, rest = jnp.divmod(step, jnp.uint32(SAMPLING_RATE))
    whole = units * second % jnp.uint32(unit)
    cycles = whole.astype(jnp.float32) / unit
    cycles += _fraction(frequency * rest.astype(jnp.float32) / SAMPLING_RATE)
    cycles += phase
    return _sine_of_turns(cycles)


def _scaled_units(frequency: jax.Array, factor: float, unit: int) -> jax.Array:
    """Return frequencies times a factor in units of 1 / unit, as closely as integers hold them.

    A float32 product would lose what a long window needs. Halves of 12 bits have products of 24,
    which it holds exactly (T. J. Dekker, 1971); each is rounded to a unit by itself.
    """
    factors, left = [], factor
    for _ in range(2):
        mantissa, exponent = math.frexp(left)
        factors.append(math.ldexp(math.floor(mantissa * 2**12), exponent - 12))
        left -= factors[-1]
    bits = jax.lax.bitcast_convert_type(frequency, jnp.uint32) & jnp.uint32(0xFFFFF000)
    high = jax.lax.bitcast_convert_type(bits, jnp.float32)
    units = jnp.round(frequency * np.float32(left) * unit).astype(jnp.uint32)
    for half in (high, frequency - high):
        for each in factors:
            units += jnp.round(half * np.float32(each) * unit).astype(jnp.uint32)
    return units


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
