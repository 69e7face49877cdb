"""What an evaluation tells: tables to print."""

import numpy as np
from rich import box
from rich.table import Table

from ..sensor import BAND
from ..signals.signal import Scaling
from ..signals.sines import SINES, Sines
from .bands import SHARES, Bands
from .report import FIRST_400, FLAT_LIMIT, LIMIT, Comparison, SineReport, Trial
from .sines import Evaluation, in_trained_band, last_amplitude
from .windows import SPOILINGS, Errors, known_mean, median


def tables(comparison: Comparison) -> list[Table]:
    """Return tables that compare forecasters, by name."""
    trial = comparison.trial
    reports = comparison.models | comparison.baselines
    errors = {name: _error_row(each.held_out) for name, each in reports.items()}
    spoilt = {name: _robustness_row(each.robustness) for name, each in reports.items()}
    judged = "{}-{}".format(*trial.judged)
    last = f"Error over steps {judged} after noise, or with missing values, in the history"
    if trial.signal != SINES:
        last += "\n(noise is relative to the amplitude)"
    spoilt |= {name: _robustness_row(each) for name, each in comparison.limits.items()}
    if LIMIT in comparison.limits:
        last += f"\n({LIMIT}: no forecaster can do better)"
    if FLAT_LIMIT in comparison.limits:
        last += f"\n({FLAT_LIMIT}: the best without knowing it or the level)"
    return [
        _compared(_error_title(trial), errors),
        *_sine_tables(comparison),
        _compared(last, spoilt),
        *_band_tables(comparison.bands),
    ]


def _band_tables(bands: dict[str, Bands]) -> list[Table]:
    """Return the table of what bands hold, if there is a model that has some."""
    if not bands:
        return []
    rows = {
        f"{name}, {first}-{last}": {
            spoiling.in_words().replace(" ", "\n"): f"{100 * held:.0f}"
            for spoiling, held in zip(SPOILINGS, shares, strict=True)
        }
        for name, each in bands.items()
        for (first, last), shares in zip(
            each.intervals, each.held[:, :, SHARES.index(BAND)].T, strict=True
        )
    }
    return [
        _compared(f"Share of what comes that bands of {100 * BAND:g} % hold (%), by steps", rows)
    ]


def _sine_tables(comparison: Comparison) -> list[Table]:
    """Return the tables that there are of sine waves alone."""
    signal, waves = comparison.trial.signal, comparison.trial.waves
    if not isinstance(signal, Sines) or waves is None:
        return []
    reports = comparison.models | comparison.baselines
    sines = {name: each.sines for name, each in reports.items() if each.sines}
    low, high = waves.grid.frequency.min(), waves.grid.frequency.max()
    return [
        _compared(
            "The same waves, medians: frequency, phase, amplitude",
            {name: _phase_row(each.held_out) for name, each in sines.items()},
        ),
        _compared(
            f"Outside the trained band, {low:g} to {high:g} Hz: error over steps 0-400,\n"
            "and median frequency error (Hz)",
            {name: _band_row(each, signal) for name, each in sines.items()},
        ),
    ]


def _compared(title: str, rows: dict[str, dict[str, str]]) -> Table:
    """Return a table of rows by their forecasters' names."""
    table = plain_table(title, [{"": name} | row for name, row in rows.items()], no_wrap=True)
    names = table.columns[0]
    names.justify, names.no_wrap, names.overflow = "left", False, "fold"
    return table


def _error_title(trial: Trial) -> str:
    """Return what the first table is of, and in which units."""
    title, count = "Mean squared error by forecast steps,", trial.held_out.values.shape[1]
    if trial.waves is not None:
        return f"{title} {count} held-out waves"
    if trial.signal.scaling == Scaling():
        return f"{title}\n{count} held-out windows"
    scale = trial.signal.scaling.scale
    return f"{title}\n{count} held-out windows, of samples over {scale:.6g}"


def _error_row(held_out: Errors) -> dict[str, str]:
    """Return errors by forecast interval on the held-out windows, by their columns' names."""
    return {
        f"{start}-\n{end}": error(known_mean(errors))
        for (start, end), errors in zip(held_out.intervals, held_out.errors, strict=True)
    }


def _phase_row(waves: Evaluation) -> dict[str, str]:
    """Return frequency, phase and amplitude on the held-out waves."""
    off = np.abs(waves.frequency_error)
    return {
        "frequency\nerror\n(Hz)": error(median(off)),
        "relative\n(%)": error(100 * median(off / waves.waves.frequency)),
        "off by\n0.1 rad\n(step)": _step(waves.slightly_lost, waves),
        "half a\ncycle\n(step)": _step(waves.lost, waves),
        "never\nhalf a\ncycle": f"{100 * np.mean(np.isinf(waves.lost)):.0f} %",
        "final\nampli-\ntude": f"{median(last_amplitude(waves)):.2f}",
    }


def _band_row(report: SineReport, signal: Sines) -> dict[str, str]:
    """Return errors and frequency errors below, inside and above the trained band."""
    low, high = signal.frequency
    frequency = report.grid.waves.frequency
    bands = {
        f"below\n{low:g} Hz": frequency < low,
        f"{low:g} to\n{high:g} Hz": in_trained_band(frequency, signal),
        f"above\n{high:g} Hz": frequency > high,
    }
    errors = report.grid.errors[report.grid.intervals.index(FIRST_400)]
    off = np.abs(report.grid.frequency_error)
    return {
        **{f"error\n{name}": error(known_mean(errors[band])) for name, band in bands.items()},
        **{f"(Hz)\n{name}": error(median(off[band])) for name, band in bands.items()},
    }


def _robustness_row(robustness: np.ndarray) -> dict[str, str]:
    """Return errors after histories with noise or gaps."""
    return {
        spoiling.in_words().replace(" ", "\n"): f"{value:.3f}"
        for spoiling, value in zip(SPOILINGS, robustness, strict=True)
    }


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


def _step(lost: np.ndarray, evaluation: Evaluation) -> str:
    step = median(lost)
    return f"{step:.0f}" if np.isfinite(step) else f"> {evaluation.error_over_time.size}"
