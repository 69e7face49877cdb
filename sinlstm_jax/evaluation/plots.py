"""Pictures of an evaluation: errors, frequency, phase and amplitude, and a spoilt history."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..palette import BASELINES, FORECAST, GUIDE, OBSERVED, PALE, SHADE
from ..plots import drawing, legend_below, new_figure, save_figure
from ..signals.signal import Signal
from ..signals.sines import SINES, Sines
from .bands import SHARES
from .phase import DEAD
from .report import FIRST_400, LIMIT, Comparison
from .sines import LOST, SLIGHTLY_LOST, Evaluation
from .windows import SPOILINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXACT = 1e-12  # an error below it is called exact
FOOT = 1e-6  # the least error on a log axis: what is below is left out, or drawn there
STYLES = {  # of baselines: how lines are dashed, and their colour
    "zero": (":", GUIDE),
    "last value": ("--", GUIDE),
    "sine fit": ("-.", BASELINES[0]),
    "tones fit": ("-.", BASELINES[0]),
    "seasonal naive": ((0, (5, 1, 1, 1, 1, 1)), BASELINES[1]),
    "linear prediction": ((0, (8, 2)), BASELINES[2]),
}


def plot_evaluation(folder: Path, name: str, comparison: Comparison) -> None:
    """Draw everything of one model into PNG files; of other signals than sines, fewer."""
    plot_errors(folder / "error.png", name, comparison)
    plot_robustness(folder / "robustness.png", name, comparison)
    if name in comparison.bands:
        plot_reliability(folder / "reliability.png", name, comparison)
    sines = comparison.models[name].sines
    if sines is not None:
        plot_frequency(folder / "frequency.png", name, comparison)
        signal = comparison.trial.signal
        plot_phase(folder / "phase.png", name, sines.held_out, signal)
        plot_amplitude(folder / "amplitude.png", name, sines.held_out, signal)


@drawing
def plot_errors(path: Path, name: str, comparison: Comparison) -> None:
    """Draw the error over the forecast step, averaged over the held-out windows, on log axes."""
    figure = new_figure(8, 5, "constrained")
    axes = figure.subplots()
    trial, baselines = comparison.trial, comparison.baselines
    for label, each in {name: comparison.models[name], **baselines}.items():
        errors = each.held_out.error_over_time
        most = np.nanmax(errors, initial=0)
        if most < FOOT:
            how = "exact, " if most < EXACT else ""
            axes.plot([], [], "none", label=f"{label}: {how}at most {most:.0e}")
            continue
        errors = np.where(errors < FOOT, np.nan, errors)
        style, colour = STYLES.get(label, ("-", FORECAST))
        steps = np.arange(1, errors.size + 1)
        front = 2 if label in STYLES else 3
        axes.plot(steps, errors, label=label, color=colour, linestyle=style, zorder=front)
    axes.set(xscale="log", yscale="log", xlim=(1, trial.horizon))
    axes.set(xlabel=_step_label(trial.signal), ylabel="mean squared error")
    windows = trial.held_out.values.shape[1]
    what = "windows" if trial.waves is None else "waves"
    axes.set_title(f"Error over the forecast, {windows} {what}: {name}", parse_math=False)
    _save_with_legend(figure, path)


@drawing
def plot_frequency(path: Path, name: str, comparison: Comparison) -> None:
    """Draw the frequency error, and the error itself, over the frequencies of the grid."""
    figure, upper, lower = _two_panels(f"Inside and outside the trained band: {name}")
    grids = {
        label: report.sines.grid
        for label, report in (comparison.models | comparison.baselines).items()
        if report.sines is not None
    }
    grid, signal = grids[name], comparison.trial.signal
    frequency, interval = grid.waves.frequency, grid.intervals.index(FIRST_400)
    _per_frequency(upper, frequency, grid.frequency_error)
    died = frequency[np.isnan(grid.frequency_error)]
    if died.size:
        foot = upper.get_xaxis_transform()  # the height is a share of the axes
        label = "died before it could be measured"
        upper.plot(died, np.full(died.size, 0.03), "kx", transform=foot, label=label)
    upper.axhline(0, color=OBSERVED, linewidth=0.8)
    upper.set(ylabel="frequency error (Hz)", title="Frequency of the forecast, less the true one")
    _per_frequency(lower, frequency, grid.errors[interval])
    of_zero = grids["zero"].errors[interval]
    each, means = _over_phases(frequency, of_zero)
    lower.plot(each, means, color=GUIDE, linestyle=":", label="answering 0")
    first, last = FIRST_400
    lower.set(yscale="log", ylabel="mean squared error", xlabel="frequency (Hz)")
    lower.set_title(f"Error over steps {first} to {last}")
    if isinstance(signal, Sines):
        for axes in (upper, lower):
            axes.axvspan(*signal.frequency, color=SHADE, zorder=-1, label="trained band")
    _save_with_legend(figure, path)


@drawing
def plot_phase(path: Path, name: str, held_out: Evaluation, signal: Signal) -> None:
    """Draw how the phase drifts off, and how many waves still hold it."""
    figure, upper, lower = _two_panels(f"Phase, {held_out.waves.frequency.size} waves: {name}")
    steps, _, phase = _where_all_are_measured(held_out)
    drift = np.where(np.isnan(phase), np.inf, np.abs(phase))  # dead: as far off as can be
    _spread(upper, steps, drift)
    upper.set(yscale="log", ylabel="absolute phase error (rad)", title="How far the phase is off")
    for lost, limit, label, style in (
        (held_out.lost, LOST, "half a cycle", "--"),
        (held_out.slightly_lost, SLIGHTLY_LOST, "0.1 rad", ":"),
    ):
        upper.axhline(limit, color=GUIDE, linestyle=style, linewidth=1.5, label=label)
        share = 100 * np.mean(lost[None, :] > steps[:, None], axis=1)
        lower.plot(steps, share, color=FORECAST, linestyle=style, label=f"never yet off by {label}")
    lower.set(ylim=(-3, 103), ylabel="share of waves (%)", xlabel=_step_label(signal))
    lower.set_title("Waves that still hold their phase")
    _save_with_legend(figure, path)


@drawing
def plot_amplitude(path: Path, name: str, held_out: Evaluation, signal: Signal) -> None:
    """Draw the amplitude over the forecast, relative to the true one."""
    figure = new_figure(8, 4, "constrained")
    axes = figure.subplots()
    steps, amplitude, _ = _where_all_are_measured(held_out)
    _spread(axes, steps, amplitude)
    axes.axhline(1, color=OBSERVED, linestyle="--", linewidth=1, label="truth")
    axes.axhline(DEAD, color=GUIDE, linestyle=":", linewidth=1.5, label="below it, counted as dead")
    axes.set(xlabel=_step_label(signal), ylabel="amplitude", ylim=(0, None))
    if signal != SINES:
        axes.set_ylabel("amplitude, of the true one")
    axes.set_title(f"Amplitude, {held_out.waves.frequency.size} waves: {name}", parse_math=False)
    _save_with_legend(figure, path)


@drawing
def plot_robustness(path: Path, name: str, comparison: Comparison) -> None:
    """Draw the error after histories with noise, and after ones with missing values."""
    figure = new_figure(9, 4.5, "constrained")
    first, last = comparison.trial.judged
    figure.suptitle(
        f"Noise and gaps in the history, error over steps {first} to {last}: {name}",
        parse_math=False,
    )
    panels = figure.subplots(1, 2, sharey=True)
    spoilings = np.array(SPOILINGS)  # [spoiling, (noise, missing)]
    relative = comparison.trial.signal != SINES  # of which amplitudes are 1
    titles = ("noise on each value", "missing values")
    labels = (
        "noise on each value, standard deviation" + (" / amplitude" if relative else ""),
        "missing values (%)",
    )
    for column, (axes, title, label, scale) in enumerate(
        zip(panels, titles, labels, (1, 100), strict=True)
    ):
        chosen = spoilings[:, 1 - column] == 0  # one kind at a time
        levels = [f"{scale * level:g}" for level in spoilings[chosen, column]]
        for line, each in {name: comparison.models[name], **comparison.baselines}.items():
            style, colour = STYLES.get(line, ("-", FORECAST))
            exact = each.robustness.min() < FOOT
            line += f" (exact: drawn at {FOOT:g})" if exact else ""
            errors = np.maximum(each.robustness[chosen], FOOT)
            axes.plot(errors, "o", linestyle=style, color=colour, markersize=4, label=line)
        for line, limit in comparison.limits.items() if column == 0 else ():
            known = np.where(limit > 0, limit, np.nan)[chosen]
            style, line = ("k-", f"{LIMIT} of all forecasters") if line == LIMIT else ("k:", line)
            axes.plot(known, style, marker="_", label=line)
        axes.set_xticks(range(len(levels)), levels)
        axes.set(yscale="log", xlabel=label, title=title)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("mean squared error")
    legend_below(figure, 3)
    save_figure(figure, path)


@drawing
def plot_reliability(path: Path, name: str, comparison: Comparison) -> None:
    """Draw what bands hold over what they are to hold, after noise and after gaps."""
    bands = comparison.bands[name]
    figure = new_figure(9, 5.6)
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.22, top=0.88, wspace=0.12)
    last = bands.intervals[-1][1]
    figure.suptitle(f"What bands hold, steps 0 to {last}: {name}", parse_math=False)
    named = 100 * np.array(SHARES)
    spoilings = np.array(SPOILINGS)  # [spoiling, (noise, missing)]
    panels = figure.subplots(1, 2, sharey=True)
    for column, (axes, title, unit) in enumerate(
        zip(panels, ("noise on each value", "missing values"), ("{:g}", "{:.0%}"), strict=True)
    ):
        chosen = np.flatnonzero(spoilings[:, 1 - column] == 0)  # one kind at a time
        axes.plot((0, 100), (0, 100), color=OBSERVED, linewidth=1, label="as they should")
        for shade, row in zip(np.linspace(0.25, 1, len(chosen)), chosen, strict=True):
            label = unit.format(spoilings[row, column])
            held = 100 * bands.over_all_steps[row]
            axes.plot(named, held, "o-", color=(FORECAST, shade), markersize=3, label=label)
        axes.set(
            title=title, xlabel="share that a band is to hold (%)", xlim=(0, 100), ylim=(0, 100)
        )
        axes.set_aspect("equal")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)
    panels[0].set_ylabel("share of what comes that it holds (%)")
    save_figure(figure, path)


def _step_label(signal: Signal) -> str:
    return f"forecast step ({signal.sampling_rate:g} a second)"


def _two_panels(title: str) -> "tuple[Figure, Axes, Axes]":
    figure = new_figure(8, 6.6, "constrained")
    figure.suptitle(title, parse_math=False)
    return figure, *figure.subplots(2, sharex=True)


def _save_with_legend(figure: "Figure", path: Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
    legend_below(figure, 3)
    save_figure(figure, path)


def _per_frequency(axes: "Axes", frequency: np.ndarray, values: np.ndarray) -> None:
    axes.plot(frequency, values, ".", color=FORECAST, alpha=0.5, label="one phase")
    each, means = _over_phases(frequency, values)
    axes.plot(each, means, color=FORECAST, linewidth=1, label="average of phases")


def _over_phases(frequency: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return (frequencies, the mean of the values at each)."""
    each = np.unique(frequency)
    return each, [values[frequency == f].mean() for f in each]


def _spread(axes: "Axes", steps: np.ndarray, values: np.ndarray) -> None:
    """Draw the median and the range of 80 % of `[step, wave]`."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=1, method="nearest")
    label = "10 to 90 % of waves"
    axes.fill_between(steps, low, high, color=FORECAST, alpha=PALE, label=label)
    axes.plot(steps, middle, color=FORECAST, label="median")


def _where_all_are_measured(evaluation: Evaluation):
    """Return (steps, amplitude, phase) at the steps around which every wave has a full period."""
    steps, amplitude, phase = evaluation.track
    rows = np.isfinite(amplitude).all(axis=1)
    return steps[rows], amplitude[rows], phase[rows]
