import io
import re

import numpy as np
import pytest

from sinlstm_jax import InputError
from sinlstm_jax.measurements.reader import LONGEST_GAP
from sinlstm_jax.measurements.reading import Reading
from sinlstm_jax.runs.signals import SENSORS, TUTORIALS, Trained
from sinlstm_jax.streams.csv_samples import in_seconds, read_samples
from sinlstm_jax.streams.doubts import doubts, doubts_of_the_horizon


def read(text, **options):
    """Return (names, times, values) of a text."""
    samples = read_samples(text.splitlines(keepends=True), "text", Reading(**options))
    steps = list(samples.steps)
    times, values = zip(*steps, strict=True) if steps else ((), ())
    return samples.names, list(times), np.array(values)


NAN = float("nan")


@pytest.mark.parametrize(
    ("text", "names", "times", "values"),
    [
        ("0.5\n-0.25\n1e-1\n", ["value"], [0, 0.01, 0.02], [[0.5], [-0.25], [0.1]]),
        ("0.5\n", ["value"], [0], [[0.5]]),
        ("0.5\n\nnan\n NA \nnull", ["value"], [0, 0.01, 0.02, 0.03, 0.04], [[0.5]] + [[NAN]] * 4),
        ("0.5,0.1\n,0.2", ["value_1", "value_2"], [0, 0.01], [[0.5, 0.1], [NAN, 0.2]]),
        ("0.5,0.1\n\n,0.2\n\n", ["value_1", "value_2"], [0, 0.01], [[0.5, 0.1], [NAN, 0.2]]),
        ("sea level\n0.5\r\n0.6\r\n", ["sea level"], [0, 0.01], [[0.5], [0.6]]),
        ("\ufeffa, Time ,b\n1,7.5,0\nnone,7.51,1", ["a", "b"], [7.5, 7.51], [[1, 0], [NAN, 1]]),
        ('time,"a,b"\n17e8,1\n1700000000.01,0\n', ["a,b"], [17e8, 17e8 + 0.01], [[1], [0]]),
        ("time,a\n0,0\n0.0115,1\n0.0195,1\n", ["a"], [0, 0.0115, 0.0195], [[0], [1], [1]]),
        ("time,a\n", ["a"], [], np.empty(0)),
        ("T\n0.2\n0.1\n", ["T"], [0, 0.01], [[0.2], [0.1]]),  # a temperature
        ("T,time\n0.2,0\n0.1,0.01\n", ["T"], [0, 0.01], [[0.2], [0.1]]),
        ("t,a\n0,1\n0.01,0\n", ["a"], [0, 0.01], [[1], [0]]),
    ],
)
def test_texts_that_are_read(caplog, text, names, times, values):
    got = read(text)
    assert got[0] == names
    assert got[1] == pytest.approx(times)
    np.testing.assert_array_equal(got[2], values)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "text is empty: give samples, one a line, at 100 Hz"),
        ("time\n0\n", "line 1: the columns are time: give one of samples at least"),
        ("time,time,a\n", "line 1: the columns are time, time, a"),
        ("1\n2\nx1\n", "line 3: value is 'x1': give a finite number, or leave the field empty"),
        ("a\n0.1\ninf\n", "line 3: a is 'inf'"),
        ("a,b\n0,1\n0\n", "line 3 has 1 fields: give 2, for a, b"),
        ("0;1\n0;2\n", "line 2: 0;1 is '0;2'"),
        ("time,a\n0,1\n,1\n", "line 3 has no time, but '': give one in every line, or --no-time"),
        ("time,a\n0,1\n0.02,1\n", "line 3 is 0.02 s after the one before: .* so give --rate 50 if"),
        ("time,a\n0,1\n0,1\n", "line 3 is 0 s after the one before"),
        ("time,a\n0,1\n10,1\n", "line 3 is 10 s after the one before: .* so give --rate 0.1 if"),
        ("time,a\n0,1\n0.01,1\n0.01,1\n", "line 4 is 0 s after the one before: sort the lines"),
        ("a\n0\x00\n", r"line 2: a is '0\\x00'"),
        ("a\n" + "9" * 200000, r"line 2 is not CSV text \(field larger than"),
    ],
)
def test_texts_that_are_refused(text, complaint):
    with pytest.raises(InputError, match=complaint):
        read(text)


