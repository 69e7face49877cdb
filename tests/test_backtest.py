"""What forecasts of the past teach of a model's bands."""

import jax
import numpy as np
import pytest
from flax import nnx

from sinlstm_jax import Recipe, Recording, Stage, adam, init_state, train_chunk
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
    assert found.longest_trained == 128 and found.sampling_rate == 2.0
    samples = found.scaled * found.scale + found.mean
    np.testing.assert_allclose(samples[:160], scaled(given)[:160], 1e-5)
    assert np.isnan(samples[160:]).all()


def test_a_backtest_compiles_nothing_anew(compilations):
    whole = recipe(values())

    def train(signal):
        model, optimizer = SensorLSTM(4, rngs=nnx.Rngs(1)), adam(0.01, 0.02)
        settings = {"structure": nnx.graphdef(model), "optimizer": optimizer}
        sizes = {"batch_size": 3, "past": PAST, "horizon": HORIZON}
        state, key = init_state(model, optimizer, 4), jax.random.key(0)
        return train_chunk(state, key, 4, signal=signal, **settings, **sizes).losses

    first = train(whole.signal)
    compilations.reset()
    assert (np.array(train(backtest_of(whole).signal)) != np.array(first)).any()
    assert compilations.count == 0


def test_a_backtest_is_taught_what_a_recording_of_that_part_alone_would_be():
    given = values()
    found, alone = backtest_of(recipe(given)).signal, Recording(given[:160], 2.0)
    drawn = alone.draw(jax.random.key(3), 50)
    np.testing.assert_allclose(found.values(drawn, 30), alone.values(drawn, 30), atol=1e-5)


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


def test_a_flat_stretch_and_missing_samples_leave_bands_to_widen():
    given = values(400)
    given[270 : 270 + PAST + HORIZON + 5] = 7.0  # whole windows that do not vary
    given[[310, 312, 313]] = np.nan
    models = [SensorLSTM(4, rngs=nnx.Rngs(seed)) for seed in (1, 2)]
    backtest = backtest_of(recipe(given))
    calibration = calibration_of(models, backtest)
    series, joined = backtest.signal.scaled.astype(np.float64), ensemble_of(models)
    ratio = []
    for first in range(256, 320 - HORIZON + 1):
        history, truth = series[first - PAST : first, None], series[first : first + HORIZON]
        found = rollout_with_spread(joined, history.astype(np.float32), HORIZON)
        value, spread = (np.asarray(each)[-HORIZON:, 0, 0] for each in found)
        for off, away in zip(np.abs(truth - value), spread, strict=True):
            if np.isfinite(off):
                ratio.append(off / away if away else np.inf if off else 0.0)
    wanted = np.quantile(ratio, 0.9) / 1.6448536
    np.testing.assert_allclose(calibration.widening, wanted, rtol=1e-4)


def test_bands_of_no_width_cannot_be_widened():
    model = SensorLSTM(4, rngs=nnx.Rngs(1))
    model.output.bias[...] = model.output.bias[...].at[1:].set(-1000)  # logs of the spread
    assert calibration_of([model], backtest_of(recipe(values()))) is None


def test_what_is_too_short_to_look_back_has_no_backtest():
    assert backtest_of(recipe(values(70), 0.25)) is not None  # 39 of 52 steps are trained on
    assert backtest_of(recipe(values(53), 0.25)) is not None  # 30 of 40, and 10 to forecast
    assert backtest_of(recipe(values(52), 0.25)) is None  # 29 of 39, and a window has 30
    assert backtest_of(recipe(values(60), 0.17)) is None  # 8 of 50 would be held out
    nothing = values(70)
    nothing[39:52] = np.nan
    assert backtest_of(recipe(nothing, 0.25)) is None  # what it would hold out is missing
