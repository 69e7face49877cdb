"""What several sides do alike, in NumPy alone: PyTorch's memory is not to have JAX in it.

A step takes (carry, inputs `[batch, 1]`), a window (carry, inputs `[time, batch, 1]`); both return
(the next carry, predictions). The carry is None at first, which is zero.
"""

from collections.abc import Callable

import numpy as np

from .timing import Work

SAMPLING_RATE = 100  # Hz
NO_INPUT = -2.0
PAST = 100  # steps that a rollout observes
PREDICTIONS = 2_000_000  # of a rollout, in one call at most: 8 MB
UNIT = 100  # steps of a rollout in a unit of work, for those who go step by step


def draw_values(rng: np.random.RandomState, batch_size: int, steps: int) -> np.ndarray:
    """Draw waves one by one, as the tutorial does: `[batch_size, steps]` in float64."""
    times = np.arange(steps) / SAMPLING_RATE
    values = np.empty((batch_size, steps))
    for series in values:
        offset = 2 * np.pi * rng.rand()
        frequency = 0.5 + 3.5 * rng.rand()
        series[:] = np.sin(2 * np.pi * frequency * (times + offset))
    return values


def draw_history(batch_size: int) -> np.ndarray:
    """Return what a rollout observes, `[PAST, batch_size, 1]` in float32."""
    return draw_values(np.random.RandomState(0), batch_size, PAST).T[:, :, None].astype(np.float32)


def draw_weights(hidden_size: int = 15) -> dict[str, np.ndarray]:
    """Return fresh weights under PyTorch's names and in its layout."""
    rng, gates = np.random.RandomState(0), 4 * hidden_size
    shapes = {
        "lstm.weight_ih_l0": (gates, 1),
        "lstm.weight_hh_l0": (gates, hidden_size),
        "lstm.bias_ih_l0": gates,
        "lstm.bias_hh_l0": gates,
        "ip1.weight": (1, hidden_size),
        "ip1.bias": 1,
    }
    bound = hidden_size**-0.5
    return {name: np.float32(rng.uniform(-bound, bound, shapes[name])) for name in shapes}


def call_length(batch_size: int, steps: int, longest: int = PREDICTIONS) -> int:
    """Return how many steps of a rollout are done in one call."""
    return min(steps, longest, max(PREDICTIONS // batch_size, 1))


def with_history(history: np.ndarray, steps: int) -> np.ndarray:
    """Return the inputs of so many steps: a history, then none."""
    inputs = np.full((steps, *history.shape[1:]), NO_INPUT, np.float32)
    inputs[: len(history)] = history
    return inputs


def by_windows(window: Callable, batch_size: int, steps: int, longest: int = PREDICTIONS) -> Work:
    """Do rollouts, each in one call from its history on; long ones in several, by the carry."""
    history, unit = draw_history(batch_size), call_length(batch_size, steps, longest)
    if unit == steps:
        return in_calls(lambda _: window(None, with_history(history, steps)), None, unit, steps)
    nothing = np.full((unit, batch_size, 1), NO_INPUT, np.float32)
    return in_calls(lambda carry: window(carry, nothing), None, unit, steps)


def by_steps(step: Callable, batch_size: int, steps: int) -> Work:
    """Do the steps of a rollout one after the other, from Python."""
    values = np.full((batch_size, 1), NO_INPUT, np.float32)

    def next_steps(carry):
        predictions = []
        for _ in range(UNIT):
            carry, prediction = step(carry, values)
            predictions.append(prediction)
        return carry, np.array(predictions)

    return in_calls(next_steps, None, UNIT, steps)


def in_calls(forecast: Callable, carry, unit: int, steps: int) -> Work:
    """Forecast steps, `unit` in a call, through the carry.

    `forecast` takes a carry and returns (carry, predictions).
    """

    def run(units):
        nonlocal carry
        for _ in range(units):
            carry, predictions = forecast(carry)
            np.asarray(predictions)

    return Work(run, unit, -(-steps // unit))


def stream(step: Callable, carry=None) -> Work:
    """Take a number and give one, step after step, as data comes in."""

    def run(steps):
        nonlocal carry
        for _ in range(steps):
            inputs = np.full((1, 1), NO_INPUT, np.float32)
            carry, prediction = step(carry, inputs)
            np.asarray(prediction).item()

    return Work(run)
