import csv
import io

import numpy as np
import pytest
from rich.console import Console

from sinlstm_jax import Recording, Sines, load_pretrained
from sinlstm_jax.evaluation.baselines import baselines_of, last_value
from sinlstm_jax.evaluation.csv_files import write_csv
from sinlstm_jax.evaluation.errors import forecast_function
from sinlstm_jax.evaluation.plots import plot_evaluation
from sinlstm_jax.evaluation.report import FIRST_400, Comparison, limits, report, trial
from sinlstm_jax.evaluation.sines import held_out_sines
from sinlstm_jax.evaluation.tables import error, tables
from sinlstm_jax.evaluation.windows import SPOILINGS
from sinlstm_jax.signals.signal import HeldOut
from sinlstm_jax.signals.sines import SINES

FIRST_HALF = {f"{name}.png" for name in ("error", "robustness")}
PICTURES = FIRST_HALF | {f"{name}.png" for name in ("frequency", "phase", "amplitude")}
NAME = "curriculum-4112"


def compared(signal, horizon, model, waves=96):
    """Compare a model with the baselines, of sines on fewer waves than ever."""
    tried = trial(signal, horizon)
    if tried.waves is not None:
        values, amplitude = tried.spoilt
        tried = tried._replace(
            held_out=HeldOut(tried.held_out.values[:, :waves], tried.held_out.amplitude[:waves]),
            spoilt=HeldOut(values[:, :32], amplitude[:32]),
            waves=tried.waves._replace(held_out=held_out_sines(signal, waves)),
        )
    baselines = {name: report(each, tried) for name, each in baselines_of(signal).items()}
    return Comparison(tried, {NAME: report(model, tried)}, baselines, limits(tried), {})


@pytest.fixture(scope="module")
def of_sines():
    return compared(SINES, 900, forecast_function(load_pretrained("curriculum")))


@pytest.fixture(scope="module")
def of_a_recording():
    samples = 3 * np.sin(np.arange(4000) / 7) + 50
    samples[3300:3310] = np.nan
    return compared(Recording(samples, 50.0), 400, last_value)


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def printed(comparison):
    console = Console(width=80, file=io.StringIO())
    for table in tables(comparison):
        console.print(table)
    text = console.file.getvalue()
    assert "…" not in text
    return text


def test_the_tables_fit_a_terminal_and_have_a_row_for_each(of_sines):
    text = printed(of_sines)
    for name in (NAME, "zero", "last value", "sine fit", "seasonal naive", "linear"):
        assert text.count(f"\n{name} ") == 4
    assert "relative to the amplitude" not in text
    assert "(the limit: no forecaster can do better)" in text
    assert "(limit, any amplitude: the best without knowing it or the level)" in text
    (row,) = (line for line in text.splitlines() if line.startswith("the limit "))
    assert row.split()[2:] == [f"{x:.3f}" for x in of_sines.limits["the limit"]]
    held_out = of_sines.models[NAME].sines.held_out
    for value in held_out.errors.mean(axis=1):
        assert f"{value:.4f}" in text
    lost = np.sort(held_out.lost)[47:49]  # of 96; on some CPUs the middle is never lost
    assert any(f" {step:.0f} " in text if np.isfinite(step) else " > 900 " in text for step in lost)
    assert "> 900" in text  # the sine fit's


def test_phases_and_bands_are_told_of_the_waves_that_they_are_of(of_sines):
    lines = printed(of_sines).splitlines()
    rows = [line.split()[1:] for line in lines if line.startswith(f"{NAME} ")]
    held_out, grid = of_sines.models[NAME].sines
    off, frequency = np.abs(held_out.frequency_error), held_out.waves.frequency
    never = f"{100 * np.mean(np.isinf(held_out.lost)):.0f}"
    amplitude = f"{_middle(_last_known(held_out.track.amplitude)):.2f}"
    assert rows[1][:2] == [error(_middle(off)), error(100 * _middle(off / frequency))]
    assert rows[1][-3:] == [never, "%", amplitude]
    bands = [grid.waves.frequency < 0.5, grid.waves.frequency > 4]
    bands.insert(1, ~bands[0] & ~bands[1])
    assert [band.sum() for band in bands] == [8, 116, 32]
    errors, off = grid.errors[grid.intervals.index(FIRST_400)], np.abs(grid.frequency_error)
    expected = [error(np.mean(errors[band])) for band in bands]
    assert rows[2] == expected + [error(_middle(off[band])) for band in bands]


def _last_known(values):
    return np.array([column[~np.isnan(column)][-1] for column in values.T])


def _middle(values):
    """Return the value in the middle of those that are known."""
    return np.quantile(values[~np.isnan(values)], 0.5, method="nearest")


def test_figures_have_four_decimals_or_two_digits():
    assert [error(x) for x in (0.5, 0.00123, 0.00012345, 0.0, np.nan)] == [
        "0.5000",
        "0.0012",
        "1.2e-04",
        "0.0000",
        "-",
    ]


