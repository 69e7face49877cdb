"""Compare with PyTorch: distances from the golden fixtures, and loss curves on the same batches.

Needs `pip install '.[test,torch]'`. Writes the table in docs/porting.md, and the picture
docs/images/same_batches.png with its table in docs/results.md.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from sinlstm_jax import SineLSTM, sample_batches
from sinlstm_jax.commands.main import tidy_exit
from sinlstm_jax.commands.shared import keep_compiled_programs
from sinlstm_jax.palette import BASELINES, FORECAST, OBSERVED, WIDE
from sinlstm_jax.plots import legend_below, save_figure
from sinlstm_jax.recipes import DEFAULT_SEED, RECIPES
from tests import torch_cases

from ..pages import DOCS, IMAGES, fill_in, markdown
from . import torch_reference

RECIPE = RECIPES["short-window"]
(STAGE,) = RECIPE.stages
SMOOTH = 50  # iterations that the picture averages over
THRESHOLDS = (1e-6, 1e-3, 1e-1)  # relative differences of the loss


@dataclass(frozen=True)
class Options:
    """Drive this port and PyTorch with one stream of batches and compare their losses."""

    iterations: int = STAGE.iterations
    """How many; the published figures are for the whole short-window run."""
    seed: int = DEFAULT_SEED
    """Of the initial weights (PyTorch's) and of the batches (NumPy's)."""


def main(options: Options) -> None:
    """Measure the distances, train all four, and write the picture and the tables."""
    torch.set_num_threads(1)
    fill_in(DOCS / "porting.md", {"distances": distances_table()})
    losses = {dtype: train(options, dtype) for dtype in ("float32", "float64")}
    fill_in(DOCS / "results.md", {"same-batches": table(losses)})
    plot(IMAGES / "same_batches.png", losses)


def distances_table() -> str:
    """Return the largest distances over all golden fixtures, beside their bounds."""
    sizes = list(itertools.product(torch_cases.WINDOWS, torch_cases.BATCH_SIZES))
    fresh, trained = [], []
    for side in torch_cases.SIDES:
        dtype, name = side[0], ", ".join(side)
        cases = itertools.product(torch_cases.seeds("pass"), sizes)
        distances = farthest(torch_cases.golden_pass(seed, *size, *side) for seed, size in cases)
        cases = itertools.product(torch_cases.seeds("adam"), torch_cases.SETTINGS)
        distances[-1] = max(torch_cases.golden_training(*case, *side) for case in cases)
        fresh.append([name, "fresh", *cells(distances, torch_cases.FRESH[dtype])])
        distances = farthest(torch_cases.golden_trained_pass(*size, *side) for size in sizes)
        one_pass = cells(distances, torch_cases.TRAINED[dtype])[:-1]
        trained.append([name, "trained", *one_pass, "not compared"])
    header = ["dtype, implementation", "weights", "outputs", "loss, relative"]
    header += ["gradients, relative", f"weights after {torch_cases.ITERATIONS} iterations"]
    return markdown(header, fresh + trained)


def farthest(distances) -> np.ndarray:
    """Return the largest of each kind of distance, over several cases."""
    return np.max(list(distances), axis=0)


def cells(distances, bounds) -> list[str]:
    """Return distances beside their bounds, as the table shows them."""
    return [f"{d:.0e} (bound {b:.0e})" for d, b in zip(distances, bounds, strict=True)]


def train(options: Options, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return PyTorch's losses and ours, computed with the implementation that a user gets."""

    def start():
        rng = np.random.RandomState(options.seed)
        batches = sample_batches(rng, RECIPE.batch_size, RECIPE.past, STAGE.horizon, dtype)
        return torch_reference.initial_weights(options.seed), batches, options.iterations

    rates, implementation = (STAGE.learning_rate, STAGE.epsilon), SineLSTM().implementation
    theirs, _ = torch_reference.train(*start(), *rates, np.dtype(dtype))
    ours, _ = torch_cases.train(*start(), STAGE, dtype, implementation)
    return theirs, ours


def table(losses: dict) -> str:
    """Return at which iteration the two sides first differ by how much, and the end."""
    rows = []
    for dtype, (theirs, ours) in losses.items():
        apart = np.abs(ours - theirs) / theirs
        firsts = [
            str(np.argmax(apart > threshold)) if (apart > threshold).any() else "never"
            for threshold in THRESHOLDS
        ]
        ends = [f"{side[-RECIPE.display_every :].mean():.5f}" for side in (theirs, ours)]
        rows.append([dtype, *firsts, f"{apart.max():.1e}", *ends])
    header = ["dtype", *(f"first beyond {threshold:g}" for threshold in THRESHOLDS)]
    header += ["largest", "PyTorch's last average", "ours"]
    return markdown(header, rows)


def plot(path: Path, losses: dict) -> None:
    """Draw both loss curves, one on the other, and below them their difference in each dtype."""
    figure = Figure(figsize=(9, 8.5), layout="constrained")
    upper, *lower = figure.subplots(3, sharex=True)
    theirs, ours = losses["float32"]
    kernel = np.full(SMOOTH, 1 / SMOOTH)
    iterations = np.arange(theirs.size - SMOOTH + 1) + (SMOOTH - 1) / 2
    smooth = [np.convolve(side, kernel, "valid") for side in (theirs, ours)]
    upper.plot(iterations, smooth[0], color=BASELINES[0], label="PyTorch", **WIDE)
    upper.plot(iterations, smooth[1], color=FORECAST, linewidth=1.3, label="this port")
    upper.set(yscale="log", ylabel=f"mean squared error,\naverage of {SMOOTH} iterations")
    upper.set_title("Same initial weights, same batches: the losses in float32")
    upper.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    upper.yaxis.set_major_formatter("{x:g}")
    upper.yaxis.set_minor_formatter("")
    for axes, dtype in zip(lower, ("float32", "float64"), strict=True):
        theirs, ours = losses[dtype]
        apart = np.abs(ours - theirs) / theirs
        apart[apart == 0] = np.nan  # a log axis has no place for equal bits
        axes.plot(apart, color=OBSERVED, linewidth=0.6)
        axes.set(yscale="log", ylim=(1e-17, 10), ylabel="relative difference")
        axes.set_title(f"Difference of the two losses in {dtype}")
        axes.grid(alpha=0.3)
    lower[-1].set_xlabel("iteration")
    legend_below(figure)
    save_figure(figure, path)


if __name__ == "__main__":
    with tidy_exit():
        keep_compiled_programs()
        main(tyro.cli(Options))
