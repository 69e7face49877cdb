"""Running a recipe: from its first stage, or from where it was stopped, to its last picture."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh
from rich.console import Console

from .background import Background
from .checkpoints import Checkpoints
from .errors import Diverged, InputError, Interrupted, positive_integer
from .figures import (
    how_it_diverged,
    last_line,
    loss_lines,
    median_replicate,
    stage_figures,
    where_it_starts,
)
from .files import as_path, writing_to
from .loading import CHECKPOINTS
from .model import SineLSTM, initial_model, split_model
from .pace import Pace
from .pictures import draw_long_term, draw_stage
from .processes import from_first, is_first
from .progress import RunProgress, Work
from .recipes import Recipe
from .replicates import fetch, place, place_keys, replicate_mesh, stack, take
from .run_folder import MetricsLog, open_run, write_description
from .seeds import run_keys, run_seeds
from .standing import (
    Standing,
    fresh_standing,
    is_complete,
    restore_standings,
    save_standing,
    undo_where_wrong,
    whole_steps,
)
from .training import iterations_done, train_chunk, train_stage


class _Outputs(NamedTuple):
    """Where a run goes while it trains."""

    console: Console
    progress: RunProgress
    metrics: MetricsLog | None  # None where another process writes it
    checkpoints: Checkpoints
    checkpoint_every: int
    stop_signal: Callable[[], int]


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
        alone, on all devices. One whose loss, gradient or weights are no longer finite stays where
        it was.
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
    out, mesh = as_path(out), replicate_mesh(len(seeds))
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
            outputs = _Outputs(
                console, progress, metrics, checkpoints, checkpoint_every, stop_signal
            )
            for number, stage in enumerate(recipe.stages, 1):
                if number > len(standings):
                    before = standings[-1] if standings else None
                    standings.append(fresh_standing(stage, models, before, now["implementation"]))
                if len(recipe.stages) > number >= len(standings):
                    background.start(_compile, recipe, number + 1, models, data_keys, mesh)
                first = stack([split_model(model)[1] for model in models])
                standing = _train(
                    recipe, number, standings[number - 1], first, data_keys, models[0], mesh,
                    description, outputs,
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


def _train(
    recipe: Recipe,
    number: int,
    standing: Standing,
    first: dict,
    data_keys: tuple[jax.Array, ...],
    model: SineLSTM,
    mesh: Mesh | None,
    description: dict,
    outputs: _Outputs,
) -> Standing:
    """Train a stage from where it stands to its end; at once there if it is complete.

    `first` are the weights that the stage started from, `[replicate, ...]`.
    """
    stage, seeds = recipe.stages[number - 1], description["seeds"]
    done = standing.iteration
    if done == stage.iterations:
        return standing
    pace = Pace(outputs.stop_signal)
    _stop_at(pace.look(0), number, done, outputs.checkpoints)
    outputs.console.print(f"stage {number}: {stage.describe()}")
    outputs.progress.start_stage(number)
    started = time.monotonic() - standing.seconds
    implementation = standing.implementation
    if not implementation.endswith(description["implementation"]):
        implementation += ", then " + description["implementation"]
    for state in train_stage(
        place(standing.state, mesh),
        _stage_keys(data_keys, number, mesh),
        pause_every=(recipe.display_every, outputs.checkpoint_every),
        pause_after=lambda: pace.iterations,
        **_settings(recipe, number, model, mesh),
    ):
        before, done = done, iterations_done(state)
        losses, failure = fetch((state.losses, state.failure), len(seeds))
        losses = losses[:, :done]
        if outputs.metrics is not None:
            outputs.metrics.append(number, before, losses[:, before:])
        if (failure.iteration >= 0).all():
            raise Diverged(how_it_diverged(number, stage, seeds, failure))
        for line in loss_lines(losses, before, recipe.display_every):
            outputs.console.print(line)
        if done == stage.iterations:
            outputs.console.print(last_line(losses, recipe.display_every))
        outputs.progress.update(done)
        signal = pace.look(done - before)
        if signal or done % outputs.checkpoint_every == 0 or done == stage.iterations:
            seconds = time.monotonic() - started
            reached = fetch(state, len(seeds))
            if done == stage.iterations:
                reached = undo_where_wrong(stage, first, reached)
                for seed, wrong in zip(seeds, stage.went_wrong(losses), strict=True):
                    if wrong:
                        outputs.console.print(f"  undone for seed {seed}: its loss ends too high")
            standing = Standing(reached, seconds, implementation)
            save_standing(outputs.checkpoints, recipe, number, standing, description)
        _stop_at(signal, number, done, outputs.checkpoints)
    return standing


def _stop_at(signal: int, number: int, done: int, checkpoints: Checkpoints) -> None:
    """Raise Interrupted where a signal came, when all is saved."""
    if signal:
        checkpoints.wait()
        raise Interrupted(
            f"stopped at stage {number}, iteration {done}: the same command goes on from there",
            signal,
        )


def _settings(recipe: Recipe, number: int, model: SineLSTM, mesh: Mesh | None) -> dict:
    """Return what is static in the program that trains a stage."""
    stage = recipe.stages[number - 1]
    return {
        "structure": nnx.graphdef(model),
        "optimizer": stage.optimizer(),
        "batch_size": recipe.batch_size,
        "past": recipe.past,
        "horizon": stage.horizon,
        "mesh": mesh,
    }


def _stage_keys(data_keys: tuple[jax.Array, ...], number: int, mesh: Mesh | None) -> jax.Array:
    return place_keys([jax.random.fold_in(key, number) for key in data_keys], mesh)


def _compile(
    recipe: Recipe,
    number: int,
    models: list[SineLSTM],
    data_keys: tuple[jax.Array, ...],
    mesh: Mesh | None,
) -> None:
    """Have the program compiled that will train a stage, by training it for no iteration."""
    state = fresh_standing(recipe.stages[number - 1], models, None, "").state
    keys = _stage_keys(data_keys, number, mesh)
    train_chunk(place(state, mesh), keys, 0, **_settings(recipe, number, models[0], mesh))


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
