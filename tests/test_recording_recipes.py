"""What a recording's period and length make of a recipe."""

import numpy as np
import pytest

from sinlstm_jax import InputError, Recording, Stage
from sinlstm_jax.recording_recipes import recipe_for


def recording(steps, period=None, held_out=0.2):
    rng = np.random.default_rng(0)
    values = rng.normal(size=steps)
    if period is not None:
        values = 0.1 * values + np.sin(2 * np.pi * np.arange(steps) / period)
    return Recording(values, 1.0, held_out)


@pytest.mark.parametrize(
    ("steps", "period", "past", "horizon"),
    [
        (5000, 30, 120, 60),
        (5000, 150, 300, 300),  # four periods are too many
        (240, 12, 48, 24),
        (100, 12, 20, 10),  # a quarter of what is trained on; half of what is held out
        (5000, None, 100, 50),
    ],
)
def test_windows_are_of_some_periods_as_far_as_there_are_any(steps, period, past, horizon):
    recipe = recipe_for(recording(steps, period), "x")
    assert (recipe.past, recipe.stages[-1].horizon) == (past, horizon)
    horizons = [stage.horizon for stage in recipe.stages]
    assert horizons == [max(1, horizon // 4), horizon // 2, horizon]


def test_what_is_given_is_taken():
    recipe = recipe_for(recording(500, 20), "x", past=33, horizon=7, hidden_size=5, effort=0.1)
    assert (recipe.past, recipe.stages[-1].horizon, recipe.hidden_size) == (33, 7, 5)
    whole = recipe_for(recording(500, 20), "x", past=33, horizon=7, hidden_size=5)
    assert recipe.iteration_steps == pytest.approx(0.1 * whole.iteration_steps, rel=0.01)


def test_stages_and_units_are_as_the_page_tells():
    recipe = recipe_for(recording(5000, 30), "x")
    assert [stage.iterations for stage in recipe.stages] == [2000, 1500, 2500]
    last = Stage(
        60, 2500, 0.005, epsilon=1e-8, b1=0.99, b2=0.99, nesterov=True, clip_norm=0.1, warmup=200,
        final_fraction=0.01, error_floor=0.001, beta=0.5,
    )  # fmt: skip
    assert recipe.stages[-1] == last
    # A tenth is held out: 1,999 steps and 2,000 are trained on.
    sizes = [recipe_for(recording(n, 30, 0.1), "x").hidden_size for n in (2221, 2222)]
    assert sizes == [12, 24]


def test_what_is_too_short_is_refused():
    with pytest.raises(InputError, match="80 steps are trained on, and a window has 70 observed"):
        recipe_for(recording(100), "x", past=70, horizon=15)
    with pytest.raises(InputError, match="horizon is 30 steps, and 20 of the signal are held out"):
        recipe_for(recording(100), "x", past=20, horizon=30)
