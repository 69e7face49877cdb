import csv
import io

import numpy as np
import pytest
from rich.console import Console

from sinlstm_jax import load_pretrained
from sinlstm_jax.evaluation.baselines import BASELINES
from sinlstm_jax.evaluation.errors import forecast_function
from sinlstm_jax.evaluation.plots import plot_evaluation
from sinlstm_jax.evaluation.report import FIRST_400, SPOILINGS, report
from sinlstm_jax.evaluation.tables import error, tables, write_csv

PICTURES = {f"{name}.png" for name in ("error", "frequency", "phase", "amplitude", "robustness")}


@pytest.fixture(scope="module")
def reports():
    models = {"curriculum-4112": forecast_function(load_pretrained()), **BASELINES}
    return {name: report(each, 900) for name, each in models.items()}


@pytest.fixture
def measured(reports):
    """Return what is written and drawn of one model: (name, its report, the baselines')."""
    return "curriculum-4112", reports["curriculum-4112"], {n: reports[n] for n in BASELINES}


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_tables_fit_a_terminal_and_have_a_row_for_each(reports):
    console = Console(width=80, file=io.StringIO())
    for table in tables(reports):
        console.print(table)
    text = console.file.getvalue()
    assert "…" not in text
    for name in reports:
        assert text.count(f"\n{name} ") == 4
    held_out = reports["curriculum-4112"].held_out
    for value in held_out.errors.mean(axis=1):
        assert f"{value:.4f}" in text
    lost = np.sort(held_out.lost)[511:513]  # of 1024; on some CPUs the middle is never lost
    assert any(f" {step:.0f} " in text if np.isfinite(step) else " > 900 " in text for step in lost)
    assert "> 900" in text  # the sine fit's


def test_figures_have_four_decimals_or_two_digits():
    assert [error(x) for x in (0.5, 0.00123, 0.00012345, 0.0, np.nan)] == [
        "0.5000",
        "0.0012",
        "1.2e-04",
        "0.0000",
        "-",
    ]


def test_the_csv_files_hold_what_was_measured(tmp_path, measured):
    name, report, _ = measured
    write_csv(tmp_path, *measured)
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
    assert [(int(row["first_step"]), int(row["last_step"])) for row in rows] == [
        *report.held_out.intervals,
        *report.grid.intervals,
    ]
    rows = [row for row in read(tmp_path / "robustness.csv") if row["forecaster"] == name]
    for row, spoiling, value in zip(rows, SPOILINGS, report.robustness, strict=True):
        assert (float(row["noise"]), float(row["missing"])) == spoiling
        assert float(row["mean_0_400"]) == pytest.approx(value, rel=1e-5)
    rows = read(tmp_path / "waves.csv")
    assert len(rows) == 1024 + 156
    for kind, evaluation in (("held-out", report.held_out), ("grid", report.grid)):
        last = [row for row in rows if row["waves"] == kind][-1]
        for column, values in (
            ("frequency", evaluation.waves.frequency),
            ("frequency_error", evaluation.frequency_error),
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
    assert float(middle["share_within_half_a_cycle"]) == pytest.approx(
        np.mean(report.held_out.lost > 400), rel=1e-5
    )
    assert float(middle["phase_error_0.5"]) == pytest.approx(
        np.median(np.abs(report.held_out.track.phase[40])), rel=0.01
    )


def test_all_pictures_are_drawn(tmp_path, measured):
    plot_evaluation(tmp_path, *measured)
    assert {path.name for path in tmp_path.iterdir()} == PICTURES


def test_pictures_show_the_baselines_the_band_and_the_limits(tmp_path, monkeypatch, measured):
    drawn = {}
    monkeypatch.setattr(
        "sinlstm_jax.evaluation.plots.save_figure",
        lambda figure, path: drawn.update({path.stem: figure.axes}),
    )
    name, report, _ = measured
    plot_evaluation(tmp_path, *measured)

    (axes,) = drawn["error"]
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines[name].get_ydata(), report.held_out.error_over_time)
    np.testing.assert_allclose(lines["zero"].get_ydata(), 0.5, atol=0.06)
    assert any(label.startswith("sine fit: exact") for label in lines)
    assert (axes.get_yscale(), axes.get_ylabel()) == ("log", "mean squared error")

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
