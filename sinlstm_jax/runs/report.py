"""What a run tells: lines to print while it trains, figures of each stage."""

import math
from pathlib import Path

import numpy as np

from ..evaluation.errors import held_out_waves, rollout_errors
from .loading import CHECKPOINTS
from ..model import SineLSTM
from ..recipes import Recipe, Stage
from .resume import Standing, is_complete
from ..training import Failure

ROLLOUT_WAVES = 64  # held-out waves that a stage's rollout errors are averaged over


def loss_lines(losses: np.ndarray, start: int, every: int) -> list[str]:
    """Return the lines the tutorial prints from iteration `start` on, given all losses so far.

    At each multiple of `every`: the loss there, and the average of the `every` losses before it.
    Losses are `[replicate, iterations]`; of several replicates, the lines have the median of those
    that have not failed, and from where to where they go.
    """
    lines = []
    for i in range(-(-start // every) * every, losses.shape[1], every):
        before = losses[:, i - every : i] if i else None
        lines.append(_loss_line(f"step {i:6d}", losses[:, i], before))
    return lines


def last_line(losses: np.ndarray, every: int) -> str:
    """Return the line that ends a stage, given all its losses: the last, and the last average."""
    return _loss_line(f"done {losses.shape[1]:6d}", losses[:, -1], losses[:, -every:])


def _loss_line(where: str, losses: np.ndarray, averaged: np.ndarray | None) -> str:
    line = f"  {where}  loss {_spread(losses)}"
    if averaged is not None:
        line += f"  avg loss {_spread(averaged.mean(axis=1))}"
    failed = np.count_nonzero(np.isnan(losses))
    return line + (f"  {failed} failed" if failed else "")


def _spread(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return "nan"
    median = f"{np.median(finite):.6f}"
    return median if values.size == 1 else f"{median} ({finite.min():.6f} to {finite.max():.6f})"


def where_it_starts(recipe: Recipe, standings: list[Standing], out: Path) -> str:
    """Return the line that says what run this is, and from where it goes on."""
    if not standings:
        return f"A new run of {recipe.name} in {out}"
    if is_complete(recipe, standings):
        return f"The run in {out} is complete: drawing its pictures again"
    number, iteration = len(standings), standings[-1].iteration
    return f"Going on with the run in {out}, from stage {number}, iteration {iteration}"


def how_it_diverged(number: int, stage: Stage, seeds: list[int], failure: Failure) -> str:
    """Return what to say of a stage in which every replicate failed, `[replicate]`."""
    last = int(np.argmax(failure.iteration))
    what = "the run" if len(seeds) == 1 else f"every replicate, seed {seeds[last]} last,"
    return (
        f"{what} diverged in stage {number} at iteration {failure.iteration[last]}, "
        f"loss {failure.loss[last]:g}, gradient norm {failure.gradient_norm[last]:g}: try a "
        f"learning rate below {stage.learning_rate:g}, clipped gradients, or another seed "
        "(nothing was saved since)"
    )


def stage_figures(
    recipe: Recipe, number: int, seeds: list[int], models: list[SineLSTM], standing: Standing
) -> dict:
    """Return what run.json tells of a stage that is complete; None for what is not finite."""
    stage, averaged_over = recipe.stages[number - 1], min(recipe.display_every, standing.iteration)
    replicates = [
        {
            "seed": seed,
            "final_loss": _finite(losses[-1]),
            "average_loss": _finite(losses[-averaged_over:].mean()),
            "rollout_errors": _rollout_errors(model, stage.horizon, recipe.past),
            "failed_at": None if failed_at < 0 else int(failed_at),
            "undone": bool(undone),
        }
        for seed, model, losses, failed_at, undone in zip(
            seeds,
            models,
            standing.losses,
            standing.state.failure.iteration,
            stage.went_wrong(standing.losses),
            strict=True,
        )
    ]
    return {
        "stage": number,
        "horizon": stage.horizon,
        "iterations": stage.iterations,
        "seconds": round(standing.seconds, 1),
        "implementation": standing.implementation,
        "averaged_over": averaged_over,
        "checkpoint": f"{CHECKPOINTS}/{recipe.ends[number - 1]}",
        "replicates": replicates,
    }


def healthy_replicates(figures: dict) -> list[dict]:
    """Return a stage's figures of the replicates that have not failed."""
    return [each for each in figures["replicates"] if each["failed_at"] is None]


def median_replicate(figures: dict) -> int:
    """Return which replicate has the median average loss among those that have not failed."""
    healthy = sorted(healthy_replicates(figures), key=lambda each: each["average_loss"])
    return figures["replicates"].index(healthy[(len(healthy) - 1) // 2])


def _rollout_errors(model: SineLSTM, horizon: int, past: int) -> dict[str, float | None]:
    """Return mean squared errors over forecast steps: over the stage's horizon, and beyond."""
    intervals = {"horizon": (0, horizon)}
    intervals |= {f"{a}-{b}": (a, b) for a, b in ((0, 400), (400, 900), (900, 1500))}
    waves = held_out_waves(ROLLOUT_WAVES)
    errors = rollout_errors(model, *waves, list(intervals.values()), past).mean(axis=1)
    return {name: _finite(value) for name, value in zip(intervals, errors, strict=True)}


def _finite(value: np.floating) -> float | None:
    """Return a number as JSON knows it: it has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None
