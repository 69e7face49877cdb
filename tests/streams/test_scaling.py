"""Level and amplitude that are estimated, against those of the waves they are estimated from."""

import json

import numpy as np
import pytest

from sinlstm_jax import Forecaster, InputError, load_pretrained
from sinlstm_jax.streams.scaling import estimated

STEP = np.arange(500)
FREQUENCIES = np.array([0.5, 0.8, 1.7, 3.9])
WAVES = np.sin(2 * np.pi * FREQUENCIES * STEP[:, None] / 100 + 0.4)


def test_the_level_and_amplitude_of_half_a_wave_are_its_own():
    samples = (7 + 3 * WAVES[:100])[:, :, None]
    known = np.random.default_rng(0).uniform(size=samples.shape) > 0.2
    window = estimated(np.where(known, samples, np.nan), known)
    np.testing.assert_allclose(window.level, 7, rtol=1e-6)
    np.testing.assert_allclose(window.scale, 3, rtol=1e-6)


def test_what_is_no_wave_has_its_mean_and_deviation():
    rng = np.random.default_rng(0)
    samples = 5 + rng.normal(size=(100, 3, 1))
    window = estimated(samples, np.ones(samples.shape, bool))
    np.testing.assert_allclose(window.level, samples.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(window.scale, np.sqrt(2) * samples.std(axis=0), rtol=1e-12)
    for steps in (0, 1, 40):
        window = estimated(np.full((steps, 2, 1), 4.0), np.full((steps, 2, 1), steps > 0))
        assert window.level.ravel().tolist() == [4 * (steps > 0)] * 2
        assert window.scale.ravel().tolist() == [1, 1]


def test_a_wave_that_is_a_guess_is_not_taken_for_one():
    rng = np.random.default_rng(0)
    part = np.sin(2 * np.pi * 0.3 * np.arange(100) / 100)  # less than a third of a cycle
    half = np.sin(0.3 * np.arange(100)) + rng.normal(0, 0.7, 100)  # explains half of its variance
    samples = 7 + 3 * np.stack([part, half], axis=1)[:, :, None]
    window = estimated(samples, np.ones(samples.shape, bool))
    np.testing.assert_allclose(window.level, samples.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(window.scale, np.sqrt(2) * samples.std(axis=0), rtol=1e-12)


def test_the_crest_of_a_slow_wave_is_a_guess_and_its_slope_is_none():
    """The amplitude is over four times the deviation of the 0.42 cycles around the crest."""
    angle = 2 * np.pi * 0.0042 * (np.arange(100) - 49.5)
    samples = 7 + 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, :, None]
    assert 3 > 4 * samples[:, 0].std()
    window = estimated(samples, np.ones(samples.shape, bool))
    np.testing.assert_allclose(window.level.ravel(), [samples[:, 0].mean(), 7], rtol=1e-6)
    expected = [np.sqrt(2) * samples[:, 0].std(), 3]
    np.testing.assert_allclose(window.scale.ravel(), expected, rtol=1e-6)


def test_eight_samples_are_the_fewest_that_a_wave_is_fitted_to():
    samples = np.repeat((7 + 3 * WAVES[:100, 2:3])[:, None], 2, axis=1)
    known = np.zeros(samples.shape, bool)
    known[5:85:10, 0] = known[5:75:10, 1] = True  # 8 of one, 7 of the other
    window = estimated(samples, known)
    few = samples[:, 1][known[:, 1]]
    np.testing.assert_allclose(window.level.ravel(), [7, few.mean()], rtol=1e-6)
    np.testing.assert_allclose(window.scale.ravel(), [3, np.sqrt(2) * few.std()], rtol=1e-6)


def test_where_samples_are_scaled_the_latest_hundred_count():
    model = load_pretrained("curriculum")
    assert Forecaster(model, scaling="auto").window == 100
    assert Forecaster(model, window=40, scaling="auto").window == 40
    assert Forecaster(load_pretrained(), scaling="auto").window == 300


def test_a_scaled_stream_forecasts_as_well_as_one_of_amplitude_one():
    model = load_pretrained("tuned")
    plain = Forecaster(model, batch_size=4, window=100)
    plain.observe(WAVES[:100])
    scaled = Forecaster(model, batch_size=4, scaling="auto")
    scaled.observe(2.5 + 1.8 * WAVES[:100])
    expected = 2.5 + 1.8 * plain.forecast(400)
    np.testing.assert_allclose(scaled.forecast(400), expected, atol=2e-3)


def test_a_thousand_times_the_wave_on_fifty_thousand_is_forecast_so():
    rng = np.random.default_rng(3)
    given = WAVES[:120] + 0.05 * rng.normal(size=(120, 4))
    given[40:50, 1] = np.nan
    for name in ("tuned", "sensor"):
        one, other = (Forecaster(load_pretrained(name), 4, scaling="auto") for _ in range(2))
        one.observe(given)
        other.observe(50_000 + 1_000 * given)
        expected = 50_000 + 1_000 * one.forecast(100).astype(np.float64)
        # float32 holds 50,000 to 0.004; and steps of the network round by themselves.
        np.testing.assert_allclose(other.forecast(100), expected, atol=0.5)


def test_the_state_of_a_scaled_stream_is_kept_as_json():
    model = load_pretrained("curriculum")
    stream = Forecaster(model, scaling="auto")
    stream.observe([None, *(7 + 3 * WAVES[:80, 2])])
    state = json.loads(json.dumps({k: v.tolist() for k, v in stream.state().items()}))
    again = Forecaster.from_state(model, state)
    for value in 7 + 3 * WAVES[80:90, 2]:
        stream.observe(value)
        again.observe(value)
    np.testing.assert_array_equal(stream.forecast(50), again.forecast(50))


@pytest.mark.parametrize("scaling", ["run", "", 3, (1,)])
def test_other_scalings_are_refused(scaling):
    with pytest.raises(InputError, match="scaling is"):
        Forecaster(load_pretrained("curriculum"), scaling=scaling)
