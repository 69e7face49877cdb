"""Running one stage of a run: trained from where it stands, told of, and kept."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
from flax import nnx
from jax.sharding import Mesh
from rich.console import Console

from .checkpoints import Checkpoints
from ..errors import Diverged, Interrupted
from .report import how_it_diverged, last_line, loss_lines
from ..model import SineLSTM
from .pace import Pace
from .progress import RunProgress
from ..recipes import Recipe
from .replicates import fetch, place, place_keys
from .folder import MetricsLog
from .resume import Standing, fresh_standing, save_standing, undo_where_wrong
from ..training import iterations_done, train_chunk, train_stage


class Outputs(NamedTuple):
    """Where a run goes while it trains."""

    console: Console
    progress: RunProgress
    metrics: MetricsLog | None  # None where another process writes it
    checkpoints: Checkpoints
    checkpoint_every: int
    stop_signal: Callable[[], int]


def run_stage(
    recipe: Recipe,
    number: int,
    standing: Standing,
    start_weights: dict,
    data_keys: tuple[jax.Array, ...],
    model: SineLSTM,
    mesh: Mesh | None,
    description: dict,
    outputs: Outputs,
) -> Standing:
    """Train a stage from where it stands to its end; at once there if it is complete.

    `start_weights` are those that the stage started from, `[replicate, ...]`.
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
        outputs.progress.update(done)
        signal = pace.look(done - before)
        if signal or done % outputs.checkpoint_every == 0 or done == stage.iterations:
            seconds = time.monotonic() - started
            reached = fetch(state, len(seeds))
            if done == stage.iterations:
                outputs.console.print(last_line(losses, recipe.display_every))
                reached = undo_where_wrong(stage, start_weights, reached)
                for seed, wrong in zip(seeds, stage.went_wrong(losses), strict=True):
                    if wrong:
                        outputs.console.print(
                            f"  undone for seed {seed}: its loss ends too high, or is no number"
                        )
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


def compile_stage(
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
