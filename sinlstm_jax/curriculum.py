"""Running a recipe: from its first stage, or from where it was stopped, to its last picture."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from rich.console import Console

from .checkpoints import Checkpoints
from .errors import InputError, positive_integer
from .evaluation import held_out_waves, rollout_errors
from .loading import CHECKPOINTS
from .model import SineLSTM, initial_model, split_model
from .pictures import draw_long_term, draw_stage
from .progress import RunProgress, Work
from .recipes import Recipe, Stage
from .run_folder import MetricsLog, open_run, write_description
from .training import TrainState, init_state, train_chunk, train_stage

ROLLOUT_WAVES = 64  # held-out waves that a stage's rollout errors are averaged over
LOOK_EVERY = 100  # iterations between two looks at the device, about half a second


class Standing(NamedTuple):
    """Where a stage stands."""

    state: TrainState
    seconds: float  # spent on it, over all sessions
    implementation: str  # that computed it; of several, all in order


class _Outputs(NamedTuple):
    """Where a run goes while it trains."""

    console: Console
    progress: RunProgress
    metrics: MetricsLog
    checkpoints: Checkpoints
    checkpoint_every: int


def run_keys(seed: int) -> tuple[jax.Array, jax.Array]:
    """Return (key of the initial weights, key of the data) for a run's seed.

    Stage k, from 1 on, trains with `fold_in(data key, k)`.

    Raises:
      InputError: the seed is not a whole number from 0 to 2**32 - 1.
    """
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed!r}: give a whole number from 0 to {2**32 - 1}")
    weights_key, data_key = jax.random.split(jax.random.key(np.uint32(seed)))
    return weights_key, data_key


def run(
    recipe: Recipe,
    seed: int,
    out: str | Path,
    *,
    checkpoint_every: int = 1000,
    implementation: str = "auto",
    console: Console | None = None,
) -> dict:
    """Train a recipe's stages, keep a checkpoint of each, and draw what they learnt.

    A run that was stopped goes on from its latest checkpoint, to the very weights it would have
    had; one that is complete only has its pictures drawn again.

    Args:
      recipe: what to train.
      seed: decides initial weights, training data and the waves of the pictures.
      out: the run's folder.
      checkpoint_every: iterations between checkpoints within a stage.
      implementation: what computes the LSTM, "scan", "fused" or "auto"; with "auto", a run that
        was stopped goes on with the one that it began with.
      console: where to print; standard output if not given.

    Returns:
      The run's description as in its run.json: what it is, and figures for each stage.

    Raises:
      InputError: an argument, or what is in `out`, does not fit.
    """
    checkpoint_every = positive_integer("checkpoint_every", checkpoint_every)
    weights_key, data_key = run_keys(seed)
    console = console or Console(highlight=False, markup=False, soft_wrap=True)
    out = Path(out)
    description = open_run(out, _identity(recipe, seed), _device_name(), implementation)
    model = initial_model(recipe.hidden_size, weights_key, description["implementation"])
    structure, _, _ = split_model(model)

    with (
        Checkpoints(out / CHECKPOINTS, keep=recipe.ends) as checkpoints,
        _Background() as background,
    ):
        standings = _restore(recipe, model, checkpoints)
        console.print(_where_it_starts(recipe, standings, out))
        console.print(f"Computing on {description['device']}, LSTM: {model.implementation}")
        work = [Work(stage.iterations, recipe.past + stage.horizon) for stage in recipe.stages]
        with (
            MetricsLog(out, [losses_so_far(standing.state) for standing in standings]) as metrics,
            RunProgress(console, work) as progress,
        ):
            outputs = _Outputs(console, progress, metrics, checkpoints, checkpoint_every)
            for number, stage in enumerate(recipe.stages, 1):
                if number > len(standings):
                    state = _fresh_state(model, stage)
                    standings.append(Standing(state, 0.0, model.implementation))
                if len(recipe.stages) > number >= len(standings):
                    background.start(_compile, recipe, number + 1, model, data_key)
                key = jax.random.fold_in(data_key, number)
                standing = _train(
                    recipe, number, standings[number - 1], key, structure, description, outputs
                )
                model = nnx.merge(structure, standing.state.weights, standing.state.frozen)
                description["figures"][number - 1 : number] = [
                    _figures(recipe, number, model, standing)
                ]
                write_description(out, description)
                background.start(
                    draw_stage,
                    out,
                    number,
                    model,
                    losses_so_far(standing.state),
                    horizon=stage.horizon,
                    past=recipe.past,
                    average_over=recipe.display_every,
                    seed=seed,
                )
        background.start(draw_long_term, out, model, past=recipe.past, seed=seed)
    return description


class _Background:
    """What training need not wait for, done in turn on another thread; a context manager.

    Leaving it waits for what was started; after an error, only for what is being done.
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._started: list[Future] = []

    def __enter__(self) -> "_Background":
        return self

    def __exit__(self, error, *_) -> None:
        self._thread.shutdown(cancel_futures=error is not None)
        if error is None:
            for future in self._started:
                future.result()  # raises what was raised there

    def start(self, function, *arguments, **keywords) -> None:
        """Do it when all that was started before is done."""
        self._started.append(self._thread.submit(function, *arguments, **keywords))


