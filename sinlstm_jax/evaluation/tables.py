"""What an evaluation tells: tables to print, and CSV files."""

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from ..files import replacing
from ..signals import FREQUENCY_RANGE
from .report import FIRST_400, SPOILINGS, Evaluation, Report, in_trained_band


def tables(reports: dict[str, Report]) -> list[Table]:
    """Return tables that compare forecasters, by name."""
    return [
        errors_table(reports),
        phase_table(reports),
        band_table(reports),
        robustness_table(reports),
    ]


def errors_table(reports: dict[str, Report]) -> Table:
    """Return errors by forecast interval on the held-out waves."""
    first = next(iter(reports.values())).held_out
    table = _table(
        f"Mean squared error by forecast steps, {first.waves.frequency.size} held-out waves",
        [f"{start}-\n{end}" for start, end in first.intervals],
    )
    for name, report in reports.items():
        table.add_row(name, *(error(e) for e in report.held_out.errors.mean(axis=1)))
    return table


def phase_table(reports: dict[str, Report]) -> Table:
    """Return frequency, phase and amplitude on the held-out waves."""
    table = _table(
        "The same waves, medians: frequency, phase, amplitude",
        [
            "frequency\nerror\n(Hz)",
            "relative\n(%)",
            "off by\n0.1 rad\n(step)",
            "half a\ncycle\n(step)",
            "never\nhalf a\ncycle",
            "final\nampli-\ntude",
        ],
    )
    for name, report in reports.items():
        waves = report.held_out
        off = np.abs(waves.frequency_error)
        table.add_row(
            name,
            error(_median(off)),
            error(100 * _median(off / waves.waves.frequency)),
            _step(waves.slightly_lost, waves),
            _step(waves.lost, waves),
            f"{100 * np.mean(np.isinf(waves.lost)):.0f} %",
            f"{_median(_last_amplitude(waves)):.2f}",
        )
    return table


def band_table(reports: dict[str, Report]) -> Table:
    """Return errors and frequency errors below, inside and above the trained band."""
    low, high = FREQUENCY_RANGE
    grid = next(iter(reports.values())).grid
    frequency = grid.waves.frequency
    bands = (frequency < low, in_trained_band(frequency), frequency > high)
    interval = grid.intervals.index(FIRST_400)
    names = [f"below\n{low:g} Hz", f"{low:g} to\n{high:g} Hz", f"above\n{high:g} Hz"]
    table = _table(
        f"Outside the trained band, {frequency.min():g} to {frequency.max():g} Hz: error over "
        "steps 0-400,\nand median frequency error (Hz)",
        [f"error\n{name}" for name in names] + [f"(Hz)\n{name}" for name in names],
    )
    for name, report in reports.items():
        errors, off = report.grid.errors[interval], np.abs(report.grid.frequency_error)
        table.add_row(
            name,
            *(error(errors[band].mean()) for band in bands),
            *(error(_median(off[band])) for band in bands),
        )
    return table


def robustness_table(reports: dict[str, Report]) -> Table:
    """Return errors after histories with noise or gaps."""
    table = _table(
        "Error over steps 0-400 after noise, or with missing values, in the history",
        [_spoiling_name(spoiling).replace(" ", "\n") for spoiling in SPOILINGS],
    )
    for name, report in reports.items():
        table.add_row(name, *(f"{e:.3f}" for e in report.robustness))
    return table


def write_csv(folder: Path, name: str, report: Report, baselines: dict[str, Report]) -> None:
    """Write everything measured of one model into CSV files, NaN and inf as in `Evaluation`.

    errors.csv and robustness.csv hold averages, with the baselines'; waves.csv has a row for every
    wave, over_time.csv one for every measurement.
    """
    reports = {name: report, **baselines}
    _write(
        folder / "errors.csv",
        ["forecaster", "waves", "first_step", "last_step", "mean", "median", "percentile_90"],
        (
            [label, kind, *interval, errors.mean(), *np.quantile(errors, (0.5, 0.9))]
            for label, each in reports.items()
            for kind, evaluation in (("held-out", each.held_out), ("grid", each.grid))
            for interval, errors in zip(evaluation.intervals, evaluation.errors, strict=True)
        ),
    )
    _write(
        folder / "robustness.csv",
        ["forecaster", "noise", "missing", "mean_0_400"],
        (
            [label, *spoiling, value]
            for label, each in reports.items()
            for spoiling, value in zip(SPOILINGS, each.robustness, strict=True)
        ),
    )
    _write(
        folder / "waves.csv",
        [
            *("waves", "frequency", "offset", "frequency_error", "relative_frequency_error"),
            *("step_off_by_0.1_rad", "step_off_by_half_a_cycle", "amplitude_at_the_end"),
            *(f"error_{first}_{last}" for first, last in report.held_out.intervals),
        ],
        (
            [kind, *row]
            for kind, evaluation in (("held-out", report.held_out), ("grid", report.grid))
            for row in zip(
                *evaluation.waves,
                evaluation.frequency_error,
                evaluation.frequency_error / evaluation.waves.frequency,
                evaluation.slightly_lost,
                evaluation.lost,
                _last_amplitude(evaluation),
                *evaluation.errors,
                strict=True,
            )
        ),
    )
    steps, amplitude, phase = report.held_out.track
    levels = (0.1, 0.5, 0.9)
    _write(
        folder / "over_time.csv",
        [
            *("step", "mean_error"),
            *(f"amplitude_{level:g}" for level in levels),
            *(f"phase_error_{level:g}" for level in levels),
            *("share_within_0.1_rad", "share_within_half_a_cycle"),
        ],
        (
            [
                step,
                report.held_out.error_over_time[step],
                *_quantiles(amplitude[row], levels),
                *_quantiles(np.abs(phase[row]), levels),
                np.mean(report.held_out.slightly_lost > step),
                np.mean(report.held_out.lost > step),
            ]
            for row, step in enumerate(steps)
        ),
    )


def error(value: float) -> str:
    """Return a figure with four decimals, two digits where those say nothing, or - for NaN."""
    if np.isnan(value):
        return "-"
    return f"{value:.1e}" if 0 < abs(value) < 0.001 else f"{value:.4f}"


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("", overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _spoiling_name(spoiling) -> str:
    if spoiling.noise:
        return f"noise {spoiling.noise:g}"
    return f"gaps {100 * spoiling.missing:g}%" if spoiling.missing else "clean"


def _step(lost: np.ndarray, evaluation: Evaluation) -> str:
    step = _median(lost)
    return f"{step:.0f}" if np.isfinite(step) else f"> {evaluation.error_over_time.size}"


def _last_amplitude(evaluation: Evaluation) -> np.ndarray:
    """Return the amplitude where each wave was last measured, `[wave]`."""
    amplitude = evaluation.track.amplitude
    rows = amplitude.shape[0] - 1 - np.argmax(np.isfinite(amplitude[::-1]), axis=0)
    return amplitude[rows, np.arange(amplitude.shape[1])]


def _median(values: np.ndarray) -> float:
    """Return the median of what is not NaN, or NaN."""
    return float(_quantiles(values, (0.5,))[0])


def _quantiles(values: np.ndarray, levels) -> np.ndarray:
    """Return quantiles of what is not NaN, or NaN; infinity is a value like others."""
    values = values[~np.isnan(values)]
    if values.size == 0:
        return np.full(len(levels), np.nan)
    return np.quantile(values, levels, method="nearest")


def _write(path: Path, header: list[str], rows: Iterable) -> None:
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for row in rows:
            writer.writerow([f"{x:.6g}" if isinstance(x, float) else x for x in row])