@pytest.mark.parametrize(("rate", "fits"), [(100, True), (100.5, True), (95, False), (110, False)])
def test_the_rate_is_checked_on_the_whole(rate, fits):
    text = "time,a\n" + "".join(f"{i / rate:.5f},0\n" for i in range(300))
    if fits:
        assert len(read(text)[1]) == 300
    else:
        with pytest.raises(
            InputError, match=rf"the rate is {rate}(\.0)? Hz up to here, and not 100: give --"
        ):
            read(text)


def test_a_long_pause_is_no_other_rate():
    resumed = [200 + i / 100 for i in range(300)]
    times = [*(i / 100 for i in range(200)), *resumed, *(1e7 + i / 100 for i in range(300))]
    _, found, values = read("time,a\n" + "".join(f"{t:.2f},{t:.2f}\n" for t in times))
    known = np.isfinite(values[:, 0])
    np.testing.assert_array_equal(values[known, 0], times)
    np.testing.assert_array_equal(np.array(found)[known], times)
    assert (~known).sum() == 2 * LONGEST_GAP
    late = [f"{2e7 + i / 95:.4f},0\n" for i in range(4000)]  # what is another rate is still told
    with pytest.raises(InputError, match=r"the rate is 9.* Hz up to here, and not 100"):
        read("time,a\n0,0\n0.01,0\n" + "".join(late))


def test_jitter_that_does_not_add_up_is_no_other_rate():
    rng = np.random.default_rng(0)
    for jitter in (rng.uniform(-8e-4, 8e-4, 5000), *rng.normal(0, 5e-4, (5, 5000))):
        times = np.arange(5000) / 100 + jitter
        assert len(read("time,a\n" + "".join(f"{t},0\n" for t in times))[1]) == 5000


@pytest.mark.parametrize(
    ("text", "names", "count"),
    [
        ("0\n0.5\n0.25\n", ["0"], 2),  # pandas: Series.to_csv(index=False)
        ("0,1,2\n0.5,0.5,0.5\n", ["0", "1", "2"], 1),  # DataFrame.to_csv(index=False)
        ("0.0\n0.5\n", ["value"], 2),
        ("1,0\n0,1\n", ["value_1", "value_2"], 2),
    ],
)
def test_a_first_line_that_counts_the_columns_is_a_header(text, names, count, caplog):
    found = read_samples(io.StringIO(text), "text")
    assert (found.names, len(list(found.steps))) == (names, count)
    warned = [message for message in caplog.messages if "taken for a header" in message]
    assert len(warned) == (names[0] == "0")
    assert len(
        list(read_samples(io.StringIO(text), "text", Reading(header="no")).steps)
    ) == text.count("\n")


@pytest.mark.parametrize(
    ("text", "options", "names", "times", "values"),
    [
        ("t_ms;a\n0;1,5\n10;-2\n", {"delimiter": ";", "decimal": ","}, ["a"], [0, 0.01], [1.5, -2]),
        ("t_ms;a\n0;1,5\n10;-2\n", {"decimal": ","}, ["a"], [0, 0.01], [1.5, -2]),
        ("a\n7\n-9999\n", {"missing": ("-9999",)}, ["a"], [0, 0.01], [7, NAN]),
        ("time,a,b\n0,1,5\n0.01,2,6\n", {"column": ("b",)}, ["b"], [0, 0.01], [5, 6]),
        ("time,a\n9,1\n0,2\n", {"no_time": True, "column": ("2",)}, ["a"], [0, 0.01], [1, 2]),
        ("x,a\n0,1\n0.01,2\n", {"time_column": "x"}, ["a"], [0, 0.01], [1, 2]),
        ("time,a\n0,1\n0.5,2\n", {"rate": 2.0}, ["a"], [0, 0.5], [1, 2]),
        ("T,h\n20,5\n19,6\n", {"column": ("T",)}, ["T"], [0, 0.01], [20, 19]),
        (
            "time,a\n2024-03-01T00:00:00Z,1\n2024-03-01T00:00:00.01Z,2\n",
            {},
            ["a"],
            [1709251200, 1709251200.01],
            [1, 2],
        ),
        (
            "time,a\n0,1\n0.01,2\n0.04,5\n",
            {},
            ["a"],
            [0, 0.01, 0.02, 0.03, 0.04],
            [1, 2, NAN, NAN, 5],
        ),
    ],
)
def test_what_is_told_of_a_text_and_gaps_in_its_times(text, options, names, times, values):
    got = read(text, **options)
    assert got[0] == names
    assert got[1] == pytest.approx(times)
    np.testing.assert_array_equal(got[2][:, 0], values)


