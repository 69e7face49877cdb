"""What an evaluation tells: CSV files."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ..files import replacing
from ..signals.signal import Scaling
from .bands import SHARES, Bands
from .phase import HOP
from .report import Comparison, Report
from .sines import Evaluation, last_amplitude
from .windows import SPOILINGS, Errors, known_mean, quantiles

LEVELS = (0.1, 0.5, 0.9)


def write_csv(folder: Path, name: str, comparison: Comparison) -> None:
    """Write everything measured of one model into CSV files, NaN and inf as in its report.

    errors.csv and robustness.csv hold averages, with the baselines'; waves.csv has a row for every
    wave or window, over_time.csv one for every measurement; bands.csv tells
    what the bands of a model hold that says how sure it is.
    """
    report = comparison.models[name]
    reports = {name: report, **comparison.baselines}
    _write(folder / "errors.csv", _error_rows(reports, comparison.trial.signal.scaling))
    _write(folder / "robustness.csv", _robustness_rows(reports, comparison))
    _write(folder / "waves.csv", _wave_rows(report))
    _write(folder / "over_time.csv", _rows_over_time(report))
    if name in comparison.bands:
        _write(folder / "bands.csv", _band_rows(comparison.bands[name]))


def _error_rows(reports: dict[str, Report], scaling: Scaling) -> Iterator[dict]:
    for name, report in reports.items():
        for kind, each in _by_kind(report):
            for (first, last), errors in zip(each.intervals, each.errors, strict=True):
                mean = known_mean(errors)
                row = {
                    "forecaster": name,
                    "waves": kind,
                    "first_step": first,
                    "last_step": last,
                    "mean": mean,
                    "median": _quantile(errors, 0.5),
                    "percentile_90": _quantile(errors, 0.9),
                }
                if scaling != Scaling():
                    row["rmse_as_recorded"] = scaling.scale * mean**0.5
                yield row


def _quantile(errors: np.ndarray, level: float) -> float:
    errors = errors[~np.isnan(errors)]
    return float(np.quantile(errors, level)) if errors.size else np.nan


def _robustness_rows(reports: dict[str, Report], comparison: Comparison) -> Iterator[dict]:
    measured = {name: report.robustness for name, report in reports.items()}
    measured |= comparison.limits
    first, last = comparison.trial.judged
    for name, errors in measured.items():
        for spoiling, value in zip(SPOILINGS, errors, strict=True):
            yield {"forecaster": name, **spoiling._asdict(), f"mean_{first}_{last}": value}


def _band_rows(bands: Bands) -> Iterator[dict]:
    for spoiling, of_intervals in zip(SPOILINGS, bands.held, strict=True):
        for (first, last), shares in zip(bands.intervals, of_intervals, strict=True):
            where = {**spoiling._asdict(), "first_step": first, "last_step": last}
            for share, held in zip(SHARES, shares, strict=True):
                yield {**where, "band": share, "held": float(held)}


def _wave_rows(report: Report) -> Iterator[dict]:
    for kind, each in _by_kind(report):
        columns = _sine_columns(each) if isinstance(each, Evaluation) else {}
        for (first, last), errors in zip(each.intervals, each.errors, strict=True):
            columns[f"error_{first}_{last}"] = errors
        for row in zip(*columns.values(), strict=True):
            yield {"waves": kind, **dict(zip(columns, row, strict=True))}


def _sine_columns(evaluation: Evaluation) -> dict[str, np.ndarray]:
    waves = evaluation.waves
    return {
        **{name: x for name, x in waves._asdict().items() if np.ndim(x)},
        "frequency_error": evaluation.frequency_error,
        "relative_frequency_error": evaluation.frequency_error / waves.frequency,
        "step_off_by_0.1_rad": evaluation.slightly_lost,
        "step_off_by_half_a_cycle": evaluation.lost,
        "amplitude_at_the_end": last_amplitude(evaluation),
    }


def _rows_over_time(report: Report) -> Iterator[dict]:
    errors = report.held_out.error_over_time
    sines = None if report.sines is None else report.sines.held_out
    for row, step in enumerate(range(0, errors.size, HOP)):
        columns = {"step": step, "mean_error": errors[step]}
        if sines is not None:
            columns |= _sines_then(sines, row, step)
        yield columns


def _sines_then(held_out: Evaluation, row: int, step: int) -> dict:
    """Return how amplitudes and phases lie in one measurement, and how many have held theirs."""
    amplitudes = quantiles(held_out.track.amplitude[row], LEVELS)
    phases = quantiles(np.abs(held_out.track.phase[row]), LEVELS)
    return {
        **{f"amplitude_{level:g}": x for level, x in zip(LEVELS, amplitudes, strict=True)},
        **{f"phase_error_{level:g}": x for level, x in zip(LEVELS, phases, strict=True)},
        "share_within_0.1_rad": np.mean(held_out.slightly_lost > step),
        "share_within_half_a_cycle": np.mean(held_out.lost > step),
    }


def _by_kind(report: Report) -> tuple[tuple[str, Errors | Evaluation], ...]:
    if report.sines is None:
        return (("held-out", report.held_out),)
    return ("held-out", report.sines.held_out), ("grid", report.sines.grid)


def _write(path: Path, rows: Iterable[dict]) -> None:
    """Write rows into a CSV file; the keys of the first are its header."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        for number, row in enumerate(rows):
            if number == 0:
                writer.writerow(row)
            writer.writerow(f"{x:.6g}" if isinstance(x, float) else x for x in row.values())
