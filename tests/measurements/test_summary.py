"""What is said of a file, against what it was made of."""

import numpy as np
import pytest

from sinlstm_jax.measurements.reader import latest, pieces, survey
from sinlstm_jax.measurements.reading import Reading
from sinlstm_jax.measurements.summary import summary, wave_of
from sinlstm_jax.measurements.words import duration_in_words, rate_in_words


@pytest.mark.parametrize("period", [7.5, 40.0, 125.0])
def test_level_amplitude_and_period_of_a_noisy_wave(period):
    rng = np.random.default_rng(0)
    step = np.arange(1000)
    values = 1e4 + 3 * np.sin(2 * np.pi * step / period) + 0.3 * rng.normal(size=1000)
    values[rng.uniform(size=1000) < 0.1] = np.nan
    wave = wave_of(values)
    assert wave.level == pytest.approx(1e4, abs=0.2)
    assert wave.amplitude == pytest.approx(3, rel=0.03)
    assert wave.period == pytest.approx(period, rel=0.01)


def test_noise_a_slope_and_nothing_have_no_period():
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=1000), np.arange(300.0), np.ones(50), np.full(20, np.nan)):
        assert wave_of(values).period is None


def test_what_was_understood_is_told(tmp_path):
    path = tmp_path / "log.csv"
    rng = np.random.default_rng(0)
    late = rng.uniform(-0.1, 0.1, 500)
    path.write_text(
        "when;flow\n"
        + "".join(
            f"{(i + late[i]) / 50:.5f};{2 + np.sin(i / 8):.3f}\n"
            for i in range(500)
            if not 200 <= i < 230
        )
    )
    found = survey(path)
    last, before = latest(pieces(found), 400)
    first, second = summary(found, last, before + 400)
    assert first.startswith(f"{path}: flow, times from when in s; 500 steps at ")
    assert first.endswith("; jitter 6 % of a step; 1 gap in time, the longest of 0.62 s")
    assert second.startswith("flow: of the last 400 steps 30 are missing, level ")
    assert second.endswith(", a period of 50.3 steps (1.01 s)")


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        ([-9999], ["-9999 stands once"]),
        ([65535, 65535], ["65535 stands 2 times"]),
        ([-127.0], ["-127 stands once"]),
        ([1e38, 1e38, -7999], ["1e+38 stands 2 times", "-7999 stands once"]),
        ([123456789.5] * 3, ["123456789.5 stands 3 times"]),
        ([123456789.5], []),  # a single one may be anything
        ([25.0, 25.0], []),
        ([], []),
    ],
)
def test_values_far_from_all_others_that_stand_again_may_be_no_samples(tmp_path, codes, told):
    values = 20 + 3 * np.sin(np.arange(300) / 8) + 0.01 * np.random.default_rng(0).normal(size=300)
    values[10 : 10 + len(codes)] = codes
    path = tmp_path / "log.csv"
    path.write_text("flow\n" + "".join(f"{value:.12g}\n" for value in values))
    surveyed = survey(path, Reading())
    last, _ = latest(pieces(surveyed), 300)
    warned = [line for line in summary(surveyed, last, 300) if line.startswith("warning")]
    given = [words.split()[0] for words in told]
    expected = [
        f"warning: flow: {words}: give --missing {code} if it is no sample"
        for words, code in zip(told, given, strict=True)
    ]
    assert warned == expected


def test_a_switch_is_no_missing_sample(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("on\n" + "".join(f"{int(i in (50, 51))}\n" for i in range(100)))
    surveyed = survey(path, Reading())
    last, _ = latest(pieces(surveyed), 100)
    assert not any("no sample" in line for line in summary(surveyed, last, 100))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.02, "0.02 s"), (90, "90 s"), (600, "10 min"), (10800, "3 h"), (864000, "10 days"),
     (347133600, "11 years")],
)  # fmt: skip
def test_durations_are_told_in_what_fits_them(seconds, words):
    assert duration_in_words(seconds) == words


def test_slow_rates_are_told_by_what_lies_between():
    assert rate_in_words(44100) == "44100 Hz"
    assert rate_in_words(1 / 600) == "one every 10 min"
