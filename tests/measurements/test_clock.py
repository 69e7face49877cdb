"""Rates, jitter and gaps, held against the clocks that they were made from."""

import numpy as np
import pytest

from sinlstm_jax import InputError
from sinlstm_jax.measurements.clock import jitter_of, step_of, steps_between
from sinlstm_jax.measurements.reader import latest, pieces, survey

SEEDS = range(100)


@pytest.mark.parametrize("missing", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("jitter", ["a fifth either way", "deviation of a twentieth"])
def test_each_sample_of_a_clock_that_jitters_is_its_own_step(jitter, missing):
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        there = np.flatnonzero(rng.uniform(size=500) >= missing)
        late = rng.uniform(-0.2, 0.2, there.size)
        if jitter != "a fifth either way":
            late = rng.normal(0, 0.05, there.size)
        intervals = np.diff(0.01 * (there + late))
        step = step_of(intervals, "a clock")
        steps = steps_between(intervals, step)
        np.testing.assert_array_equal(steps, np.diff(there))
        assert step == pytest.approx(0.01, rel=2e-3)
        assert jitter_of(intervals, steps, step) == pytest.approx(late.std(), rel=0.2)


@pytest.mark.slow
def test_files_with_a_jitter_of_a_fifth_of_a_step_are_read_100_of_100(tmp_path):
    path = tmp_path / "log.csv"
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        times = (np.arange(400) + rng.uniform(-0.2, 0.2, 400)) / 100
        path.write_text("time,a\n" + "".join(f"{t:.6f},{i}.5\n" for i, t in enumerate(times)))
        found = survey(path)
        samples, before = latest(pieces(found), 1000)
        assert found.sampling_rate == pytest.approx(100, rel=2e-3) and before == 0
        np.testing.assert_array_equal(samples.values[:, 0], np.arange(400) + 0.5)


def test_gaps_are_steps_that_are_missing_across_pieces_of_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("sinlstm_jax.measurements.rows.ROWS", 7)
    rng = np.random.default_rng(1)
    there = np.flatnonzero(rng.uniform(size=300) >= 0.2)
    path = tmp_path / "log.csv"
    path.write_text("time,a\n" + "".join(f"{i / 50},{i}.5\n" for i in there))
    found = survey(path)
    samples = latest(pieces(found), 10**6)[0]
    first, last = there[[0, -1]]
    expected = np.full(last - first + 1, np.nan)
    expected[there - first] = there + 0.5
    np.testing.assert_array_equal(samples.values[:, 0], expected)
    np.testing.assert_allclose(samples.seconds, np.arange(first, last + 1) / 50)
    assert found.rate.gaps == np.sum(np.diff(there) > 1)
    assert found.rate.steps == last - first + 1
    assert found.rate.longest_gap == pytest.approx(np.diff(there).max() / 50)
    tail, before = latest(pieces(found), 40)
    assert before == len(expected) - 40
    np.testing.assert_array_equal(tail.values[:, 0], expected[-40:])


def test_a_gap_of_days_takes_no_memory(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("time,a\n" + "".join(f"{t / 100},1.5\n" for t in (0, 1, 2, 10**7, 10**7 + 1)))
    found = survey(path)
    assert found.rate.steps == 10**7 + 2
    samples = latest(pieces(found), 10**6)[0]
    assert len(samples.values) < 20_000
    assert samples.seconds[-1] == pytest.approx(1e5 + 0.01)


@pytest.mark.parametrize("lost", [0.5, 0.75, 0.85])
def test_of_whole_seconds_however_many_rows_may_be_missing(tmp_path, lost):
    path = tmp_path / "log.csv"
    for seed in range(8):
        there = np.flatnonzero(np.random.default_rng(seed).uniform(size=3000) >= lost)
        path.write_text("time,a\n" + "".join(f"{i},{i}.5\n" for i in there))
        found = survey(path).rate
        assert (found.step, found.jitter) == (1, 0)
        assert found.steps == there[-1] - there[0] + 1


def test_a_clock_that_jitters_and_leaves_out_rows_is_of_one_rate(tmp_path):
    path = tmp_path / "log.csv"
    for seed in range(20):
        rng = np.random.default_rng(seed)
        there = np.flatnonzero(rng.uniform(size=2000) >= rng.uniform(0, 0.5))
        seconds = 50 + (there + rng.uniform(-0.2, 0.2, there.size)) / 100
        path.write_text("time,a\n" + "".join(f"{t:.6f},1.5\n" for t in seconds))
        assert survey(path).sampling_rate == pytest.approx(100, rel=2e-3)


def test_what_is_at_no_rate_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match=r"x: the steps between samples are .* which is no rate"):
        step_of(rng.exponential(1.0, 300), "x")


@pytest.mark.parametrize("rate", [44100, 36000])
def test_a_clock_that_is_rounded_to_a_few_units_a_step(tmp_path, rate):
    path = tmp_path / "log.csv"
    path.write_text("time,a\n" + "".join(f"{i / rate:.5f},{i}.5\n" for i in range(2000)))
    found = survey(path)
    samples = latest(pieces(found), 10**6)[0]
    assert found.sampling_rate == pytest.approx(rate, rel=1e-3)
    np.testing.assert_array_equal(samples.values[:, 0], np.arange(2000) + 0.5)


def test_an_hour_that_is_missing_in_june_is_missing(tmp_path):
    path = tmp_path / "log.csv"
    minutes = [*range(0, 60, 10), *range(120, 600, 10)]  # 2 June 2024 was a Sunday
    rows = [f"2024-06-02 {m // 60:02}:{m % 60:02},{m}.5" for m in minutes]
    path.write_text("when,a\n" + "\n".join(rows))
    assert survey(path).rate.gaps == 1
