"""The picture of docs/benchmarks.md: what an iteration costs against its sizes."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from sinlstm_jax.palette import BASELINES, FORECAST, VARIANT
from sinlstm_jax.plots import legend_below, save_figure

STYLES = {  # colour, marker, line
    "fused": (FORECAST, "o", "-"),
    "scan": (VARIANT, "s", "--"),
    "PyTorch": (BASELINES[0], "^", "-."),
    "PyTorch, 1 thread": (BASELINES[0], "v", ":"),
    "PyTorch, compiled": (BASELINES[2], "P", "-."),
    "PyTorch, compiled, 1 thread": (BASELINES[2], "X", ":"),
    "nnx.RNN": (BASELINES[1], "D", ":"),
}


def plot_cost(path: Path, figures: dict) -> None:
    """Draw the cost of a training iteration against its sizes."""
    figure = Figure(figsize=(10, 8), layout="constrained")
    replicates = figures["replicates"]["seconds"]
    panels = {
        "window (steps)": figures["cost"]["window"],
        "hidden size (units)": figures["cost"]["hidden_size"],
        "batch (series)": figures["cost"]["batch_size"],
        "replicates at once": replicates,
    }
    for axes, (label, by_size) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        for side, (colour, marker, line) in STYLES.items():
            found = {int(size): times[side] for size, times in by_size.items() if side in times}
            if not found:
                continue
            times = np.array([list(times.values()) for times in found.values()]) * 1e3
            middle, low, high = times.T
            axes.plot(list(found), middle, line, marker=marker, color=colour, label=side)
            axes.fill_between(list(found), low, high, color=colour, alpha=0.15)
        axes.set(xscale="log", yscale="log", xlabel=label)
        sizes = [int(size) for size in by_size]
        pairs = zip(sizes, [0, *sizes], strict=False)
        apart = [size for size, before in pairs if size > 1.1 * before]
        axes.set_xticks(apart, map(str, apart))  # 65 would be written over 64
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        per = " and replicate" if by_size is replicates else ""
        axes.set_ylabel(f"time per iteration{per} (ms)")
        axes.set_title(f"Cost against {label.split(' (')[0]}")
        axes.grid(alpha=0.3)
    legend_below(figure)
    save_figure(figure, path)
