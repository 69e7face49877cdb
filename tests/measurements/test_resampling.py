"""Resampling, against the signal itself at the other rate."""

import numpy as np
import pytest

from sinlstm_jax import InputError
from sinlstm_jax.measurements.reader import Piece
from sinlstm_jax.measurements.resampling import resampled


def sampled(frequency, rate, seconds=12.0):
    times = np.arange(0, seconds, 1 / rate)
    return Piece(times, np.sin(2 * np.pi * frequency * times + 0.4)[:, None])


@pytest.mark.parametrize(("rate", "wanted"), [(50, 100), (100, 50), (1000, 100), (44.1, 100)])
def test_a_slow_wave_is_the_same_at_another_rate(rate, wanted):
    given = sampled(1.7, rate)
    given = given._replace(values=5e4 + 1e3 * given.values)
    found = resampled(given, rate, wanted)
    assert np.diff(found.seconds) == pytest.approx(1 / wanted)
    expected = 5e4 + 1e3 * np.sin(2 * np.pi * 1.7 * found.seconds + 0.4)
    inner = slice(wanted // 2, -wanted // 2)
    np.testing.assert_allclose(found.values[inner, 0], expected[inner], atol=3)
    np.testing.assert_allclose(found.values[:, 0], expected, atol=60)  # it is not known beyond
    assert given.seconds[-1] - found.seconds[-1] < 1 / wanted


def test_what_is_too_fast_for_the_rate_does_not_come_back_as_something_slow():
    given = sampled(93, 1000)  # at 100 Hz, one would see it as 7 Hz
    assert np.abs(given.values[::10]).max() > 0.9
    found = resampled(given, 1000, 100)
    assert np.abs(found.values[50:-50]).max() < 0.02


def test_what_is_missing_is_missing_afterwards():
    given = sampled(1.0, 100)
    given.values[300:340] = np.nan
    found = resampled(given, 100, 50)
    lost = np.flatnonzero(np.isnan(found.values[:, 0]))
    np.testing.assert_array_equal(lost, np.arange(150, 170))
    expected = np.sin(2 * np.pi * found.seconds + 0.4)
    around = [*range(30, 130), *range(190, 570)]
    np.testing.assert_allclose(found.values[around, 0], expected[around], atol=0.02)


def test_the_same_rate_changes_nothing_and_too_little_is_refused():
    given = sampled(1.0, 100)
    assert resampled(given, 100, 100) is given
    with pytest.raises(InputError, match=r"--resample 0\.01 leaves fewer than 2 of 1200 samples"):
        resampled(given, 100, 0.01)
    # Steps of 250 s from 50 Hz: the nearest ratio of at most 10,000 is one of 200 s.
    with pytest.raises(InputError, match=r"--resample 0\.004 is too far .* at least 0\.005, or av"):
        resampled(sampled(1.0, 50, 2000.0), 50, 0.004)
