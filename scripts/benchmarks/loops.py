"""What several sides do alike, in NumPy alone: PyTorch's memory is not to have JAX in it."""

from collections.abc import Callable

import numpy as np

from .timing import Work

SAMPLING_RATE = 100  # Hz
NO_INPUT = -2.0
PREDICTIONS = 2_000_000  # of a rollout, in one call at most: 8 MB


def draw_values(rng: np.random.RandomState, batch_size: int, steps: int) -> np.ndarray:
    """Draw waves one by one, as the tutorial does: `[batch_size, steps]` in float64."""
    times = np.arange(steps) / SAMPLING_RATE
    values = np.empty((batch_size, steps))
    for series in values:
        offset = 2 * np.pi * rng.rand()
        frequency = 0.5 + 3.5 * rng.rand()
        series[:] = np.sin(2 * np.pi * frequency * (times + offset))
    return values


def in_calls(forecast: Callable, carry, batch_size: int, steps: int) -> Work:
    """Forecast steps in calls of PREDICTIONS at most, through the carry.

    `forecast` takes a carry and how many steps, the same each time, and returns (carry, array).
    """
    unit = min(steps, max(PREDICTIONS // batch_size, 1))

    def run(units):
        nonlocal carry
        for _ in range(units):
            carry, predictions = forecast(carry, unit)
            np.asarray(predictions)

    return Work(run, unit, -(-steps // unit))


def step_by_step(step: Callable, carry) -> Work:
    """Take a number and give one, step after step.

    `step` takes a carry and an input, `[1, 1]`, and returns (carry, prediction).
    """

    def run(steps):
        nonlocal carry
        for _ in range(steps):
            inputs = np.full((1, 1), NO_INPUT, np.float32)
            carry, prediction = step(carry, inputs)
            np.asarray(prediction)[0, 0]

    return Work(run)
