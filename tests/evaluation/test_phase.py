"""Against closed forms: forecasts whose frequency, phase and amplitude are known."""

import numpy as np
import pytest

from sinlstm_jax.evaluation.phase import HOP, Track, frequency_error, lost_at, track

FREQUENCY = np.array([0.25, 0.5, 1.1337, 2.0, 3.7, 4.0, 5.0])  # Hz
ANGLE = np.linspace(0.3, 6, FREQUENCY.size)  # rad, at step 0
SECONDS = np.arange(1500)[:, None] / 100


def forecasts(amplitude=1.0, phase=0.0, constant=0.0, steps=1500):
    """Return `amplitude * sin(true angle + phase) + constant`, the first two over time."""
    angle = 2 * np.pi * FREQUENCY * SECONDS + ANGLE
    return (amplitude * np.sin(angle + phase) + constant)[:steps]


def follow(*arguments, **options):
    return track(forecasts(*arguments, **options), FREQUENCY, ANGLE)


def measured(values):
    return values[np.isfinite(values)]


def test_a_constant_amplitude_phase_and_offset_are_exact():
    followed = follow(amplitude=0.7, phase=-1.2, constant=0.2)
    np.testing.assert_array_equal(followed.steps, np.arange(0, 1500, HOP))
    np.testing.assert_allclose(measured(followed.amplitude), 0.7, rtol=1e-10)
    np.testing.assert_allclose(measured(followed.phase), -1.2, rtol=1e-10)
    np.testing.assert_allclose(frequency_error(followed), 0, atol=1e-12)


def test_measurements_have_a_full_period_around():
    followed = follow()
    for wave, period in enumerate(100 / FREQUENCY):
        steps = followed.steps[np.isfinite(followed.amplitude[:, wave])]
        half = max(period, 25) / 2
        assert half <= steps[0] < half + 2 * HOP
        assert 1500 - half - 2 * HOP - 1 <= steps[-1] <= 1499 - half


@pytest.mark.parametrize("error", [-0.02, -0.004, 1e-5, 0.008, 0.05])  # Hz
def test_a_wrong_frequency_is_found_and_its_phase_followed_over_whole_turns(error):
    drift = 2 * np.pi * error * SECONDS + 0.05
    followed = follow(phase=drift)
    np.testing.assert_allclose(frequency_error(followed), error, rtol=0.02)
    expected = np.broadcast_to(drift[followed.steps], followed.phase.shape)
    there = np.isfinite(followed.phase)
    # A window of one period sees a little of the wrong frequency's mirror image.
    bound = np.broadcast_to(1e-9 + 0.6 * abs(error) / FREQUENCY, there.shape)
    assert (np.abs(followed.phase - expected)[there] <= bound[there]).all()


def test_the_frequency_of_a_wave_that_is_far_off_is_found():
    followed = track(np.sin(2 * np.pi * 4.13 * SECONDS), np.array([5.0]), np.zeros(1))
    np.testing.assert_allclose(frequency_error(followed), 4.13 - 5, atol=0.01)


def test_a_decaying_amplitude_is_followed():
    decay = np.exp(-SECONDS / 20)
    followed = follow(amplitude=decay)
    there = np.isfinite(followed.amplitude)
    expected = np.broadcast_to(decay[followed.steps], there.shape)[there]
    np.testing.assert_allclose(followed.amplitude[there], expected, rtol=0.02)
    np.testing.assert_allclose(measured(followed.phase), 0, atol=0.03)


@pytest.mark.parametrize(("error", "limit"), [(0.004, 0.1), (-0.01, 0.1), (0.05, np.pi)])
def test_the_phase_is_lost_when_it_is_beyond_the_limit(error, limit):
    followed = follow(phase=2 * np.pi * error * SECONDS)
    crossing = 100 * limit / (2 * np.pi * abs(error))  # steps
    lost = lost_at(followed, limit)
    # As far off as the phase is by the mirror image, and up to a hop late; never before the first.
    slack = HOP + 100 * 0.6 / FREQUENCY / (2 * np.pi)
    first = [followed.steps[np.isfinite(a)][0] for a in followed.amplitude.T]
    assert (lost >= np.minimum(crossing - slack, first)).all()
    assert (lost <= np.maximum(crossing + slack, first)).all()
    assert lost.max() < 1500


def test_a_phase_that_holds_is_never_lost():
    assert (lost_at(follow(phase=0.09), 0.1) == np.inf).all()
    assert np.isfinite(lost_at(follow(phase=0.11), 0.1)).all()


@pytest.mark.parametrize("value", [0.0, 0.3, np.nan, np.inf])
def test_what_does_not_swing_is_lost_from_the_start(value):
    followed = track(np.full((1500, FREQUENCY.size), value), FREQUENCY, ANGLE)
    np.testing.assert_allclose(measured(followed.amplitude), 0, atol=1e-12)
    assert np.isnan(followed.phase).all()
    assert np.isnan(frequency_error(followed)).all()
    first = [followed.steps[np.isfinite(amplitude)][0] for amplitude in followed.amplitude.T]
    np.testing.assert_array_equal(lost_at(followed, np.pi), first)


def test_who_died_is_lost_even_when_it_comes_back():
    fast = FREQUENCY >= 1  # slower ones' windows are as long as the death
    dying = np.where(SECONDS < 8, 1 - SECONDS / 8, SECONDS > 12)  # 0.1 after 7.2 s
    followed = follow(amplitude=dying, phase=0.02 * np.pi * SECONDS)
    assert np.nanmin(followed.amplitude[followed.steps > 1300][:, fast]) > 0.9
    assert np.isnan(followed.phase[followed.steps >= 740][:, fast]).all()
    np.testing.assert_allclose(lost_at(followed, np.pi)[fast], 720, atol=2 * HOP)
    np.testing.assert_allclose(frequency_error(followed)[fast], 0.01, rtol=0.05)


def test_a_forecast_shorter_than_a_period_is_not_measured():
    followed = follow(steps=150)
    slow = FREQUENCY < 1
    assert np.isnan(followed.amplitude[:, slow]).all()
    assert np.isnan(lost_at(followed, 0.1)[slow]).all()
    assert (lost_at(followed, 0.1)[~slow] == np.inf).all()


def of_phase(phase):
    steps = np.arange(0, HOP * phase.size, HOP)
    return Track(steps, np.ones((steps.size, 1)), phase[:, None])


def test_the_frequency_is_that_of_the_tutorials_1500_steps():
    seconds = np.arange(300) * HOP / 100
    phase = 2 * np.pi * np.where(seconds < 15, 0.01 * seconds, 0.4 * seconds)
    np.testing.assert_allclose(frequency_error(of_phase(phase)), 0.01, rtol=1e-12)


def test_ten_measurements_are_the_fewest_that_tell_a_frequency():
    phase = 2 * np.pi * 0.03 * np.arange(10) * HOP / 100
    np.testing.assert_allclose(frequency_error(of_phase(phase)), 0.03, rtol=1e-12)
    phase[4] = np.nan
    assert np.isnan(frequency_error(of_phase(phase))).all()
