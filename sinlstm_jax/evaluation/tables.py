"""What an evaluation tells: tables to print, and CSV files."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from ..files import replacing
from ..signals.sines import FREQUENCY_RANGE
from .report import FIRST_400, SPOILINGS, Evaluation, Report, in_trained_band


def tables(reports: dict[str, Report]) -> list[Table]:
    """Return tables that compare forecasters, by name."""
    first = next(iter(reports.values()))
    count, frequency = first.held_out.waves.frequency.size, first.grid.waves.frequency
    rows_of = {
        f"Mean squared error by forecast steps, {count} held-out waves": _error_row,
        "The same waves, medians: frequency, phase, amplitude": _phase_row,
        f"Outside the trained band, {frequency.min():g} to {frequency.max():g} Hz: error over "
        "steps 0-400,\nand median frequency error (Hz)": _band_row,
        "Error over steps 0-400 after noise, or with missing values, in the history": (
            _robustness_row
        ),
    }
    compared = []
    for title, row in rows_of.items():
        rows = [{"": name} | row(report) for name, report in reports.items()]
        compared.append(plain_table(title, rows, no_wrap=True))
        names = compared[-1].columns[0]
        names.justify, names.no_wrap, names.overflow = "left", False, "fold"
    return compared


def _error_row(report: Report) -> dict[str, str]:
    """Return errors by forecast interval on the held-out waves, by their columns' names."""
    means = zip(report.held_out.intervals, report.held_out.errors.mean(axis=1), strict=True)
    return {f"{start}-\n{end}": error(mean) for (start, end), mean in means}


def _phase_row(report: Report) -> dict[str, str]:
    """Return frequency, phase and amplitude on the held-out waves."""
    waves = report.held_out
    off = np.abs(waves.frequency_error)
    return {
        "frequency\nerror\n(Hz)": error(_median(off)),
        "relative\n(%)": error(100 * _median(off / waves.waves.frequency)),
        "off by\n0.1 rad\n(step)": _step(waves.slightly_lost, waves),
        "half a\ncycle\n(step)": _step(waves.lost, waves),
        "never\nhalf a\ncycle": f"{100 * np.mean(np.isinf(waves.lost)):.0f} %",
        "final\nampli-\ntude": f"{_median(_last_amplitude(waves)):.2f}",
    }


def _band_row(report: Report) -> dict[str, str]:
    """Return errors and frequency errors below, inside and above the trained band."""
    low, high = FREQUENCY_RANGE
    frequency = report.grid.waves.frequency
    bands = {
        f"below\n{low:g} Hz": frequency < low,
        f"{low:g} to\n{high:g} Hz": in_trained_band(frequency),
        f"above\n{high:g} Hz": frequency > high,
    }
    errors = report.grid.errors[report.grid.intervals.index(FIRST_400)]
    off = np.abs(report.grid.frequency_error)
    return {
        **{f"error\n{name}": error(errors[band].mean()) for name, band in bands.items()},
        **{f"(Hz)\n{name}": error(_median(off[band])) for name, band in bands.items()},
    }


def _robustness_row(report: Report) -> dict[str, str]:
    """Return errors after histories with noise or gaps."""
    return {
        _spoiling_name(spoiling).replace(" ", "\n"): f"{value:.3f}"
        for spoiling, value in zip(SPOILINGS, report.robustness, strict=True)
    }


def write_csv(folder: Path, name: str, report: Report, baselines: dict[str, Report]) -> None:
    """Write everything measured of one model into CSV files, NaN and inf as in `Evaluation`.

    errors.csv and robustness.csv hold averages, with the baselines'; waves.csv has a row for every
    wave, over_time.csv one for every measurement.
    """
    reports = {name: report, **baselines}
    _write(folder / "errors.csv", _error_rows(reports))
    _write(folder / "robustness.csv", _robustness_rows(reports))
    _write(folder / "waves.csv", _wave_rows(report))
    _write(folder / "over_time.csv", _rows_over_time(report.held_out))


def _error_rows(reports: dict[str, Report]) -> Iterator[dict]:
    for name, report in reports.items():
        for kind, evaluation in _by_kind(report):
            for (first, last), errors in zip(evaluation.intervals, evaluation.errors, strict=True):
                yield {
                    "forecaster": name,
                    "waves": kind,
                    "first_step": first,
                    "last_step": last,
                    "mean": errors.mean(),
                    "median": np.quantile(errors, 0.5),
                    "percentile_90": np.quantile(errors, 0.9),
                }


def _robustness_rows(reports: dict[str, Report]) -> Iterator[dict]:
    for name, report in reports.items():
        for spoiling, value in zip(SPOILINGS, report.robustness, strict=True):
            yield {"forecaster": name, **spoiling._asdict(), "mean_0_400": value}


def _wave_rows(report: Report) -> Iterator[dict]:
    for kind, evaluation in _by_kind(report):
        columns = {
            **evaluation.waves._asdict(),
            "frequency_error": evaluation.frequency_error,
            "relative_frequency_error": evaluation.frequency_error / evaluation.waves.frequency,
            "step_off_by_0.1_rad": evaluation.slightly_lost,
            "step_off_by_half_a_cycle": evaluation.lost,
            "amplitude_at_the_end": _last_amplitude(evaluation),
        }
        for (first, last), errors in zip(evaluation.intervals, evaluation.errors, strict=True):
            columns[f"error_{first}_{last}"] = errors
        for row in zip(*columns.values(), strict=True):
            yield {"waves": kind, **dict(zip(columns, row, strict=True))}


def _rows_over_time(held_out: Evaluation) -> Iterator[dict]:
    levels = (0.1, 0.5, 0.9)
    for step, amplitude, phase in zip(*held_out.track, strict=True):
        amplitudes, phases = _quantiles(amplitude, levels), _quantiles(np.abs(phase), levels)
        yield {
            "step": step,
            "mean_error": held_out.error_over_time[step],
            **{f"amplitude_{level:g}": x for level, x in zip(levels, amplitudes, strict=True)},
            **{f"phase_error_{level:g}": x for level, x in zip(levels, phases, strict=True)},
            "share_within_0.1_rad": np.mean(held_out.slightly_lost > step),
            "share_within_half_a_cycle": np.mean(held_out.lost > step),
        }


def _by_kind(report: Report) -> tuple[tuple[str, Evaluation], ...]:
    return ("held-out", report.held_out), ("grid", report.grid)


def error(value: float) -> str:
    """Return a figure with four decimals, two digits where those say nothing, or - for NaN."""
    if np.isnan(value):
        return "-"
    return f"{value:.1e}" if 0 < abs(value) < 0.001 else f"{value:.4f}"


def plain_table(title: str, rows: list[dict[str, str]], no_wrap: bool = False) -> Table:
    """Return a table of figures without edges; the keys of the first row are its columns."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in rows[0]:
        table.add_column(column, justify="right", no_wrap=no_wrap)
    for row in rows:
        table.add_row(*row.values())
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


def _write(path: Path, rows: Iterable[dict]) -> None:
    """Write rows into a CSV file; the keys of the first are its header."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        for number, row in enumerate(rows):
            if number == 0:
                writer.writerow(row)
            writer.writerow(f"{x:.6g}" if isinstance(x, float) else x for x in row.values())