@pytest.mark.parametrize("text", [",0\n0,0.5\n", ",value\n0,0.5\n"])
def test_an_index_of_pandas_is_no_stream(text):
    with pytest.raises(InputError, match=r"column 1 has no name: .* \(pandas: index=False\)$"):
        read(text)


def test_large_values_are_named_once(caplog):
    read("a,b\n1.4,-1.5\n0,-1.6\n3,nan\n")
    assert caplog.messages == [
        "text, line 3 holds -1.6: models are trained on waves of amplitude 1 around 0, so give "
        "--scale auto"
    ]


def test_a_line_is_not_asked_for_before_it_is_needed():
    asked = []

    def lines():
        for i in range(5):
            asked.append(i)
            yield f"{i / 10}\n"

    steps = read_samples(lines(), "live").steps
    assert asked == [0]
    for i in range(5):
        assert next(steps).values == [i / 10]
        assert asked == list(range(i + 1))


def doubts_about(frequency, amplitude=1.0, count=100, missing=0):
    wave = amplitude * np.sin(2 * np.pi * frequency * np.arange(100)[:, None] / 100 + 0.3)
    wave[3 : 3 + missing] = NAN
    return list(doubts(["x"], np.array([count]), wave))


@pytest.mark.parametrize("frequency", [0.5, 0.7, 2.1337, 4.0])
def test_what_was_trained_on_is_not_doubted(frequency):
    assert doubts_about(frequency) == []
    assert doubts_about(frequency, amplitude=0.9, missing=10) == []


@pytest.mark.parametrize(
    ("amplitude", "level", "complaints"),
    [
        (1.8, 2.5, ["level of about 2.5", "amplitude of about 1.8"]),  # volts, as a sensor has them
        (1.0, -3.0, ["level of about -3"]),
        (0.1, 20.0, ["level of about 20", "amplitude of about 0.1"]),
        (1.0, 0.0, []),
    ],
)
def test_a_level_is_called_a_level(amplitude, level, complaints):
    wave = level + amplitude * np.sin(2 * np.pi * 1.7 * np.arange(120) / 100 + 0.3)
    said = list(doubts(["x"], np.array([120]), wave[:, None]))
    assert len(said) == len(complaints)
    for doubt, complaint in zip(said, complaints, strict=True):
        assert complaint in doubt


def test_what_was_not_trained_on_is_doubted():
    (doubt,) = doubts_about(5.5)
    assert doubt == (
        "x has a frequency of about 5.5 Hz, 18.2 steps a period: models are trained on 25 to 200 "
        "steps, so the forecast may be poor (of a file, --resample 390 may do)"
    )
    wave = np.sin(2 * np.pi * 0.055 * np.arange(100)[:, None] + 0.3)
    (doubt,) = doubts(["x"], np.array([100]), wave, TUTORIALS.at_rate(1000.0))
    assert doubt == (
        "x has a frequency of about 55 Hz, 18.2 steps a period: models are trained on 25 to 200 "
        "steps, so the forecast may be poor (of a file, --resample 3900 may do)"
    )
    (doubt,) = doubts_about(0.3)
    assert doubt.startswith("x has a frequency of about 0.3 Hz")
    (doubt,) = doubts_about(2, amplitude=0.2)
    assert doubt.startswith(
        "x has an amplitude of about 0.2: models are trained on 1, so give --scale auto"
    )
    (doubt,) = doubts_about(2, count=99)
    assert doubt.startswith("x has 99 samples: models are trained to forecast after 100")
    assert len(doubts_about(9, amplitude=5, count=3)) == 3
    assert doubts_about(2, missing=97) == []


