"""Recordings out of files and of what pandas and xarray label with times."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from sinlstm_jax import Forecaster, InputError, Recording, load_pretrained, rollout
from sinlstm_jax.measurements.reading import Reading

STEP = np.arange(300)
SAMPLES = 20 + 0.5 * np.sin(STEP / 9)
THERE = ~((STEP >= 100) & (STEP < 120))


def holds(recording, rate, values=SAMPLES, there=THERE):
    """Check a recording's samples, in their units, and its rate."""
    assert recording.sampling_rate == pytest.approx(rate, rel=1e-9)
    expected = np.where(there, values, np.nan)
    np.testing.assert_allclose(
        recording.scaling.undo(recording.scaled.astype(float)), expected, rtol=1e-6
    )


def test_a_csv_file_with_a_gap(tmp_path):
    path = tmp_path / "log.csv"
    rows = [f"2024-03-01T00:{i // 60:02}:{i % 60:02}Z;{x};7" for i, x in enumerate(SAMPLES)]
    path.write_text("when;flow;b\n" + "\n".join(np.array(rows)[THERE]))
    holds(Recording.from_csv(path, "flow"), 1)
    assert Recording.from_csv(str(path), "flow", held_out=0.5).share_held_out == 0.5
    with pytest.raises(InputError, match=r"has 2 columns of numbers: give --column, .* flow, b"):
        Recording.from_csv(path)


def test_a_csv_file_without_times(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("".join(f"{x}\n" if t else "NA\n" for x, t in zip(SAMPLES, THERE, strict=True)))
    holds(Recording.from_csv(path), 100)
    holds(Recording.from_csv(path, reading=Reading(rate=5.0)), 5)
    with pytest.raises(InputError, match="tells no times: give the rate that it is resampled"):
        Recording.from_csv(path, resample=50)
    found = Recording.from_csv(path, reading=Reading(rate=50.0), resample=100)
    assert (found.sampling_rate, len(found.scaled)) == (100, 599)


MOMENTS = pd.date_range("2024-03-01", periods=300, freq="10ms")
LABELS = {
    "moments": (MOMENTS, 100),
    "with a zone": (MOMENTS.tz_localize("Europe/Berlin"), 100),
    "durations": (MOMENTS - MOMENTS[0], 100),
    "seconds": (pd.Index(STEP / 50), 50),
    "months": (pd.period_range("1990-01", periods=300, freq="M"), 12 / (365.2425 * 86400)),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_pandas_tell_the_rate_and_what_is_missing(name):
    index, rate = LABELS[name]
    series = pd.Series(SAMPLES, index)[THERE]
    for data in (series, series.to_frame("flow")):
        found = Recording.from_series(data)
        assert found.sampling_rate == pytest.approx(rate, rel=1e-3)
        holds(found, found.sampling_rate)


def test_rows_without_times_are_steps():
    holds(Recording.from_series(pd.Series(np.where(THERE, SAMPLES, np.nan))), 100)
    holds(Recording.from_series(pd.Series(np.where(THERE, SAMPLES, None), dtype="Float64")), 100)


def test_an_array_of_xarray_tells_its_times():
    data = xr.DataArray(SAMPLES[THERE], coords={"time": MOMENTS[THERE]}, dims="time", name="flow")
    holds(Recording.from_series(data), 100)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ([1.0, 2.0], "data is a list: give a pandas Series or DataFrame, or a DataArray"),
        (pd.Series(["a", "b"]), "data has columns of .*: give those of numbers"),
        (pd.Series([1.0, 2.0], MOMENTS[[1, 0]]), "sort the index, and leave out doubles"),
        (pd.Series([1.0, 2.0, 1.5], [0.0, 0.5, 0.5]), r"data has 0.5 after 0.5: sort the index"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), "give one column"),
    ],
)
def test_other_data_are_refused(data, complaint):
    with pytest.raises(InputError, match=complaint):
        Recording.from_series(data)


def test_series_are_observed_as_they_are():
    model = load_pretrained("sensor")
    series = pd.Series(SAMPLES, MOMENTS)
    array = xr.DataArray(SAMPLES, coords={"time": MOMENTS}, dims="time")
    expected = rollout(model, SAMPLES, 10)
    for data in (series, array, list(SAMPLES)):
        np.testing.assert_array_equal(rollout(model, data, 10), expected)
        stream = Forecaster(model)
        stream.observe(data)
        np.testing.assert_allclose(stream.forecast(10), expected[-10:, 0, 0], rtol=1e-5)


def test_time_and_batch_that_are_swapped_are_warned_of():
    model = load_pretrained("curriculum")
    with pytest.warns(UserWarning, match=r"history has shape \[3, 100\].* give its transpose"):
        rollout(model, np.zeros((3, 100)), 1)
    with pytest.warns(UserWarning, match=r"samples has shape \[3, 100\]"):
        Forecaster(model, batch_size=100).observe(np.zeros((3, 100)))
    for shape in ((100, 3), (1, 100), (30, 400), (15, 100)):
        rollout(model, np.zeros(shape), 1)


def test_a_forecast_of_nothing_is_warned_of():
    stream = Forecaster(load_pretrained("curriculum"))
    with pytest.warns(UserWarning, match="nothing was observed yet"):
        stream.forecast(2)
    stream.observe(0.5)
    stream.forecast(2)
    Forecaster.from_state(stream.model, stream.state()).forecast(2)
    stream.reset()
    with pytest.warns(UserWarning, match="nothing was observed yet"):
        stream.forecast(2)
