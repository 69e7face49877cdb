"""What a run tells: lines while it trains, figures of each stage, the tables at its end."""

import math
from pathlib import Path

import numpy as np
from rich.console import Group
from rich.table import Table

from ..evaluation.errors import held_out_waves, rollout_errors, window_errors
from ..evaluation.tables import error, plain_table
from ..model import SineLSTM
from ..recipe import Recipe, Stage
from ..recipes import RECIPES, TUTORIAL_FIGURES
from ..training import Failure
from .record import CHECKPOINTS, UNTOLD, ReplicateFigures, RunRecord, StageFigures
from .resume import StageState, is_complete

ROLLOUT_WAVES = 64  # held-out waves that a stage's rollout errors are averaged over
ROLLOUT_SEED = 0  # of what is observed of them
INTERVALS = ((0, 400), (400, 900), (900, 1500))  # forecast steps
LATEST = INTERVALS[-1][1]


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


def where_it_starts(recipe: Recipe, reached: list[StageState], out: Path) -> str:
    """Return the line that says what run this is, and where it resumes."""
    if not reached:
        return f"A new run of {recipe.name} in {out}"
    if is_complete(recipe, reached):
        return f"The run in {out} is complete: drawing its pictures again"
    number, iteration = len(reached), reached[-1].iteration
    return f"Resuming the run in {out}, from stage {number}, iteration {iteration}"


def how_it_diverged(number: int, stage: Stage, seeds: list[int], failure: Failure) -> str:
    """Return what to say of a stage in which every replicate failed, `[replicate]`."""
    last = int(np.argmax(failure.iteration))
    way_out = (
        f"try a learning rate below {stage.learning_rate:g}, clipped gradients, or another seed"
    )
    if failure.iteration[last] == 0 and np.isnan(failure.loss[last]):
        way_out = "the signal's values are not all finite; where some are missing, has_gaps is True"
    what = "the run" if len(seeds) == 1 else f"every replicate, seed {seeds[last]} last,"
    return (
        f"{what} diverged in stage {number} at iteration {failure.iteration[last]}, "
        f"loss {failure.loss[last]:g}, gradient norm {failure.gradient_norm[last]:g}: {way_out} "
        "(nothing was saved since)"
    )


def stage_figures(
    recipe: Recipe,
    number: int,
    seeds: list[int],
    models: list[SineLSTM],
    reached: StageState,
    standing: np.ndarray | float = np.inf,
) -> StageFigures:
    """Return what came of a stage that is complete; `standing` as in `Stage.went_wrong`."""
    stage, averaged_over = recipe.stages[number - 1], min(recipe.display_every, reached.iteration)
    replicates = [
        ReplicateFigures(
            seed=seed,
            final_loss=_finite(losses[-1]),
            average_loss=_finite(losses[-averaged_over:].mean()),
            rollout_errors=_rollout_errors(model, recipe, stage.horizon),
            failed_at=None if failed_at < 0 else int(failed_at),
            undone=bool(undone),
        )
        for seed, model, losses, failed_at, undone in zip(
            seeds,
            models,
            reached.losses,
            reached.state.failure.iteration,
            stage.went_wrong(reached.losses, standing),
            strict=True,
        )
    ]
    return StageFigures(
        stage=number,
        horizon=stage.horizon,
        iterations=stage.iterations,
        seconds=round(reached.seconds, 1),
        implementation=reached.implementation,
        averaged_over=averaged_over,
        checkpoint=f"{CHECKPOINTS}/{recipe.ends[number - 1]}",
        replicates=replicates,
    )


def check_held_out(recipe: Recipe) -> None:
    """Raise InputError where what is held out of a recording cannot test each of the stages."""
    if recipe.signal.longest_horizon is not None:
        for stage in recipe.stages:
            last = max(last for _, last in _intervals(recipe, stage.horizon).values())
            recipe.signal.held_out(1, recipe.past, last)


def _intervals(recipe: Recipe, horizon: int) -> dict[str, tuple[int, int]]:
    """Return the forecast steps that a stage's errors are told over, by name."""
    longest = recipe.signal.test_horizon(LATEST, horizon)
    intervals = {"horizon": (0, horizon)}
    return intervals | {f"{a}-{b}": (a, b) for a, b in INTERVALS if b <= longest}


