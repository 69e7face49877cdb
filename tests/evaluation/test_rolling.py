"""Rolling origins, against errors that are worked out by hand."""

import numpy as np
import pytest

from sinlstm_jax import InputError, load_pretrained, rollout, rollout_with_spread
from sinlstm_jax.evaluation.rolling import (
    ORIGINS,
    baselines,
    ends_of,
    of_model,
    origins_of,
    rolled,
    yardstick_of,
)
from sinlstm_jax.signals.signal import NO_INPUT, Scaling

RNG = np.random.default_rng(0)
STEP = np.arange(600)
WAVE = 20 + 0.5 * np.sin(2 * np.pi * STEP / 40)
NOISY = WAVE + 0.05 * RNG.normal(size=600)


def test_origins_lie_in_what_is_held_out_and_see_only_what_was_before():
    values = NOISY.copy()
    values[500:520] = np.nan
    origins = origins_of(values, 400, past=30, horizon=15)
    assert origins.first[0] == 400 and origins.first[-1] == 585
    assert not set(range(500, 506)) & set(origins.first)  # nothing to be tested on
    for i in (0, 77, -1):
        first = origins.first[i]
        np.testing.assert_array_equal(origins.history[:, i], values[first - 30 : first])
        np.testing.assert_array_equal(origins.truth[:, i], values[first : first + 15])
    many = origins_of(np.tile(NOISY, 20), 100, past=30, horizon=15)
    assert len(many.first) == ORIGINS
    assert np.ptp(np.diff(many.first)) <= 1


@pytest.mark.parametrize(("past", "horizon", "first"), [(300, 500, 400), (30, 201, 400)])
def test_what_does_not_fit_is_refused(past, horizon, first):
    with pytest.raises(
        InputError, match=f"600 steps, of which 200 .* {horizon} steps after {past}"
    ):
        origins_of(NOISY, first, past, horizon)


def test_what_is_missing_is_not_called_too_short():
    values = NOISY.copy()
    values[350:] = np.nan
    with pytest.raises(InputError, match=r"of the 200 steps held out, .* is always missing: give"):
        origins_of(values, 400, past=30, horizon=20)


def test_errors_are_those_of_the_forecasts_in_the_units_of_the_series():
    values = NOISY.copy()
    values[450] = np.nan
    origins = origins_of(values, 400, past=30, horizon=60)
    scaling = Scaling(20.0, 0.5)
    of_last = rolled(baselines()["last value"], origins, scaling)
    last = np.where(np.isnan(origins.history[-1]), origins.history[-2], origins.history[-1])
    off = last[None, :] - origins.truth
    np.testing.assert_allclose(of_last.forecasts, np.tile(last, (60, 1)))
    expected = [np.nanmean(np.abs(off[:end])) for end in (1, 10, 50, 60)]
    np.testing.assert_allclose(of_last.absolute, expected)
    expected = [np.nanmean(off[:end] ** 2) ** 0.5 for end in (1, 10, 50, 60)]
    np.testing.assert_allclose(of_last.root_square, expected)
    np.testing.assert_allclose(of_last.over_steps, np.nanmean(off**2, axis=1) ** 0.5)
    of_mean = rolled(baselines()["mean of the past"], origins, scaling)
    np.testing.assert_allclose(of_mean.forecasts[3], np.nanmean(origins.history, axis=0))


def test_a_sample_that_is_the_word_for_nothing_is_a_sample():
    origins = origins_of(np.full(50, 19.0), 40, past=5, horizon=3)  # scaled, it is -2
    seen = []

    def forecaster(history, horizon):
        seen.append(history)
        return np.zeros((horizon, history.shape[1]))

    rolled(forecaster, origins, Scaling(20.0, 0.5))
    assert (seen[0] != NO_INPUT).all()
    np.testing.assert_allclose(seen[0], NO_INPUT)


def test_the_yardstick_is_the_value_a_period_before():
    found = yardstick_of(NOISY)
    assert found.period == 40
    assert found.error == pytest.approx(np.mean(np.abs(NOISY[40:] - NOISY[:-40])))
    noise = RNG.normal(size=300)
    found = yardstick_of(noise)
    assert (found.period, found.error) == (1, pytest.approx(np.mean(np.abs(np.diff(noise)))))


def test_the_sine_fit_is_at_the_noise():
    origins = origins_of(NOISY, 400, past=100, horizon=40)
    of_fit = rolled(baselines()["sine fit"], origins, Scaling(20.0, 0.5))
    assert of_fit.root_square[-1] == pytest.approx(0.05, rel=0.15)


def test_a_model_and_its_bands_are_those_of_a_rollout():
    model = load_pretrained("sensor")
    origins = origins_of(NOISY, 400, past=100, horizon=40)
    found = rolled(of_model(model)[0], origins, Scaling(20.0, 0.5), of_model(model)[1])
    expected = np.asarray(rollout(model, origins.history, 40))[100:, :, 0]
    np.testing.assert_allclose(found.forecasts, expected, atol=1e-3)
    assert (found.low < found.forecasts).all() and (found.forecasts < found.high).all()
    spread = np.asarray(rollout_with_spread(model, origins.history, 40)[1])[100:, :, 0]
    for edge in (found.high, found.low):
        np.testing.assert_allclose(np.abs(edge - expected), 1.6448536 * spread, atol=1e-3)
    inside = (found.low <= origins.truth) & (origins.truth <= found.high)
    assert found.held(origins.truth) == inside.mean()
    assert found.root_square[-1] < 0.08
    found.low[:, :100] = np.nan  # as where there is no band
    assert found.held(origins.truth) == inside[:, 100:].mean()


@pytest.mark.parametrize(("horizon", "ends"), [(1, [1]), (50, [1, 10, 50]), (60, [1, 10, 50, 60])])
def test_intervals_end_with_the_horizon(horizon, ends):
    assert ends_of(horizon) == ends