def losses_so_far(state: TrainState) -> np.ndarray:
    """Return a copy of a state's losses, `[iterations done]`; waits for the device."""
    return np.array(state.losses)[: int(state.iteration)]


def loss_lines(losses: np.ndarray, start: int, every: int) -> list[str]:
    """Return the lines the tutorial prints from iteration `start` on, given all losses so far.

    At each multiple of `every`: the loss there, and the average of the `every` losses before it.
    """
    lines = []
    for i in range(-(-start // every) * every, losses.size, every):
        line = f"  step {i:6d}  loss {losses[i]:.6f}"
        lines.append(line + f"  avg loss {losses[i - every : i].mean():.6f}" if i else line)
    return lines


def _fresh_state(model: SineLSTM, stage: Stage) -> TrainState:
    return init_state(model, stage.optimizer(), stage.iterations)


def _train(
    recipe: Recipe,
    number: int,
    standing: Standing,
    key: jax.Array,
    structure: nnx.GraphDef,
    description: dict,
    outputs: _Outputs,
) -> Standing:
    """Train a stage from where it stands to its end; at once there if it is complete."""
    stage = recipe.stages[number - 1]
    losses = losses_so_far(standing.state)
    if losses.size == stage.iterations:
        return standing
    outputs.console.print(f"stage {number}: {stage.describe()}")
    outputs.progress.start_stage(number)
    started = time.monotonic() - standing.seconds
    implementation = standing.implementation
    if not implementation.endswith(description["implementation"]):
        implementation += ", then " + description["implementation"]
    for state in train_stage(
        standing.state,
        key,
        pause_every=(LOOK_EVERY, recipe.display_every, outputs.checkpoint_every),
        **_settings(recipe, number, structure),
    ):
        before, losses = losses.size, losses_so_far(state)
        standing = Standing(state, time.monotonic() - started, implementation)
        outputs.metrics.append(number, before, losses[before:])
        for line in loss_lines(losses, before, recipe.display_every):
            outputs.console.print(line)
        outputs.progress.update(losses.size)
        if losses.size % outputs.checkpoint_every == 0 or losses.size == stage.iterations:
            _save(outputs.checkpoints, recipe, number, standing, description)
    return standing


def _settings(recipe: Recipe, number: int, structure: nnx.GraphDef) -> dict:
    """Return what is static in the program that trains a stage."""
    stage = recipe.stages[number - 1]
    return {
        "structure": structure,
        "optimizer": stage.optimizer(),
        "batch_size": recipe.batch_size,
        "past": recipe.past,
        "horizon": stage.horizon,
    }


def _compile(recipe: Recipe, number: int, model: SineLSTM, key: jax.Array) -> None:
    """Have the program compiled that will train a stage, by training it for no iteration."""
    state = _fresh_state(model, recipe.stages[number - 1])
    train_chunk(state, key, np.int32(0), **_settings(recipe, number, split_model(model)[0]))


def _restore(recipe: Recipe, model: SineLSTM, checkpoints: Checkpoints) -> list[Standing]:
    """Return where every stage begun stands, each from its latest checkpoint."""
    standings, steps = [], checkpoints.steps()
    for number, (stage, end) in enumerate(zip(recipe.stages, recipe.ends, strict=True), 1):
        if end not in steps and steps and steps[-1] > end:
            raise InputError(
                f"the checkpoint of stage {number}, step {end}, is gone: put it back, or start "
                "anew with another --out"
            )
        reached = [step for step in steps if end - stage.iterations < step <= end]
        if not reached:
            break
        items = {
            name: checkpoints.restore(reached[-1], name, like)
            for name, like in _items(_fresh_state(model, stage)).items()
        }
        state = TrainState(**items["model"], **items["state"])
        meta = checkpoints.meta(reached[-1])
        standings.append(Standing(state, meta["seconds"], meta["implementation"]))
    return standings


def _save(
    checkpoints: Checkpoints, recipe: Recipe, number: int, standing: Standing, description: dict
) -> None:
    iteration = int(standing.state.iteration)
    meta = {
        "recipe": recipe.name,
        "seed": description["seed"],
        "hidden_size": recipe.hidden_size,
        "stage": number,
        "iteration": iteration,
        "seconds": standing.seconds,
        "implementation": standing.implementation,
        "versions": description["versions"],
    }
    stage_start = recipe.ends[number - 1] - recipe.stages[number - 1].iterations
    checkpoints.save(stage_start + iteration, meta, **_items(standing.state))


def _items(state: TrainState) -> dict:
    """Return the items of a checkpoint: what `load_model` needs, and the rest."""
    fields = state._asdict()
    model = {name: fields.pop(name) for name in ("weights", "frozen")}
    return {"model": model, "state": fields}


def _identity(recipe: Recipe, seed: int) -> dict:
    return {
        "recipe": recipe.name,
        "seed": seed,
        "hidden_size": recipe.hidden_size,
        "batch_size": recipe.batch_size,
        "past": recipe.past,
        "stages": [asdict(stage) for stage in recipe.stages],
    }


def _figures(recipe: Recipe, number: int, model: SineLSTM, standing: Standing) -> dict:
    stage, losses = recipe.stages[number - 1], losses_so_far(standing.state)
    return {
        "stage": number,
        "horizon": stage.horizon,
        "iterations": stage.iterations,
        "seconds": round(standing.seconds, 1),
        "implementation": standing.implementation,
        "final_loss": float(losses[-1]),
        "average_loss": float(losses[-recipe.display_every :].mean()),
        "averaged_over": min(recipe.display_every, losses.size),
        "rollout_errors": _rollout_errors(model, stage.horizon, recipe.past),
        "checkpoint": f"{CHECKPOINTS}/{recipe.ends[number - 1]}",
    }


def _rollout_errors(model: SineLSTM, horizon: int, past: int) -> dict[str, float]:
    """Return mean squared errors over forecast steps: over the stage's horizon, and beyond."""
    intervals = {"horizon": (0, horizon)}
    intervals |= {f"{a}-{b}": (a, b) for a, b in ((0, 400), (400, 900), (900, 1500))}
    waves = held_out_waves(ROLLOUT_WAVES)
    errors = rollout_errors(model, *waves, list(intervals.values()), past).mean(axis=1)
    return dict(zip(intervals, errors.tolist(), strict=True))


def _where_it_starts(recipe: Recipe, standings: list[Standing], out: Path) -> str:
    if not standings:
        return f"A new run of {recipe.name} in {out}"
    number, iteration = len(standings), int(standings[-1].state.iteration)
    if number == len(recipe.stages) and iteration == recipe.stages[-1].iterations:
        return f"The run in {out} is complete: drawing its pictures again"
    return f"Going on with the run in {out}, from stage {number}, iteration {iteration}"


def _device_name() -> str:
    (device,) = jnp.zeros(()).devices()
    return device.device_kind