def test_a_recordings_tables_tell_its_units_and_have_no_phase(of_a_recording):
    text = printed(of_a_recording)
    for name in (NAME, "zero", "last value", "seasonal naive"):
        assert text.count(f"\n{name} ") == 2
    assert "(noise is relative to the amplitude)" in text
    assert "401 held-out windows" in text and "0-400 after noise" in text
    assert f"of samples over {of_a_recording.trial.signal.scale:.6g}" in text
    assert not any(word in text for word in ("limit", "Hz", "phase", "sine fit"))


def test_a_recordings_csv_files_have_what_was_measured_in_its_units_too(tmp_path, of_a_recording):
    write_csv(tmp_path, NAME, of_a_recording)
    signal, name = of_a_recording.trial.signal, NAME
    rows = [row for row in read(tmp_path / "errors.csv") if row["forecaster"] == name]
    assert [row["last_step"] for row in rows] == ["50", "100", "200", "400"]
    # The last value, as it was recorded, of windows that start at 3100, 3101 ...
    samples = 3 * np.sin(np.arange(4000) / 7) + 50
    samples[3300:3310] = np.nan
    windows = np.stack([samples[i : i + 500] for i in range(3100, 3501)], axis=1)
    known = ~np.isnan(windows[99])
    assert np.count_nonzero(~known) == 10
    last = np.where(known, windows[99], samples[3299])  # within the gap, that is the last one
    errors = np.nanmean((windows[100:] - last) ** 2, axis=0)
    (row,) = (row for row in rows if row["last_step"] == "400")
    assert float(row["rmse_as_recorded"]) == pytest.approx(np.sqrt(errors.mean()), rel=1e-4)
    assert float(row["mean"]) == pytest.approx(errors.mean() / signal.scale**2, rel=1e-4)
    over_time = read(tmp_path / "over_time.csv")
    assert [int(row["step"]) for row in over_time] == list(range(0, 400, 10))
    expected = np.nanmean((windows[130] - last) ** 2) / signal.scale**2
    assert float(over_time[3]["mean_error"]) == pytest.approx(expected, rel=1e-4)
    waves = read(tmp_path / "waves.csv")
    assert list(waves[0]) == ["waves", "error_0_50", "error_0_100", "error_0_200", "error_0_400"]
    assert float(waves[7]["error_0_400"]) == pytest.approx(errors[7] / signal.scale**2, rel=1e-4)
    assert {row["forecaster"] for row in read(tmp_path / "robustness.csv")} == {
        name,
        *of_a_recording.baselines,
    }


def test_the_csv_files_hold_what_was_measured(tmp_path, of_sines):
    name, report = NAME, of_sines.models[NAME].sines
    write_csv(tmp_path, name, of_sines)
    assert {path.name for path in tmp_path.iterdir()} == {
        "errors.csv",
        "over_time.csv",
        "robustness.csv",
        "waves.csv",
    }
    rows = [row for row in read(tmp_path / "errors.csv") if row["forecaster"] == name]
    expected = [*report.held_out.errors, *report.grid.errors]
    assert [float(row["mean"]) for row in rows] == pytest.approx(
        [errors.mean() for errors in expected], rel=1e-5
    )
    for column, level in (("median", 0.5), ("percentile_90", 0.9)):
        assert [float(row[column]) for row in rows] == pytest.approx(
            [np.quantile(errors, level) for errors in expected], rel=1e-5
        )
    assert [(int(row["first_step"]), int(row["last_step"])) for row in rows] == [
        *report.held_out.intervals,
        *report.grid.intervals,
    ]
    rows = [row for row in read(tmp_path / "robustness.csv") if row["forecaster"] == name]
    for row, spoiling, value in zip(rows, SPOILINGS, of_sines.models[name].robustness, strict=True):
        assert (float(row["noise"]), float(row["missing"])) == spoiling
        assert float(row["mean_0_400"]) == pytest.approx(value, rel=1e-5)
    rows = [row for row in read(tmp_path / "robustness.csv") if row["forecaster"] == "the limit"]
    assert [float(row["mean_0_400"]) for row in rows] == pytest.approx(
        of_sines.limits["the limit"], rel=1e-5
    )
    rows = read(tmp_path / "waves.csv")
    assert list(rows[0])[:4] == ["waves", "frequency", "offset", "frequency_error"]
    assert len(rows) == 96 + 156
    for kind, evaluation in (("held-out", report.held_out), ("grid", report.grid)):
        last = [row for row in rows if row["waves"] == kind][-1]
        for column, values in (
            ("frequency", evaluation.waves.frequency),
            ("frequency_error", evaluation.frequency_error),
            ("relative_frequency_error", evaluation.frequency_error / evaluation.waves.frequency),
            ("amplitude_at_the_end", _last_known(evaluation.track.amplitude)),
            ("step_off_by_0.1_rad", evaluation.slightly_lost),
            ("step_off_by_half_a_cycle", evaluation.lost),
            ("error_0_400", evaluation.errors[3]),
        ):
            assert float(last[column]) == pytest.approx(values[-1], rel=1e-5)
    rows = read(tmp_path / "over_time.csv")
    assert [int(row["step"]) for row in rows] == list(range(0, 900, 10))
    middle = rows[40]
    assert float(middle["mean_error"]) == pytest.approx(
        report.held_out.error_over_time[400], rel=1e-5
    )
    assert float(middle["share_within_0.1_rad"]) == pytest.approx(
        np.mean(report.held_out.slightly_lost > 400), rel=1e-5
    )
    assert float(middle["share_within_half_a_cycle"]) == pytest.approx(
        np.mean(report.held_out.lost > 400), rel=1e-5
    )
    assert float(middle["phase_error_0.5"]) == pytest.approx(
        np.median(np.abs(report.held_out.track.phase[40])), rel=0.01
    )


