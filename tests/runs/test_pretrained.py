"""The models that ship, against what can be known, and against the truth."""

import numpy as np
import pytest

from sinlstm_jax import held_out_waves, load_pretrained, rollout_errors, rollout_with_spread
from sinlstm_jax.evaluation.flat_limit import flat_limit_forecast
from sinlstm_jax.recipes import RECIPES, SHIPPED
from sinlstm_jax.sensor import SensorLSTM, reach_of

WAVES = held_out_waves(256)
FAST = WAVES.frequency >= 1


@pytest.fixture(scope="module")
def histories():
    rng = np.random.default_rng(7)
    return WAVES.values(0, 100) + 0.1 * rng.standard_normal((100, 256))


def test_what_ships_is_of_its_recipe():
    for name in SHIPPED:
        model, recipe = load_pretrained(name), RECIPES[name]
        assert (type(model).__name__, model.hidden_size) == (recipe.network, recipe.hidden_size)
    assert isinstance(load_pretrained(), SensorLSTM)


def test_the_one_for_sensors_is_near_the_limit_in_any_units(histories):
    truth = WAVES.values(100, 500)
    limit = np.square(flat_limit_forecast(histories, 400, 0.1) - truth)[:, FAST].mean()
    for amplitude, level in ((1, 0), (0.01, 0), (1000, 50_000)):
        forecasts, _ = rollout_with_spread(load_pretrained(), amplitude * histories + level, 400)
        values = (np.asarray(forecasts, np.float64)[100:, :, 0] - level) / amplitude
        error = np.square(values - truth)[:, FAST].mean()
        assert 0.97 * limit < error < 1.25 * limit


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
def test_its_bands_hold_about_what_they_are_to_whatever_the_noise(noise):
    model, truth = load_pretrained(), WAVES.values(100, 500)
    histories = WAVES.values(0, 100) + noise * np.random.default_rng(7).normal(size=(100, 256))
    forecasts, spreads = (
        np.asarray(x)[100:, :, 0] for x in rollout_with_spread(model, histories, 400)
    )
    for share in (0.5, 0.9):
        held = np.abs(forecasts - truth) < reach_of(model, share) * spreads
        assert abs(held.mean() - share) < (0.06 if share == 0.9 else 0.12)


def test_its_bands_hold_what_follows_a_long_clean_history():
    histories, truth = WAVES.values(0, 300), WAVES.values(300, 700)
    forecasts, spreads = (
        np.asarray(x)[300:, :, 0] for x in rollout_with_spread(load_pretrained(), histories, 400)
    )
    assert (np.abs(forecasts - truth) < reach_of(load_pretrained(), 0.9) * spreads).mean() > 0.9


def test_tuned_and_long_hold_their_phase():
    few = held_out_waves(64)
    tuned = rollout_errors(load_pretrained("tuned"), *few, [(900, 1500)])
    long = rollout_errors(load_pretrained("long"), *few, [(5000, 10000)])
    assert tuned.mean() < 0.001 and long.mean() < 0.01
