"""The picture of what a training iteration costs, against its sizes."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from sinlstm_jax.plots import save_figure

STYLES = {  # colour, marker, line
    "fused": ("tab:red", "o", "-"),
    "scan": ("tab:blue", "s", "--"),
    "PyTorch": ("0.35", "^", "-."),
    "nnx.RNN": ("tab:green", "D", ":"),
}


def plot_cost(path: Path, figures: dict) -> None:
    """Draw the cost of a training iteration against its sizes."""
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    panels = {
        "window": ("window (steps)", figures["cost"]["window"]),
        "hidden_size": ("hidden size (units)", figures["cost"]["hidden_size"]),
        "batch_size": ("batch (series)", figures["cost"]["batch_size"]),
        "replicates": ("replicates at once", figures["replicates"]["seconds"]),
    }
    grid = figure.subplots(2, 2).flat
    for axes, (name, (label, by_size)) in zip(grid, panels.items(), strict=True):
        sizes = [int(size) for size in by_size]
        for side in next(iter(by_size.values()), {}):
            colour, marker, line = STYLES[side]
            times = [seconds[side] for seconds in by_size.values()]
            low, middle, high = np.transpose([(t.lowest, t.median, t.highest) for t in times]) * 1e3
            axes.plot(sizes, middle, line, marker=marker, color=colour, label=side)
            axes.fill_between(sizes, low, high, color=colour, alpha=0.15)
        axes.set(xscale="log", yscale="log", xlabel=label)
        axes.set_xticks(sizes, map(str, sizes))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        per = " and replicate" if name == "replicates" else ""
        axes.set_ylabel(f"time per iteration{per} (ms)")
        axes.grid(alpha=0.3)
        if sizes:
            axes.legend()
    save_figure(figure, path)
