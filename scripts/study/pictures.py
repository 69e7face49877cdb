"""Pictures of the study: losses of the recipes, and errors of all seeds."""

import re
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sinlstm_jax.palette import BASELINES, FORECAST, GUIDE, OBSERVED, PALE, VARIANT
from sinlstm_jax.plots import entries, legend_below, save_figure

from .bars import as_array

TUTORIALS = ("short-window", "long-window", "curriculum")  # recipes; the others are ours
EDGE = 10  # where errors and losses are drawn that are above it, or of seeds that failed


def plot_losses(path: Path, recipes: dict) -> None:
    """Draw five recipes' losses over the steps trained, a panel for each, and its stages apart."""
    figure = Figure(figsize=(11, 6.6), layout="constrained")
    begins = "a stage begins, with this horizon"
    *panels, last = figure.subplots(2, 3, sharey=True).ravel()
    for axes, (name, result) in zip(panels, recipes.items(), strict=True):
        colour, whose = _side(name)
        iterations, steps = np.array(result["iterations"]), np.array(result["steps"]) / 1e6
        seams = np.searchsorted(iterations, np.cumsum(_iterations(result))[:-1], "right")
        parts = np.split(np.array([steps, *result["curve"]], float), seams, axis=1)
        for horizon, (x, low, middle, high) in zip(result["horizons"], parts, strict=True):
            band, median = f"{whose}: 10 to 90 % of seeds", f"{whose}: median"
            axes.fill_between(x, low, high, color=colour, alpha=PALE, linewidth=0, label=band)
            axes.plot(x, middle, color=colour, linewidth=1.4, label=median)
            axes.axvline(x[0], color=GUIDE, linestyle=":", linewidth=1, label=begins)
            where = {"rotation": 90, "va": "bottom", "fontsize": "small", "color": GUIDE}
            axes.text(x[0], 4e-7, f" {horizon}", **where)
        axes.set(yscale="log", ylim=(3e-7, 1), xlim=(0, steps[-1]))
        axes.set(xlabel="time steps of the LSTM, millions")
        axes.set_title(f"{name}: {iterations[-1]:,} iterations")
        axes.grid(alpha=0.3)
    for axes in panels[::3]:
        axes.set_ylabel("loss (mean squared error)")
    last.axis("off")
    named = entries(panels)
    last.legend(named.values(), named.keys(), loc="center", frameon=False)
    save_figure(figure, path)


def plot_budgets(path: Path, trained: dict, best_of_the_original: float) -> None:
    """Draw each seed's loss at horizon 400 over the steps trained: of `fast` and `curriculum`."""
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    for name, result in trained.items():
        marker, label = ("s", name) if name in TUTORIALS else ("o", "fast, shortened")
        losses, steps = _drawn(result["average_loss"]), result["iteration_steps"]
        style = {"color": _side(name)[0], "markersize": 3.5, "alpha": 0.6, "label": label}
        apart = steps * (1 + np.linspace(-0.02, 0.02, len(losses)))
        axes.plot(apart, losses[:, -1], marker, **style)
        bar = steps * np.array([0.96, 1.04]), [np.median(losses[:, -1])] * 2
        axes.plot(*bar, color=OBSERVED, linewidth=2, label="median")
    best = {"color": GUIDE, "linestyle": "--", "label": "best of the original"}
    axes.axhline(best_of_the_original, **best)
    axes.set(xscale="log", yscale="log", xlabel="time steps of the LSTM, all stages")
    axes.set_ylabel("average loss at horizon 400")
    axes.grid(alpha=0.3)
    axes.set_title("How little training suffices: one mark per seed")
    legend_below(figure)
    save_figure(figure, path)


def plot_seeds(path: Path, recipes: dict, intervals) -> None:
    """Draw every seed's error, a row per recipe and a panel per interval of forecast steps."""
    size = 3.2 + 2.7 * len(intervals), 1.6 + 0.42 * len(recipes)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(intervals), sharey=True, squeeze=False)[0]
    for number, (axes, interval) in enumerate(zip(panels, intervals, strict=True)):
        for row, (name, result) in enumerate(recipes.items()):
            _draw_seeds(axes, row, result, number, *_side(name))
        _finish(axes, f"steps {interval}")
        axes.set_xlabel("mean squared error")
    panels[0].set_yticks(range(len(recipes)), recipes)
    panels[0].invert_yaxis()
    figure.suptitle("Errors by forecast steps: one mark per seed")
    legend_below(figure)
    save_figure(figure, path)


def plot_ablations(path: Path, ablations: dict, intervals) -> None:
    """Draw every seed's error with one thing changed, a row of panels for each recipe."""
    bases = [name for name in ablations if ", " not in name]
    groups = [[name for name in ablations if name.split(", ")[0] == base] for base in bases]
    size = 10, 1.8 + 0.33 * len(ablations) + 0.5 * len(bases)
    figure = Figure(figsize=size, layout="constrained")
    rows = figure.subplots(
        len(bases),
        len(intervals),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=[len(group) for group in groups],
    )
    for panels, base, group in zip(rows, bases, groups, strict=True):
        for number, (axes, interval) in enumerate(zip(panels, intervals, strict=True)):
            for row, name in enumerate(group):
                side = _side(base) if name == base else (VARIANT, "one thing changed")
                _draw_seeds(axes, row, ablations[name], number, *side)
            as_it_is = np.median(_drawn(ablations[base]["errors"])[:, number])
            axes.axvline(as_it_is, color=OBSERVED, linewidth=0.8, linestyle="--", zorder=1)
            _finish(axes, f"{base}, steps {interval}")
        changes = [name.split(", ")[1] for name in group[1:]]
        panels[0].set_yticks(range(len(group)), ["as it is", *changes])
        panels[0].set_ylim(len(group) - 0.4, -0.6)
    for axes in rows[-1]:
        axes.set_xlabel("mean squared error")
    rows[0, 0].plot([], [], color=OBSERVED, linewidth=0.8, linestyle="--", label="median as it is")
    figure.suptitle("Recipes with one thing changed: one mark per seed")
    legend_below(figure, 3)
    save_figure(figure, path)


def _draw_seeds(axes, row: int, result: dict, number: int, colour: str, label: str) -> None:
    """Draw the seeds' errors over one interval in one row, with a bar at their median."""
    values = _drawn(result["errors"])[:, number]
    heights = row + (np.arange(values.size) / values.size - 0.5) * 0.6
    style = {"color": colour, "markeredgecolor": "white", "markeredgewidth": 0.3}
    axes.plot(values, heights, "o", markersize=5, label=label, **style)
    bar = [np.median(values)] * 2, [row - 0.4, row + 0.4]
    axes.plot(*bar, color=OBSERVED, linewidth=2, label="median")


def _finish(axes, title: str) -> None:
    axes.axvline(0.5, color=GUIDE, linestyle=":", label="answering 0")
    axes.set(xscale="log", title=title)
    axes.grid(axis="x", alpha=0.3)


def _side(name: str) -> tuple[str, str]:
    """Return what a recipe is drawn in, and whose it is."""
    return (
        (BASELINES[0], "the tutorial's recipes") if name in TUTORIALS else (FORECAST, "our recipes")
    )


def _iterations(result: dict) -> list[int]:
    """Return how many iterations each stage has, which its words tell."""
    return [int(re.findall(r"(\d+) iterations", stage)[0]) for stage in result["stages"]]


def _drawn(values) -> np.ndarray:
    """Return what is drawn of errors or losses: what failed stands at the edge."""
    return np.minimum(as_array(values), EDGE)
