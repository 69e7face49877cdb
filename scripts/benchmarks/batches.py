"""The tutorial's batches, in NumPy alone: PyTorch's memory is not to have JAX in it."""

import numpy as np

SAMPLING_RATE = 100  # Hz
NO_INPUT = -2.0


def draw_values(rng: np.random.RandomState, batch_size: int, steps: int) -> np.ndarray:
    """Draw waves one by one, as the tutorial does: `[batch_size, steps]` in float64."""
    times = np.arange(steps) / SAMPLING_RATE
    values = np.empty((batch_size, steps))
    for series in values:
        offset = 2 * np.pi * rng.rand()
        frequency = 0.5 + 3.5 * rng.rand()
        series[:] = np.sin(2 * np.pi * frequency * (times + offset))
    return values
