"""The tutorial's data: its sine waves and batches, in NumPy float64 and on the device in float32.

A wave is sin(2 pi f (t + t0)), sampled at 100 Hz, with a frequency f in Hz and an offset t0 in
seconds. Random waves draw f from U[0.5, 4) Hz and t0 from U[0, 2 pi) s.
"""

import numpy as np
from jaxtyping import Array, Float32, Float64, Key

from ..errors import InputError, finite_number, positive_integer, positive_number, shown
from .batches import Window, batch_of
from .signal import NO_INPUT, SAMPLING_RATE
from .sines import FREQUENCY_RANGE, OFFSET_RANGE, SINES

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
      (T, Y, FT, FY): past times in seconds and values, future times and values. `rollout` and the
      rest have time first: give them `Y.T`.

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


def draw_waves(key: Key[Array, ""], batch_size: int) -> tuple[PerWave, PerWave]:
    """Draw random waves: (frequency in Hz, offset in seconds), each `[batch]`, float32."""
    frequency, offset = SINES.draw(key, batch_size)
    return frequency, offset


def sample_batch(
    key: Key[Array, ""], batch_size: int, past: int, future: int
) -> tuple[Window, Window]:
    """Draw a training batch on the device: (inputs, targets), `[past + future, batch, 1]`.

    Inputs hold the signal for the first `past` steps and NO_INPUT after; targets hold the signal
    throughout. float32.
    """
    inputs, targets = batch_of(SINES, SINES.draw(key, batch_size), past, future)
    return inputs, targets


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