def _rollout_errors(model: SineLSTM, recipe: Recipe, horizon: int) -> dict[str, float | None]:
    """Return mean squared errors over forecast steps: over the stage's horizon, and beyond.

    They are of the recipe's own signal, observed as it says; of a recording, as far as what is held
    out goes.
    """
    signal, past = recipe.signal, recipe.past
    intervals = _intervals(recipe, horizon)
    spans = list(intervals.values())
    if recipe.is_of_the_tutorials_waves:  # known in float64, at any step
        errors = rollout_errors(model, *held_out_waves(ROLLOUT_WAVES), spans, past)
    else:
        windows = signal.held_out(ROLLOUT_WAVES, past, max(last for _, last in spans))
        history = recipe.observation.shown(windows, past, ROLLOUT_SEED)
        errors = window_errors(model, history, windows.values[past:], spans)
    means = [row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan for row in errors]
    return {name: _finite(value) for name, value in zip(intervals, means, strict=True)}


def _finite(value: float) -> float | None:
    """Return a number as JSON knows it: it has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def closing_table(record: RunRecord) -> Group:
    """Lay out a run's losses beside the tutorial's printed ones, and its rollout errors.

    Of several replicates, figures are the median of those that have not failed, and below it from
    where to where they go.
    """
    return Group(losses_table(record), "", rollout_table(record))


def losses_table(record: RunRecord) -> Table:
    """Lay out a run's losses beside those that the tutorial prints for its own run.

    Of several replicates only the average losses, and how many have failed.
    """
    alone = record.replicates == 1
    seeds = f"seed {record.seed}"
    if not alone:
        seeds = f"seeds {record.seeds[0]} to {record.seeds[-1]}"
    averaged_over = {figures.averaged_over for figures in record.figures}
    of = f"of {averaged_over.pop()}" if len(averaged_over) == 1 else "loss"
    rows = []
    for figures, printed in zip(record.figures, _tutorial_figures(record), strict=True):
        final = [each.final_loss for each in figures.healthy]
        average = [each.average_loss for each in figures.healthy]
        row = {
            "horizon": str(figures.horizon),
            "iterations": str(figures.iterations),
            "seconds": f"{figures.seconds:.0f}",
        }
        if alone:
            row["final\nloss"] = _median_and_range(figures, final)
        row[f"average\n{of}"] = _median_and_range(figures, average)
        if printed and alone:
            row["tutorial's\nfinal"] = error(printed[0])
        if printed:
            row["tutorial's\naverage"] = error(printed[1])
        if not alone:
            row["failed"] = _failed(figures)
        rows.append(row)
    return plain_table(f"{record.recipe}, {seeds}", rows)


def rollout_table(record: RunRecord) -> Table:
    """Lay out how far each stage's model goes on, over its horizon and beyond."""
    title = f"Rollout: mean squared error over {ROLLOUT_WAVES} waves (answering 0 scores 0.5)"
    if any(getattr(record, name) != UNTOLD[name] for name in ("signal", "observation")):
        title = "Rollout: mean squared error on the run's own signal"
    rows = []
    for figures in record.figures:
        row = {"horizon": str(figures.horizon)}
        for name in figures.replicates[0].rollout_errors:
            column = "steps 0 to\nhorizon" if name == "horizon" else name.replace("-", " to ")
            errors = [each.rollout_errors[name] for each in figures.healthy]
            row[column] = _median_and_range(figures, errors)
        rows.append(row)
    return plain_table(title, rows)


def _median_and_range(figures: StageFigures, values: list[float | None]) -> str:
    """Return values of a stage's healthy replicates as text: the median, below it the range."""
    numbers = [np.inf if value is None else value for value in values]
    if len(figures.replicates) == 1:
        return error(numbers[0])
    return f"{error(np.median(numbers))}\n{error(min(numbers))} to {error(max(numbers))}"


def _failed(figures: StageFigures) -> str:
    """Return how many replicates have failed, and which."""
    seeds = [each.seed for each in figures.replicates if each.failed_at is not None]
    if not seeds:
        return "none"
    return f"{len(seeds)} of {len(figures.replicates)}:\nseed " + ", ".join(map(str, seeds))


def _tutorial_figures(record: RunRecord) -> tuple:
    """Return what the tutorial prints for each stage: nothing for a run that it does not have.

    Nor for averages over another number of losses.
    """
    nothing, recipe = ((),) * len(record.figures), RECIPES.get(record.recipe)
    if recipe is None or record.figures[0].averaged_over != recipe.display_every:
        return nothing
    its_own = RunRecord.new(recipe, record.seeds, device="", implementation="")
    same = "network hidden_size batch_size past stages signal observation".split()
    if any(getattr(record, name) != getattr(its_own, name) for name in same):
        return nothing
    return TUTORIAL_FIGURES.get(recipe.name, nothing)
