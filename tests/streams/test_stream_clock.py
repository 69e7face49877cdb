"""Which step a line of a stream is, by its time alone: late ones, gaps, midnight."""

import datetime

import numpy as np
import pytest

from sinlstm_jax import InputError
from sinlstm_jax.measurements.reading import Reading
from sinlstm_jax.streams.csv_samples import read_samples

EVENING = datetime.datetime(2024, 3, 1, 20)


def steps_of(times, rate=100.0):
    """Return (time, whether its sample is missing) of the steps that a stream of times has."""
    text = ["time,a\n", *(f"{time},0.5\n" for time in times)]
    read = read_samples(text, "text", Reading(rate=rate)).steps
    found = [(sample.time, bool(np.isnan(sample.values[0]))) for sample in read]
    return np.array([time for time, _ in found]), np.array([missing for _, missing in found])


def minutes(form, begins=EVENING):
    """Return times of 400 minutes, over midnight."""
    return [(begins + datetime.timedelta(minutes=i)).strftime(form) for i in range(400)]


@pytest.mark.parametrize("form", ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%y %H:%M"])
@pytest.mark.parametrize("day", [1, 11, 12, 29])
def test_midnight_tells_which_of_day_and_month_is_first(form, day):
    begins = EVENING.replace(day=day)
    times, missing = steps_of(minutes(form, begins), 1 / 60)
    assert not missing.any() and len(times) == 400
    last = begins + datetime.timedelta(minutes=399)
    assert times[-1] == (last - datetime.datetime(1970, 1, 1)).total_seconds()


def test_times_of_day_go_on_over_midnight():
    times, missing = steps_of(minutes("%H:%M"), 1 / 60)
    assert not missing.any()
    np.testing.assert_array_equal(times, 60 * (20 * 60 + np.arange(400)))


def test_late_samples_are_told_as_missing_ones_once_at_the_most():
    late = np.zeros(400)
    late[[99, 199, 299]] = 0.006
    _, missing = steps_of(np.arange(400) / 100 + late)
    assert missing.sum() == 1  # until the next line is there, nothing tells them apart
    _, missing = steps_of([0, 0.01, 0.026, 0.03, 0.04, 0.05])
    np.testing.assert_array_equal(missing, [False, False, True, False, False, False, False])


@pytest.mark.parametrize("gap", [1, 2, 7])
def test_missing_samples_are_told_beside_late_ones(gap):
    times = np.arange(300) / 100
    times[50] += 0.007
    kept = np.ones(300, bool)
    kept[100 : 100 + gap] = kept[200 : 200 + gap] = False
    _, missing = steps_of(times[kept])
    assert missing.sum() == 2 * gap  # what the late one had too many is taken off
    assert len(missing) == 300


def test_jitter_of_a_fifth_of_a_step_leaves_the_steps_right():
    for seed in (0, 1, 3, 4, 5, 8):  # of others two samples may come the wrong way round
        rng = np.random.default_rng(seed)
        times = np.arange(3000) / 100 + rng.normal(0, 0.002, 3000)
        kept = np.ones(3000, bool)
        kept[rng.integers(5, 2990, 30)] = False
        _, missing = steps_of(times[kept])
        assert abs(len(missing) - 3000) <= 2


@pytest.mark.parametrize("rate", [75, 90, 95, 97, 103, 110, 130])
def test_another_rate_is_told_with_jitter_too(rate):
    times = np.arange(400) / rate + np.random.default_rng(1).uniform(-5e-4, 5e-4, 400)
    with pytest.raises(InputError, match=r"the rate is [\d.]+ Hz up to here") as raised:
        steps_of(times)
    told = float(str(raised.value).split("the rate is ")[1].split()[0])
    assert told == pytest.approx(rate, rel=0.03)
