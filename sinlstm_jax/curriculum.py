"""Running a recipe: from its first stage, or from where it was stopped, to its last picture."""

import logging
from collections import deque
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from rich.console import Console

from .errors import InputError, Interrupted, positive_integer
from .files import usable_path
from .kernel.choice import known_implementation
from .model import SineLSTM
from .recipe import Recipe
from .runs.background import Background
from .runs.folder import Run, open_run
from .runs.pictures import Shown, draw_long_term, draw_stage
from .runs.processes import from_first, is_first
from .runs.progress import RunProgress
from .runs.replicates import fresh_models, merge_models, replicate_mesh, run_seeds
from .runs.report import check_held_out, stage_figures, where_it_starts
from .runs.resume import StageState, is_complete, restore_stages, steps_to_resume
from .runs.signals import keep_signal
from .runs.stage import StageTrainer
from .runs.tensorboard import LossBoard
from .signals.batches import check_windows

_LOG = logging.getLogger("sinlstm_jax")


def run(
    recipe: Recipe,
    seed: int,
    out: str | Path,
    *,
    replicates: int = 1,
    checkpoint_every: int = 2500,
    implementation: str = "auto",
    pictures: bool = True,
    tensorboard: bool = False,
    console: Console | None = None,
    stop_signal: Callable[[], int] = lambda: 0,
) -> dict:
    """Train a recipe's stages, keep a checkpoint of each, and draw what they learnt.

    A run that was stopped is resumed from its latest checkpoint, to the very weights it would have
    had; one that is complete only has its pictures drawn again. Of several processes all call it
    alike, with one folder that all can reach; the first one prints and writes.

    Args:
      recipe: what to train.
      seed: decides initial weights, training data and the waves of the pictures.
      out: the run's folder.
      replicates: how many seeds to train at once, counted up from `seed`, each as it would be
        alone, on CPU to the bit, on all devices. One whose loss, gradient or weights are no longer
        finite stays where it was; where its stage has `undo_above`, where that began; where it
        begins afresh, where it was before.
      checkpoint_every: iterations between checkpoints within a stage.
      implementation: what computes the LSTM, "scan", "fused" or "auto"; with "auto", a run that
        was stopped is resumed with the one that it began with.
      pictures: whether to draw what stages learnt.
      tensorboard: whether to leave losses for TensorBoard in the folder, too.
      console: where to print; standard output if not given.
      stop_signal: asked about every second whether to save and stop: the number of a signal, or 0.

    Returns:
      The run's record as in its run.json: what it is, and figures for each stage.

    Raises:
      InputError: an argument, or what is in `out`, does not fit, or another run is using it.
      Diverged: no replicate is left; the last checkpoint is from before.
      Interrupted: `stop_signal` returned one; a checkpoint was saved.
      SaveFailed: `out` can no longer be written; the last checkpoint is as it was.
    """
    checkpoint_every = positive_integer("checkpoint_every", checkpoint_every)
    seeds = run_seeds(seed, replicates)
    mesh = replicate_mesh(len(seeds))
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe is {recipe!r}: give a Recipe, such as RECIPES['smoke']")
    for stage in recipe.stages:
        check_windows(
            recipe.signal,
            recipe.observation_of(stage),
            recipe.past_of(stage),
            stage.horizon,
            recipe.batch_size,
        )
    check_held_out(recipe)
    implementation = known_implementation(implementation)
    if console is None:
        console = Console(highlight=False, markup=False, soft_wrap=True, quiet=not is_first())
    out, device = usable_path(out), _device_name(mesh)
    board = nullcontext()
    if tensorboard and is_first():
        board = LossBoard(out, recipe, seeds)
    opened = open_run(out, recipe, seeds, device=device, implementation=implementation)
    with opened as folder, board as folder.board, Background() as background:
        if is_first():
            keep_signal(out, recipe.signal)
        models = fresh_models(recipe, seeds, folder.now.implementation)
        resumed = deque(_resume(folder, recipe, models, console))
        end, standing = None, np.full(len(seeds), np.inf)  # the losses that models ended at
        with RunProgress(console, recipe) as progress:
            trainer = StageTrainer(
                recipe, seeds, mesh, folder, console, progress, checkpoint_every, stop_signal
            )
            for number in range(1, len(recipe.stages) + 1):
                start = resumed.popleft() if resumed else trainer.begin(number, models, end)
                next_one = None
                if not resumed and number < len(recipe.stages):
                    next_one = partial(background.start, trainer.compile_ahead, number + 1, models)
                end = trainer.train(number, models, start, standing, once_compiled=next_one)
                models = merge_models(models[0], end.state)
                figures = stage_figures(recipe, number, seeds, models, end, standing)
                standing = recipe.stages[number - 1].ended_at(end.losses, standing)
                folder.finish_stage(figures)
                shown = Shown(seeds, figures.median_replicate, models)
                if pictures and is_first():
                    background.start(draw_stage, out, recipe, number, shown, end.losses)
        if pictures and is_first():
            background.start(draw_long_term, out, recipe, shown)
        if signal := background.finish(stop_signal):
            raise Interrupted("stopped with all trained: the same command draws pictures", signal)
    return folder.record.to_json()


def _resume(
    folder: Run, recipe: Recipe, models: list[SineLSTM], console: Console
) -> list[StageState]:
    """Return how far each stage that was begun is trained, and print where the run resumes."""
    steps, wrong = from_first(lambda: steps_to_resume(recipe, folder.checkpoints))
    for line in wrong:
        console.print(line)
        if console.quiet and is_first():  # a warning is to be seen all the same
            _LOG.warning(line)
    reached = restore_stages(recipe, models, folder.checkpoints, steps)
    if not is_complete(recipe, reached):  # else it stays what it was computed with
        folder.compute_here()
    console.print(where_it_starts(recipe, reached, folder.path))
    if not recipe.is_of_the_tutorials_waves:
        console.print(f"Learning {recipe.describe_signal()}")
    console.print(f"Computing on {folder.now.device}, LSTM: {folder.now.implementation}")
    folder.begin_losses([stage.losses for stage in reached])
    return reached


def _device_name(mesh: Mesh | None) -> str:
    if mesh is not None:
        return f"{mesh.size} x {mesh.devices.flat[0].device_kind}"
    (device,) = jnp.zeros(()).devices()
    return device.device_kind