def test_what_is_not_one_wave_is_told_and_noise_that_was_trained_on_is_not():
    angle = 2 * np.pi * np.arange(300) / 100
    noise = np.random.default_rng(8).normal(size=300)
    for noisy in (np.sin(1.7 * angle) + 0.2 * noise, np.sin(1.7 * angle)):
        assert list(doubts(["x"], np.array([300]), noisy[:, None])) == []
    (doubt,) = doubts(["x"], np.array([300]), (np.sin(1.7 * angle) + 0.5 * noise)[:, None])
    assert doubt.startswith("x is hardly one sine wave: the best one, of amplitude ")
    # What is left is little, but smooth, as no noise is.
    drifting = np.sin(1.7 * angle) + 0.2 * np.sin(0.3 * angle) + 0.05 * noise
    (doubt,) = doubts(["x"], np.array([300]), drifting[:, None])
    assert doubt.startswith("x is hardly one sine wave")
    tones = np.sin(1.7 * angle) + 0.8 * np.sin(2.9 * angle)
    (doubt,) = doubts(["x"], np.array([300]), tones[:, None])
    assert doubt.startswith("x is hardly one sine wave") and "off by 0.5" in doubt


def test_times_have_the_digits_that_their_rate_asks_for():
    assert in_seconds(0.1 + 0.2, 100) == 0.3
    assert in_seconds(0.123456789, 1e6) == 0.123456789


@pytest.mark.parametrize("period", [2.2, 3, 5, 7, 12])
def test_a_wave_too_fast_is_told_with_its_own_period(period):
    noise = 0.2 * np.random.default_rng(3).normal(size=300)
    values = 10 + 5 * np.sin(2 * np.pi * np.arange(300) / period + 0.4) + noise
    (doubt,) = doubts(["x"], np.array([300]), values[:, None], SENSORS)
    assert float(re.search(r"([\d.]+) steps a period", doubt)[1]) == pytest.approx(period, 0.01)


def test_a_slow_sensors_column_is_judged_by_its_own_samples():
    values = np.full((300, 2), np.nan)
    for column, period in enumerate((50, 500)):
        values[3::10, column] = 7 + np.sin(2 * np.pi * np.arange(3, 300, 10) / period)
    (doubt,) = doubts(["fits", "slow"], np.array([30, 30]), values, SENSORS)
    assert doubt.startswith("slow has a frequency of about 0.2 Hz")


def test_a_slow_waves_level_is_its_own():
    values = 2.5 + 1.8 * np.sin(np.pi * np.arange(120) / 100 + 3)
    level, amplitude = doubts(["x"], np.array([120]), values[:, None])
    assert level.startswith("x has a level of about 2.5")
    assert amplitude.startswith("x has an amplitude of about 1.8")


@pytest.mark.parametrize(("trained", "horizon"), [(SENSORS, 400), (Trained(horizon=50), 50)])
def test_a_forecast_far_beyond_the_horizon_trained_on_is_doubted(trained, horizon):
    assert list(doubts_of_the_horizon(4 * horizon, trained)) == []
    (doubt,) = doubts_of_the_horizon(4 * horizon + 1, trained)
    assert doubt == (
        f"{4 * horizon + 1} steps go far beyond the {horizon} that the model is trained to "
        "forecast, so the last ones may be poor, and a band around them too narrow"
    )


@pytest.mark.parametrize("header", ["created_at,temp\n", "Zeitpunkt,temp\n", "time,temp\n"])
def test_dates_are_times_whatever_they_are_called(header):
    rows = "".join(f"2024-03-01T10:{i:02}:00Z,{20 + i}\n" for i in (0, 1, 3))
    names, times, values = read(header + rows, rate=1 / 60)
    assert names == ["temp"]
    np.testing.assert_allclose(np.diff(times), 60)
    np.testing.assert_array_equal(values[:, 0], [20, 21, NAN, 23])


def test_a_header_without_samples_is_no_sample():
    names, times, _ = read("created_at,temp\n")
    assert (names, times) == (["created_at", "temp"], [])
