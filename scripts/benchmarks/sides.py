"""Who takes part: each side is a module with a class Side, which imports its library.

And what several of them do alike, in NumPy alone: PyTorch's memory is not to have JAX in it.
"""

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import numpy as np

from .timing import Work

# Name -> (module, implementation). Tables and pictures keep this order.
SIDES = {
    "fused": ("ours", "fused"),
    "scan": ("ours", "scan"),
    "PyTorch": ("pytorch", None),
    "nnx.RNN": ("flax_nnx", None),
}
SAMPLING_RATE = 100  # Hz
NO_INPUT = -2.0
PREDICTIONS = 2_000_000  # of a rollout, in one call at most: 8 MB


class Setting(NamedTuple):
    """Sizes of a training iteration; the tutorial's, unless said otherwise."""

    window: int
    hidden_size: int = 15
    batch_size: int = 20
    past: int = 100
    learning_rate: float = 0.001
    epsilon: float = 0.02

    @property
    def horizon(self) -> int:
        return self.window - self.past


def stage_settings(recipe) -> list[Setting]:
    """Return the sizes of a recipe's stages."""
    sizes = (recipe.hidden_size, recipe.batch_size, recipe.past)
    return [
        Setting(recipe.past + stage.horizon, *sizes, stage.learning_rate, stage.epsilon)
        for stage in recipe.stages
    ]


def load_side(name: str):
    """Return a side, or raise ModuleNotFoundError or ValueError where it cannot be had."""
    module, implementation = SIDES[name]
    side = import_module(f".{module}", __package__).Side
    return side(implementation) if implementation else side()


def load_sides() -> tuple[dict, dict[str, str]]:
    """Return (the sides there are by name, why each of the others is missing)."""
    sides, missing = {}, {}
    for name in SIDES:
        try:
            sides[name] = load_side(name)
        except (ModuleNotFoundError, ValueError) as error:
            missing[name] = str(error)
    return sides, missing


def ours_of(names) -> str:
    """Return the implementation that `auto` takes here, given the sides there are."""
    return "fused" if "fused" in names else "scan"


def draw_values(rng: np.random.RandomState, batch_size: int, steps: int) -> np.ndarray:
    """Draw waves one by one, as the tutorial does: `[batch_size, steps]` in float64."""
    times = np.arange(steps) / SAMPLING_RATE
    values = np.empty((batch_size, steps))
    for series in values:
        offset = 2 * np.pi * rng.rand()
        frequency = 0.5 + 3.5 * rng.rand()
        series[:] = np.sin(2 * np.pi * frequency * (times + offset))
    return values


def call_length(batch_size: int, steps: int) -> int:
    """Return how many steps of a rollout are forecast in one call."""
    return min(steps, max(PREDICTIONS // batch_size, 1))


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


def step_by_step(step: Callable, carry) -> Work:
    """Take a number and give one, step after step.

    `step` takes a carry and an input, `[1, 1]`, and returns (carry, a prediction of any shape).
    """

    def run(steps):
        nonlocal carry
        for _ in range(steps):
            inputs = np.full((1, 1), NO_INPUT, np.float32)
            carry, prediction = step(carry, inputs)
            np.asarray(prediction).item()

    return Work(run)
