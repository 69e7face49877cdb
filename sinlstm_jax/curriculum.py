"""Running a recipe: from its first stage, or from where it was stopped, to its last picture."""

import contextlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh
from rich.console import Console

from .errors import InputError, Interrupted, positive_integer
from .files import usable_path, writing_to
from .model import SineLSTM, initial_model, split_model
from .recipes import Recipe
from .runs.background import Background
from .runs.checkpoints import Checkpoints
from .runs.folder import MetricsLog, open_run, write_description
from .runs.loading import CHECKPOINTS
from .runs.pictures import draw_long_term, draw_stage
from .runs.processes import from_first, is_first
from .runs.progress import RunProgress, Work
from .runs.replicates import replicate_mesh, stack, take
from .runs.report import (
    median_replicate,
    stage_figures,
    where_it_starts,
)
from .runs.resume import (
    Standing,
    fresh_standing,
    is_complete,
    restore_standings,
    whole_steps,
)
from .runs.seeds import run_keys, run_seeds
from .runs.stage import Outputs, compile_stage, run_stage


def run(
    recipe: Recipe,
    seed: int,
    out: str | Path,
    *,
    replicates: int = 1,
    checkpoint_every: int = 2500,
    implementation: str = "auto",
    console: Console | None = None,
    stop_signal: Callable[[], int] = lambda: 0,
) -> dict:
    """Train a recipe's stages, keep a checkpoint of each, and draw what they learnt.

    A run that was stopped goes on from its latest checkpoint, to the very weights it would have
    had; one that is complete only has its pictures drawn again. Of several processes all call it
    alike, with one folder that all can reach; the first one prints and writes.

    Args:
      recipe: what to train.
      seed: decides initial weights, training data and the waves of the pictures.
      out: the run's folder.
      replicates: how many seeds to train at once, counted up from `seed`, each as it would be
        alone but for rounding, on all devices. One whose loss, gradient or weights are no longer
        finite stays where it was; where its stage has `undo_above`, where that began.
      checkpoint_every: iterations between checkpoints within a stage.
      implementation: what computes the LSTM, "scan", "fused" or "auto"; with "auto", a run that
        was stopped goes on with the one that it began with.
      console: where to print; standard output if not given.
      stop_signal: asked about every second whether to save and stop: the number of a signal, or 0.

    Returns:
      The run's description as in its run.json: what it is, and figures for each stage.

    Raises:
      InputError: an argument, or what is in `out`, does not fit, or another run is at work there.
      Diverged: no replicate is left; the last checkpoint is from before.
      Interrupted: `stop_signal` returned one; a checkpoint was saved.
      SaveFailed: `out` can no longer be written; the last checkpoint is as it was.
    """
    checkpoint_every = positive_integer("checkpoint_every", checkpoint_every)
    seeds = run_seeds(seed, replicates)
    if console is None:
        console = Console(highlight=False, markup=False, soft_wrap=True, quiet=not is_first())
    if not isinstance(recipe, Recipe):
        raise InputError(f"recipe is {recipe!r}: give a Recipe, such as RECIPES['smoke']")
    out, mesh = usable_path(out), replicate_mesh(len(seeds))
    with contextlib.ExitStack() as files:
        identity, device = _identity(recipe, seeds), _device_name(mesh)
        description, now = from_first(
            lambda: files.enter_context(open_run(out, identity, device, implementation))
        )
        files.enter_context(writing_to(out))
        weights_keys, data_keys = zip(*map(run_keys, seeds), strict=True)
        models = [
            initial_model(recipe.hidden_size, key, now["implementation"]) for key in weights_keys
        ]
        checkpoints = files.enter_context(Checkpoints(out / CHECKPOINTS, keep=recipe.ends))
        background = files.enter_context(Background())
        steps, wrong = from_first(lambda: whole_steps(recipe, checkpoints))
        for line in wrong:
            console.print(line)
        standings = restore_standings(recipe, models, checkpoints, steps)
        if not is_complete(recipe, standings):  # else it stays what it was computed with
            description |= now
        console.print(where_it_starts(recipe, standings, out))
        console.print(f"Computing on {now['device']}, LSTM: {now['implementation']}")
        work = [Work(stage.iterations, recipe.past + stage.horizon) for stage in recipe.stages]
        metrics = None
        if is_first():
            histories = [standing.losses for standing in standings]
            metrics = files.enter_context(MetricsLog(out, seeds, histories))
        with RunProgress(console, work) as progress:
            outputs = Outputs(
                console, progress, metrics, checkpoints, checkpoint_every, stop_signal
            )
            for number, stage in enumerate(recipe.stages, 1):
                if number > len(standings):
                    before = standings[-1] if standings else None
                    standings.append(fresh_standing(stage, models, before, now["implementation"]))
                if len(recipe.stages) > number >= len(standings):
                    background.start(compile_stage, recipe, number + 1, models, data_keys, mesh)
                start_weights = stack([split_model(model)[1] for model in models])
                standing = run_stage(
                    recipe, number, standings[number - 1], start_weights, data_keys, models[0],
                    mesh, description, outputs,
                )  # fmt: skip
                standings[number - 1] = standing
                models = _models(models[0], standing)
                figures = stage_figures(recipe, number, seeds, models, standing)
                description["figures"][number - 1 : number] = [figures]
                if is_first():
                    write_description(out, description)
                    shown = median_replicate(figures)
                    background.start(
                        draw_stage,
                        out,
                        number,
                        models[shown],
                        standing.losses,
                        horizon=stage.horizon,
                        past=recipe.past,
                        average_over=recipe.display_every,
                        seed=seed,
                        whose=_whose(recipe, seeds),
                        whose_model=_whose(recipe, seeds, shown),
                    )
        if is_first():
            shown = median_replicate(description["figures"][-1])
            background.start(
                draw_long_term,
                out,
                models[shown],
                past=recipe.past,
                seed=seed,
                whose_model=_whose(recipe, seeds, shown),
            )
        if signal := background.finish(stop_signal):
            raise Interrupted("stopped with all trained: the same command draws pictures", signal)
    return description


def _models(model: SineLSTM, standing: Standing) -> list[SineLSTM]:
    """Return the models of all replicates, of the structure of one."""
    state, structure = standing.state, nnx.graphdef(model)
    return [
        nnx.merge(structure, *take((state.weights, state.frozen), k))
        for k in range(len(state.losses))
    ]


def _identity(recipe: Recipe, seeds: list[int]) -> dict:
    return {
        "recipe": recipe.name,
        "seed": seeds[0],
        "replicates": len(seeds),
        "seeds": seeds,
        "hidden_size": recipe.hidden_size,
        "batch_size": recipe.batch_size,
        "past": recipe.past,
        "stages": [asdict(stage) for stage in recipe.stages],
    }


def _whose(recipe: Recipe, seeds: list[int], shown: int | None = None) -> str:
    """Return how pictures call a run, or of its replicates the one that is shown."""
    if len(seeds) == 1:
        return f"{recipe.name}, seed {seeds[0]}"
    if shown is None:
        return f"{recipe.name}, seeds {seeds[0]} to {seeds[-1]}"
    return f"{recipe.name}, seed {seeds[shown]}, the median of {len(seeds)}"


def _device_name(mesh: Mesh | None) -> str:
    if mesh is not None:
        return f"{mesh.size} x {mesh.devices.flat[0].device_kind}"
    (device,) = jnp.zeros(()).devices()
    return device.device_kind
