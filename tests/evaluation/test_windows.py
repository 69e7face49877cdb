"""Errors on windows of any signal, against plain NumPy."""

import numpy as np
import pytest

from sinlstm_jax import InputError
from sinlstm_jax.evaluation.windows import Spoiling, error_after, evaluate_windows, spoil
from sinlstm_jax.signals.signal import NO_INPUT, HeldOut

RNG = np.random.default_rng(5)
PAST, HORIZON, WINDOWS = 20, 100, 4
VALUES = RNG.standard_normal((PAST + HORIZON, WINDOWS))
VALUES[RNG.random(VALUES.shape) < 0.2] = np.nan
VALUES[PAST : PAST + 50, 1] = np.nan
VALUES[PAST + 70] = np.nan
HELD_OUT = HeldOut(VALUES.astype(np.float32), np.ones(WINDOWS, np.float32))
ANSWER = RNG.standard_normal((HORIZON, WINDOWS))


def answering(history, horizon):
    return ANSWER


def test_errors_are_averaged_over_what_is_known():
    measured = evaluate_windows(answering, HELD_OUT, PAST)
    assert measured.intervals == ((0, 50), (0, 100))
    squared = (ANSWER - VALUES[PAST:].astype(np.float32)) ** 2
    for (first, last), errors in zip(measured.intervals, measured.errors, strict=True):
        for window, error in enumerate(errors):
            known = [x for x in squared[first:last, window] if x == x]
            assert np.isnan(error) if not known else error == pytest.approx(np.mean(known))
    assert np.isnan(measured.errors[0, 1]) and np.isfinite(measured.errors[1]).all()
    for step, error in enumerate(measured.error_over_time):
        known = [x for x in squared[step] if x == x]
        assert np.isnan(error) if not known else error == pytest.approx(np.mean(known))
    assert np.isnan(measured.error_over_time[70])


def test_what_is_missing_is_shown_as_no_input_and_the_rest_as_it_is():
    seen = []

    def watching(history, horizon):
        seen.append(history)
        return ANSWER

    evaluate_windows(watching, HELD_OUT, PAST)
    missing = np.isnan(VALUES[:PAST])
    assert missing.any()
    np.testing.assert_array_equal(seen[0] == NO_INPUT, missing)
    np.testing.assert_array_equal(seen[0][~missing], np.float32(VALUES[:PAST][~missing]))


def test_a_forecast_that_is_no_number_is_as_far_off_as_can_be():
    answer = ANSWER.copy()
    answer[60, 2] = np.nan
    measured = evaluate_windows(lambda *_: answer, HELD_OUT, PAST)
    assert not np.isnan(VALUES[PAST + 60, 2])
    assert measured.errors[1, 2] == measured.error_over_time[60] == np.inf
    assert np.isfinite(np.delete(measured.errors[1], 2)).all()


def test_a_forecast_of_another_shape_is_refused():
    with pytest.raises(
        InputError, match=r"answered with shape \(100, 3\): it should be \(100, 4\)"
    ):
        evaluate_windows(lambda *_: ANSWER[:, :3], HELD_OUT, PAST)


def test_noise_is_relative_to_each_windows_amplitude_and_gaps_stay():
    amplitude = np.array([0.5, 3.0])
    history = np.zeros((5000, 2))
    history[::4] = np.nan
    spoilt = spoil(history, Spoiling(noise=0.1), np.random.default_rng(0), amplitude)
    np.testing.assert_array_equal(spoilt == NO_INPUT, np.isnan(history))
    known = spoilt[~np.isnan(history).any(axis=1)]
    np.testing.assert_allclose(known.std(axis=0), 0.1 * amplitude, rtol=0.05)


def test_the_last_two_samples_stay_where_all_would_be_missing():
    history = np.arange(8.0)[:, None] + np.zeros((8, 3))
    history[6:, 1] = np.nan
    history[1:, 2] = np.nan
    spoilt = spoil(history, Spoiling(missing=1.0), np.random.default_rng(0))
    expected = np.full((8, 3), float(NO_INPUT))
    expected[6:, 0], expected[4:6, 1], expected[0, 2] = (6, 7), (4, 5), 0
    np.testing.assert_array_equal(spoilt, expected)


def test_the_error_after_a_spoilt_history_is_against_the_clean_window():
    windows = HeldOut(np.full((300, 2), 2.0), np.array([1.0, 10.0], np.float32))
    noise = []

    def mean_of_the_history(history, horizon):
        noise.append(history.mean(axis=0) - 2)
        return np.tile(history.mean(axis=0), (horizon, 1))

    error = error_after(Spoiling(noise=0.1), mean_of_the_history, windows, 200)
    assert abs(noise[0][0]) < 0.03 and 0 < abs(noise[0][1]) < 0.3
    assert error == pytest.approx(np.mean(noise[0] ** 2))
