"""What forecasts of the past teach of a model's bands."""

import numpy as np
import pytest
from flax import nnx

from sinlstm_jax import Recipe, Recording, Stage
from sinlstm_jax.backtest import backtest_of, calibration_of
from sinlstm_jax.ensemble import ensemble_of, widened
from sinlstm_jax.rollout import rollout_with_spread
from sinlstm_jax.sensor import SensorLSTM

PAST, HORIZON = 20, 10


def recipe(values, held_out=0.2):
    recording = Recording(values, 2.0, held_out)
    stages = (Stage(5, 10), Stage(HORIZON, 10))
    return Recipe("r", "", stages, 5, past=PAST, signal=recording, network="SensorLSTM")


def values(steps=200):
    rng = np.random.default_rng(2)
    return 7 + 3 * np.sin(np.arange(steps) / 3) + rng.normal(size=steps)


def test_a_backtest_holds_out_the_end_of_what_is_trained_on():
    given = values()
    found = backtest_of(recipe(given)).signal
    assert found.lengths == (160,) and found.share_held_out == 0.2
    assert found.sampling_rate == 2.0
    np.testing.assert_allclose(found.scaled * found.scale + found.mean, scaled(given)[:160], 1e-5)


def scaled(given):
    trained = given[:160]
    return (given - trained.mean()) / (np.sqrt(2) * trained.std())


def test_bands_are_widened_to_hold_nine_in_ten_of_what_came():
    backtest = backtest_of(recipe(values()))
    models = [SensorLSTM(4, rngs=nnx.Rngs(seed)) for seed in (1, 2)]
    calibration = calibration_of(models, backtest)
    series, joined = backtest.signal.scaled.astype(np.float64), ensemble_of(models)
    off, away = [], []
    for first in range(128, 160 - HORIZON + 1):
        value, spread = rollout_with_spread(
            joined, series[first - PAST : first, None].astype(np.float32), HORIZON
        )
        off.append(np.abs(series[first : first + HORIZON] - np.asarray(value)[-HORIZON:, 0, 0]))
        away.append(np.asarray(spread)[-HORIZON:, 0, 0])
    ratio = np.array(off) / np.array(away)
    assert calibration.forecasts == len(off)
    np.testing.assert_allclose(calibration.held, np.mean(ratio <= 1.6448536), atol=1e-9)
    np.testing.assert_allclose(calibration.widening, np.quantile(ratio, 0.9) / 1.6448536, rtol=1e-4)
    again = calibration_of([widened(joined, calibration.widening)], backtest)
    assert again.held == pytest.approx(0.9, abs=0.005)
    assert again.widening == pytest.approx(1, abs=1e-3)


def test_bands_of_no_width_cannot_be_widened():
    model = SensorLSTM(4, rngs=nnx.Rngs(1))
    model.output.bias[...] = model.output.bias[...].at[1].set(-1000)  # of the spread's log
    assert calibration_of([model], backtest_of(recipe(values()))) is None


def test_what_is_too_short_to_look_back_has_no_backtest():
    assert backtest_of(recipe(values(70), 0.25)) is not None  # 39 of 52 steps are trained on
    assert backtest_of(recipe(values(52), 0.25)) is None  # 29 of 39, and a window has 30
    assert backtest_of(recipe(values(60), 0.17)) is None  # 8 of 50 would be held out
    nothing = values(70)
    nothing[39:52] = np.nan
    assert backtest_of(recipe(nothing, 0.25)) is None  # what it would hold out is missing
