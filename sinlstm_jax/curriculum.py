"""Running a recipe: from its first stage, or from where it was stopped, to its last picture."""

import contextlib
import time
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh
from rich.console import Console

from .background import Background
from .checkpoints import Checkpoints
from .errors import Diverged, InputError, positive_integer
from .figures import loss_lines, median_replicate, stage_figures
from .loading import CHECKPOINTS
from .model import SineLSTM, initial_model, split_model
from .pictures import draw_long_term, draw_stage
from .processes import from_first, is_first
from .progress import RunProgress, Work
from .recipes import Recipe, Stage
from .replicates import fetch, place, place_keys, replicate_mesh, stack, take
from .run_folder import MetricsLog, open_run, write_description
from .standing import (
    Standing,
    fresh_standing,
    restore_standings,
    save_standing,
    undo_where_wrong,
)
from .training import iterations_done, train_chunk, train_stage

LOOK_EVERY = 100  # iterations between two looks at the device, about half a second


class _Outputs(NamedTuple):
    """Where a run goes while it trains."""

    console: Console
    progress: RunProgress
    metrics: MetricsLog | None  # None where another process writes it
    checkpoints: Checkpoints
    checkpoint_every: int


def run_seeds(seed: int, replicates: int) -> list[int]:
    """Return the seeds of a run's replicates, one after the other.

    Raises:
      InputError: there is no replicate, or a seed is not a whole number from 0 to 2**32 - 1.
    """
    replicates = positive_integer("replicates", replicates)
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed!r}: give a whole number from 0 to {2**32 - 1}")
    if seed + replicates > 2**32:
        raise InputError(
            f"seed is {seed} and replicates {replicates}: give a seed of at most "
            f"{2**32 - replicates}, since theirs are counted up from it"
        )
    return list(range(seed, seed + replicates))


def run_keys(seed: int) -> tuple[jax.Array, jax.Array]:
    """Return (key of the initial weights, key of the data) for a replicate's seed.

    Stage k, from 1 on, trains with `fold_in(data key, k)`.
    """
    weights_key, data_key = jax.random.split(jax.random.key(np.uint32(seed)))
    return weights_key, data_key


def run(
    recipe: Recipe,
    seed: int,
    out: str | Path,
    *,
    replicates: int = 1,
    checkpoint_every: int = 2500,
    implementation: str = "auto",
    console: Console | None = None,
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

    Returns:
      The run's description as in its run.json: what it is, and figures for each stage.

    Raises:
      InputError: an argument, or what is in `out`, does not fit.
      Diverged: no replicate is left; the last checkpoint is from before.
    """
    checkpoint_every = positive_integer("checkpoint_every", checkpoint_every)
    seeds = run_seeds(seed, replicates)
    if console is None:
        console = Console(highlight=False, markup=False, soft_wrap=True, quiet=not is_first())
    out, mesh = Path(out), replicate_mesh(len(seeds))
    description = from_first(
        lambda: open_run(out, _identity(recipe, seeds), _device_name(mesh), implementation)
    )
    weights_keys, data_keys = zip(*map(run_keys, seeds), strict=True)
    models = [
        initial_model(recipe.hidden_size, key, description["implementation"])
        for key in weights_keys
    ]

    with (
        Checkpoints(out / CHECKPOINTS, keep=recipe.ends) as checkpoints,
        Background() as background,
        contextlib.ExitStack() as files,
    ):
        standings = restore_standings(recipe, models, checkpoints)
        console.print(_where_it_starts(recipe, standings, out))
        console.print(f"Computing on {description['device']}, LSTM: {models[0].implementation}")
        work = [Work(stage.iterations, recipe.past + stage.horizon) for stage in recipe.stages]
        metrics = None
        if is_first():
            histories = [standing.losses for standing in standings]
            metrics = files.enter_context(MetricsLog(out, seeds, histories))
        with RunProgress(console, work) as progress:
            outputs = _Outputs(console, progress, metrics, checkpoints, checkpoint_every)
            for number, stage in enumerate(recipe.stages, 1):
                if number > len(standings):
                    before = standings[-1] if standings else None
                    implementation = description["implementation"]
                    standings.append(fresh_standing(stage, models, before, implementation))
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
                        note=_picture_note(seeds, shown),
                    )
        if is_first():
            background.start(
                draw_long_term,
                out,
                models[shown],
                past=recipe.past,
                seed=seed,
                note=_picture_note(seeds, shown),
            )
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
    outputs.console.print(f"stage {number}: {stage.describe()}")
    outputs.progress.start_stage(number)
    started = time.monotonic() - standing.seconds
    implementation = standing.implementation
    if not implementation.endswith(description["implementation"]):
        implementation += ", then " + description["implementation"]
    for state in train_stage(
        place(standing.state, mesh),
        _stage_keys(data_keys, number, mesh),
        pause_every=(LOOK_EVERY, recipe.display_every, outputs.checkpoint_every),
        **_settings(recipe, number, model, mesh),
    ):
        before, done = done, iterations_done(state)
        losses, failure = fetch((state.losses, state.failure), len(seeds))
        losses = losses[:, :done]
        if outputs.metrics is not None:
            outputs.metrics.append(number, before, losses[:, before:])
        if (failure.iteration >= 0).all():
            raise Diverged(_how_it_diverged(number, stage, seeds, failure))
        for line in loss_lines(losses, before, recipe.display_every):
            outputs.console.print(line)
        outputs.progress.update(done)
        if done % outputs.checkpoint_every == 0 or done == stage.iterations:
            seconds = time.monotonic() - started
            reached = fetch(state, len(seeds))
            if done == stage.iterations:
                reached = undo_where_wrong(stage, first, reached)
                for seed, wrong in zip(seeds, stage.went_wrong(losses), strict=True):
                    if wrong:
                        outputs.console.print(f"  undone for seed {seed}: its loss ends too high")
            standing = Standing(reached, seconds, implementation)
            save_standing(outputs.checkpoints, recipe, number, standing, description)
    return standing


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


def _how_it_diverged(number: int, stage: Stage, seeds: list[int], failure) -> str:
    last = int(np.argmax(failure.iteration))
    what = "the run" if len(seeds) == 1 else f"every replicate, seed {seeds[last]} last,"
    return (
        f"{what} diverged in stage {number} at iteration {failure.iteration[last]}, "
        f"loss {failure.loss[last]:g}, gradient norm {failure.gradient_norm[last]:g}: try a "
        f"learning rate below {stage.learning_rate:g}, clipped gradients, or another seed "
        "(nothing was saved since)"
    )


def _picture_note(seeds: list[int], shown: int) -> str:
    if len(seeds) == 1:
        return ""
    return f" (seed {seeds[shown]}, the median of {len(seeds)})"


def _where_it_starts(recipe: Recipe, standings: list[Standing], out: Path) -> str:
    if not standings:
        return f"A new run of {recipe.name} in {out}"
    number, iteration = len(standings), standings[-1].iteration
    if number == len(recipe.stages) and iteration == recipe.stages[-1].iterations:
        return f"The run in {out} is complete: drawing its pictures again"
    return f"Going on with the run in {out}, from stage {number}, iteration {iteration}"


def _device_name(mesh: Mesh | None) -> str:
    if mesh is not None:
        return f"{mesh.size} x {mesh.devices.flat[0].device_kind}"
    (device,) = jnp.zeros(()).devices()
    return device.device_kind