def test_all_pictures_are_drawn_that_there_are_of_a_signal(tmp_path, of_sines, of_a_recording):
    plot_evaluation(tmp_path, NAME, of_a_recording)
    assert {path.name for path in tmp_path.iterdir()} == FIRST_HALF
    plot_evaluation(tmp_path, NAME, of_sines)
    assert {path.name for path in tmp_path.iterdir()} == PICTURES


def watched(monkeypatch):
    """Have pictures not be saved: return their axes, by name."""
    drawn = {}
    monkeypatch.setattr(
        "sinlstm_jax.evaluation.plots.save_figure",
        lambda figure, path: drawn.update({path.stem: figure.axes}),
    )
    return drawn


@pytest.mark.slow
def test_pictures_go_by_the_signals_rate_and_band(tmp_path, monkeypatch, of_a_recording):
    drawn = watched(monkeypatch)
    plot_evaluation(tmp_path, NAME, of_a_recording)
    assert drawn["error"][0].get_xlabel() == "forecast step (50 a second)"
    labels = {line.get_label() for axes in drawn["robustness"] for line in axes.lines}
    assert labels == {NAME, *of_a_recording.baselines}
    assert drawn["robustness"][0].get_xlabel().endswith("standard deviation / amplitude")

    def answer_the_level(history, horizon):
        return np.tile(history.mean(axis=0), (horizon, 1))

    signal = Sines((5, 40), amplitude=(1, 2), level=(-1, 1), sampling_rate=1000)
    plot_evaluation(tmp_path, NAME, compared(signal, 400, answer_the_level))
    for name in ("error", "phase", "amplitude"):
        assert drawn[name][-1].get_xlabel() == "forecast step (1000 a second)"
    for axes in drawn["frequency"]:
        (band,) = (patch for patch in axes.patches if patch.get_label() == "trained band")
        assert (band.get_x(), band.get_x() + band.get_width()) == (5, 40)
    assert drawn["amplitude"][0].get_ylabel() == "amplitude, of the true one"
    assert drawn["robustness"][0].get_xlabel().endswith("standard deviation / amplitude")
    assert "limit, any amplitude" in {x.get_label() for x in drawn["robustness"][0].lines}


def test_pictures_show_the_baselines_the_band_and_the_limits(tmp_path, monkeypatch, of_sines):
    drawn = watched(monkeypatch)
    name, report = NAME, of_sines.models[NAME].sines
    plot_evaluation(tmp_path, name, of_sines)

    (axes,) = drawn["error"]
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines[name].get_ydata(), report.held_out.error_over_time)
    np.testing.assert_allclose(lines["zero"].get_ydata(), 0.5, atol=0.2)
    assert any(label.startswith("sine fit: exact") for label in lines)
    assert (axes.get_yscale(), axes.get_ylabel()) == ("log", "mean squared error")

    noise, gaps = drawn["robustness"]
    (line,) = (x for x in noise.lines if x.get_label().startswith("the limit"))
    np.testing.assert_array_equal(line.get_ydata()[1:], of_sines.limits["the limit"][1:5])
    assert np.isnan(line.get_ydata()[0]) and not any(
        x.get_label().startswith("the limit") for x in gaps.lines
    )
    (line,) = (x for x in noise.lines if x.get_label() == "limit, any amplitude")
    flat = of_sines.limits["limit, any amplitude"]
    np.testing.assert_array_equal(line.get_ydata()[1:], flat[1:5])
    assert noise.get_xlabel() == "noise on each value, standard deviation"
    assert gaps.get_xlabel() == "missing values (%)"

    for axes in drawn["frequency"]:
        (band,) = (patch for patch in axes.patches if patch.get_label() == "trained band")
        assert (band.get_x(), band.get_x() + band.get_width()) == (0.5, 4.0)
    upper, lower = drawn["frequency"]
    np.testing.assert_array_equal(upper.lines[0].get_ydata(), report.grid.frequency_error)
    interval = report.grid.intervals.index(FIRST_400)
    np.testing.assert_array_equal(lower.lines[0].get_ydata(), report.grid.errors[interval])

    upper, lower = drawn["phase"]
    assert {line.get_ydata()[0] for line in upper.lines if len(line.get_ydata()) == 2} == {
        np.pi,
        0.1,
    }
    assert all(0 <= y <= 100 for line in lower.lines for y in line.get_ydata())
    for panels in drawn.values():
        labels = {line.get_linestyle() for line in panels[0].lines}
        assert len(labels) >= 2  # told apart without colour
        assert all(axes.get_ylabel() for axes in panels[:1]) and panels[-1].get_xlabel()
