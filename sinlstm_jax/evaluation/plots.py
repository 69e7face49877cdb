"""Pictures of an evaluation: errors, frequency, phase and amplitude, and a spoilt history."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..plots import drawing, new_figure, save_figure
from ..signals.sines import FREQUENCY_RANGE
from .phase import DEAD
from .report import FIRST_400, LOST, SLIGHTLY_LOST, SPOILINGS, Evaluation, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ZERO_ERROR = 0.5  # mean squared error of answering 0
FOOT = 1e-6  # where errors below it are drawn on a log axis
STEP_LABEL = "forecast step (100 a second)"


def plot_evaluation(folder: Path, name: str, report: Report, baselines: dict[str, Report]) -> None:
    """Draw everything of one model into PNG files."""
    plot_errors(folder / "error.png", name, report, baselines)
    plot_frequency(folder / "frequency.png", name, report.grid)
    plot_phase(folder / "phase.png", name, report.held_out)
    plot_amplitude(folder / "amplitude.png", name, report.held_out)
    plot_robustness(folder / "robustness.png", name, report, baselines)


@drawing
def plot_errors(path: Path, name: str, report: Report, baselines: dict[str, Report]) -> None:
    """Draw the error over the forecast step, averaged over the held-out waves, on log axes."""
    figure = new_figure(8, 4.5, "constrained")
    axes = figure.subplots()
    styles = {"zero": ":", "last value": "--", "sine fit": "-."}
    for label, each in {name: report, **baselines}.items():
        errors = each.held_out.error_over_time
        if errors.max() < 1e-12:
            axes.plot([], [], "none", label=f"{label}: exact, at most {errors.max():.0e}")
            continue
        style, colour = styles.get(label, "-"), "0.3" if label in styles else "tab:red"
        steps = np.arange(1, errors.size + 1)
        axes.plot(steps, errors, label=label, color=colour, linestyle=style)
    steps = report.held_out.error_over_time.size
    axes.set(xscale="log", yscale="log", xlim=(1, steps), xlabel=STEP_LABEL)
    axes.set_ylabel("mean squared error")
    axes.set_title(
        f"Error over the forecast, {report.held_out.waves.frequency.size} waves: {name}",
        parse_math=False,
    )
    axes.grid(alpha=0.3)
    axes.legend()
    save_figure(figure, path)


@drawing
def plot_frequency(path: Path, name: str, grid: Evaluation) -> None:
    """Draw the frequency error, and the error itself, over the frequencies of the grid."""
    figure, upper, lower = _two_panels(f"Inside and outside the trained band: {name}")
    frequency = grid.waves.frequency
    _per_frequency(upper, frequency, grid.frequency_error)
    died = frequency[np.isnan(grid.frequency_error)]
    if died.size:
        foot = upper.get_xaxis_transform()  # the height is a share of the axes
        label = "died before it could be measured"
        upper.plot(died, np.full(died.size, 0.03), "kx", transform=foot, label=label)
    upper.axhline(0, color="k", linewidth=0.8)
    upper.set(ylabel="frequency error (Hz)")
    interval = grid.intervals.index(FIRST_400)
    _per_frequency(lower, frequency, grid.errors[interval])
    lower.axhline(ZERO_ERROR, color="0.3", linestyle=":", label="answering 0")
    first, last = FIRST_400
    lower.set(yscale="log", ylabel=f"mean squared error,\nsteps {first} to {last}")
    lower.set(xlabel="frequency (Hz)")
    for axes in (upper, lower):
        axes.axvspan(*FREQUENCY_RANGE, color="0.9", zorder=-1, label="trained band")
    _save_with_legends(figure, path)


@drawing
def plot_phase(path: Path, name: str, held_out: Evaluation) -> None:
    """Draw how the phase drifts off, and how many waves still hold it."""
    figure, upper, lower = _two_panels(f"Phase, {held_out.waves.frequency.size} waves: {name}")
    steps, _, phase = _where_all_are_measured(held_out)
    drift = np.where(np.isnan(phase), np.inf, np.abs(phase))  # dead: as far off as can be
    _spread(upper, steps, drift)
    upper.set(yscale="log", ylabel="absolute phase error (rad)")
    for lost, limit, label, style in (
        (held_out.lost, LOST, "half a cycle", "--"),
        (held_out.slightly_lost, SLIGHTLY_LOST, "0.1 rad", ":"),
    ):
        upper.axhline(limit, color="k", linestyle=style, linewidth=1, label=label)
        share = 100 * np.mean(lost[None, :] > steps[:, None], axis=1)
        lower.plot(steps, share, color="k", linestyle=style, label=f"never yet off by {label}")
    lower.set(ylim=(-3, 103), ylabel="share of waves (%)", xlabel=STEP_LABEL)
    _save_with_legends(figure, path)


@drawing
def plot_amplitude(path: Path, name: str, held_out: Evaluation) -> None:
    """Draw the amplitude over the forecast; the true one is 1."""
    figure = new_figure(8, 4, "constrained")
    axes = figure.subplots()
    steps, amplitude, _ = _where_all_are_measured(held_out)
    _spread(axes, steps, amplitude)
    axes.axhline(1, color="k", linestyle="--", linewidth=1, label="truth")
    axes.axhline(DEAD, color="k", linestyle=":", linewidth=1, label="below it, counted as dead")
    axes.set(xlabel=STEP_LABEL, ylabel="amplitude", ylim=(0, None))
    axes.set_title(f"Amplitude, {held_out.waves.frequency.size} waves: {name}", parse_math=False)
    _save_with_legends(figure, path)


@drawing
def plot_robustness(path: Path, name: str, report: Report, baselines: dict[str, Report]) -> None:
    """Draw the error after histories with noise, and after ones with missing values."""
    figure = new_figure(9, 4, "constrained")
    first, last = FIRST_400
    figure.suptitle(
        f"Noise and gaps in the history, error over steps {first} to {last}: {name}",
        parse_math=False,
    )
    panels = figure.subplots(1, 2, sharey=True)
    lines = [
        (name, report, "o-", "tab:red"),
        (f"sine fit (exact: drawn at {FOOT:g})", baselines["sine fit"], "s-.", "0.3"),
    ]
    spoilings = np.array(SPOILINGS)  # [spoiling, (noise, missing)]
    labels = ("noise on each value, standard deviation", "missing values (%)")
    for column, (axes, label, scale) in enumerate(zip(panels, labels, (1, 100), strict=True)):
        chosen = spoilings[:, 1 - column] == 0  # one kind at a time
        levels = [f"{scale * level:g}" for level in spoilings[chosen, column]]
        for line, measured, style, colour in lines:
            errors = np.maximum(measured.robustness[chosen], FOOT)
            axes.plot(errors, style, color=colour, label=line)
        axes.axhline(ZERO_ERROR, color="0.3", linestyle=":", label="answering 0")
        axes.set_xticks(range(len(levels)), levels)
        axes.set(yscale="log", xlabel=label)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("mean squared error")
    panels[0].legend(fontsize="small")
    save_figure(figure, path)


def _two_panels(title: str) -> "tuple[Figure, Axes, Axes]":
    figure = new_figure(8, 6, "constrained")
    figure.suptitle(title, parse_math=False)
    return figure, *figure.subplots(2, sharex=True)


def _save_with_legends(figure: "Figure", path: Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    save_figure(figure, path)


def _per_frequency(axes: "Axes", frequency: np.ndarray, values: np.ndarray) -> None:
    axes.plot(frequency, values, ".", color="tab:red", alpha=0.5, label="one phase")
    each = np.unique(frequency)
    means = [values[frequency == f].mean() for f in each]
    axes.plot(each, means, color="tab:red", linewidth=1, label="average of phases")


def _spread(axes: "Axes", steps: np.ndarray, values: np.ndarray) -> None:
    """Draw the median and the range of 80 % of `[step, wave]`."""
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9), axis=1, method="nearest")
    label = "10 to 90 % of waves"
    axes.fill_between(steps, low, high, color="tab:red", alpha=0.25, label=label)
    axes.plot(steps, middle, color="tab:red", label="median")


def _where_all_are_measured(evaluation: Evaluation):
    """Return (steps, amplitude, phase) at the steps around which every wave has a full period."""
    steps, amplitude, phase = evaluation.track
    rows = np.isfinite(amplitude).all(axis=1)
    return steps[rows], amplitude[rows], phase[rows]
