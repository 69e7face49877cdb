"""Stage, Recipe, the named recipes, and running one from its first stage to its last picture."""

import time
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from rich.console import Console

from .checkpoints import Checkpoints
from .errors import InputError, positive_integer, positive_number
from .loading import CHECKPOINTS
from .model import SineLSTM, split_model
from .pictures import draw_long_term, draw_stage
from .progress import RunProgress, Work
from .run_folder import MetricsLog, open_run, write_description
from .training import TrainState, adam, init_state, train_stage

DEFAULT_SEED = 0x1010  # the tutorial's
LOOK_EVERY = 100  # iterations between two looks at the device, about half a second


@dataclass(frozen=True)
class Stage:
    """Training at one horizon, with a fresh optimizer."""

    horizon: int  # steps forecast beyond the past
    iterations: int
    learning_rate: float = 0.001
    epsilon: float = 0.02  # Adam's

    def __post_init__(self):
        positive_integer("horizon", self.horizon)
        positive_integer("iterations", self.iterations)
        positive_number("learning_rate", self.learning_rate)
        positive_number("epsilon", self.epsilon)


@dataclass(frozen=True)
class Recipe:
    """Stages trained one after the other, each from the weights of the one before."""

    name: str
    summary: str
    stages: tuple[Stage, ...]
    display_every: int  # iterations between two printed lines, and what averages are over
    past: int = 100  # steps observed
    batch_size: int = 20
    hidden_size: int = 15

    def __post_init__(self):
        for name in ("display_every", "past", "batch_size", "hidden_size"):
            positive_integer(name, getattr(self, name))

    @property
    def ends(self) -> list[int]:
        """Iterations done at the end of each stage, counted from the start of the run."""
        return list(accumulate(stage.iterations for stage in self.stages))

    def work(self, stage: Stage) -> Work:
        """Return what a stage of this recipe takes to compute."""
        return Work(stage.iterations, self.past + stage.horizon)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "curriculum",
            "fine-tunes over growing horizons; the tutorial's third experiment",
            (
                Stage(50, 10000),
                Stage(100, 6000),
                Stage(200, 8000),
                Stage(400, 20000, learning_rate=0.0005, epsilon=0.04),
            ),
            display_every=400,
        ),
        Recipe(
            "short-window",
            "one short horizon; the tutorial's first experiment",
            (Stage(50, 6000),),
            display_every=200,
        ),
        Recipe(
            "long-window",
            "one long horizon from scratch; the tutorial's second experiment",
            (Stage(200, 20000),),
            display_every=800,
        ),
        Recipe(
            "smoke",
            "two tiny stages, to see that everything works",
            (Stage(10, 200), Stage(20, 100)),
            display_every=50,
        ),
    )
}

# (final loss, final average) that the tutorial prints at the end of each stage.
TUTORIAL_FIGURES = {
    "short-window": ((0.113662, 0.0937160),),
    "long-window": ((0.302981, 0.308761),),
    "curriculum": (
        (0.0185049, 0.0180234),
        (0.0214709, 0.0196239),
        (0.0168929, 0.0448204),
        (0.0664830, 0.0775012),
    ),
}


def find_recipe(name: str) -> Recipe:
    """Return a named recipe, or raise InputError with the names there are."""
    if name not in RECIPES:
        raise InputError(f"--recipe is {name!r}: give one of {', '.join(RECIPES)}")
    return RECIPES[name]


def run_keys(seed: int) -> tuple[jax.Array, jax.Array]:
    """Return (key of the initial weights, key of the data) for a run's seed.

    Stage k, from 1 on, trains with `fold_in(data key, k)`.

    Raises:
      InputError: the seed is not a whole number from 0 to 2**32 - 1.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed!r}: give a whole number from 0 to {2**32 - 1}")
    weights_key, data_key = jax.random.split(jax.random.key(np.uint32(seed)))
    return weights_key, data_key


def run(
    recipe: Recipe,
    seed: int,
    out: str | Path,
    *,
    checkpoint_every: int = 1000,
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
    description = open_run(out, _identity(recipe, seed), _device_name())
    model = SineLSTM(recipe.hidden_size, rngs=nnx.Rngs(weights_key))
    structure, _, _ = split_model(model)

    with Checkpoints(out / CHECKPOINTS, keep=recipe.ends) as checkpoints:
        restored = _restore(recipe, model, checkpoints)
        console.print(_where_it_starts(recipe, restored, out))
        histories = [losses_so_far(state) for state, _ in restored]
        with (
            MetricsLog(out, histories) as metrics,
            RunProgress(console, [recipe.work(stage) for stage in recipe.stages]) as progress,
        ):
            for number, stage in enumerate(recipe.stages, 1):
                optimizer = adam(stage.learning_rate, stage.epsilon)
                if number <= len(restored):
                    state, seconds = restored[number - 1]
                else:
                    state, seconds = init_state(model, optimizer, stage.iterations), 0.0
                losses = losses_so_far(state)
                if losses.size < stage.iterations:
                    console.print(_headline(number, stage))
                    progress.start_stage(number)
                started = time.monotonic() - seconds
                for state in train_stage(
                    state,
                    jax.random.fold_in(data_key, number),
                    pause_every=(LOOK_EVERY, recipe.display_every, checkpoint_every),
                    structure=structure,
                    optimizer=optimizer,
                    batch_size=recipe.batch_size,
                    past=recipe.past,
                    horizon=stage.horizon,
                ):
                    before, losses = losses.size, losses_so_far(state)
                    seconds = time.monotonic() - started
                    metrics.append(number, before, losses[before:])
                    for line in loss_lines(losses, before, recipe.display_every):
                        console.print(line)
                    progress.update(losses.size)
                    if losses.size % checkpoint_every == 0 or losses.size == stage.iterations:
                        _save(checkpoints, recipe, description, number, state, seconds)

                model = nnx.merge(structure, state.weights, state.frozen)
                figures = _figures(recipe, number, losses, seconds)
                description["figures"][number - 1 : number] = [figures]
                write_description(out, description)
                draw_stage(
                    out,
                    number,
                    model,
                    losses,
                    horizon=stage.horizon,
                    past=recipe.past,
                    average_over=recipe.display_every,
                    seed=seed,
                )
        draw_long_term(out, model, past=recipe.past, seed=seed)
    return description


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


def _restore(recipe: Recipe, model: SineLSTM, checkpoints: Checkpoints) -> list:
    """Return (state, seconds) of every stage begun, each from its latest checkpoint."""
    restored, steps = [], checkpoints.steps()
    for number, (stage, end) in enumerate(zip(recipe.stages, recipe.ends, strict=True), 1):
        reached = [step for step in steps if end - stage.iterations < step <= end]
        if end not in steps and steps and steps[-1] > end:
            raise InputError(
                f"the checkpoint of stage {number}, step {end}, is gone: put it back, or start "
                "anew with another --out"
            )
        if not reached:
            break
        step = reached[-1]
        optimizer = adam(stage.learning_rate, stage.epsilon)
        items = _items(init_state(model, optimizer, stage.iterations))
        items = {name: checkpoints.restore(step, name, like) for name, like in items.items()}
        state = TrainState(**items["model"], **items["state"])
        restored.append((state, checkpoints.meta(step)["seconds"]))
    return restored


def _save(checkpoints, recipe, description, number, state, seconds) -> None:
    iteration = int(state.iteration)
    step = recipe.ends[number - 1] - recipe.stages[number - 1].iterations + iteration
    meta = {
        "recipe": recipe.name,
        "seed": description["seed"],
        "hidden_size": recipe.hidden_size,
        "stage": number,
        "iteration": iteration,
        "seconds": seconds,
        "versions": description["versions"],
    }
    checkpoints.save(step, meta, **_items(state))


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


def _figures(recipe: Recipe, number: int, losses: np.ndarray, seconds: float) -> dict:
    stage = recipe.stages[number - 1]
    return {
        "stage": number,
        "horizon": stage.horizon,
        "iterations": stage.iterations,
        "seconds": round(seconds, 1),
        "final_loss": float(losses[-1]),
        "average_loss": float(losses[-recipe.display_every :].mean()),
        "averaged_over": min(recipe.display_every, losses.size),
        "checkpoint": f"{CHECKPOINTS}/{recipe.ends[number - 1]}",
    }


def _headline(number: int, stage: Stage) -> str:
    return (
        f"stage {number}: horizon {stage.horizon}, {stage.iterations} iterations, "
        f"learning rate {stage.learning_rate:g}, epsilon {stage.epsilon:g}"
    )


def _where_it_starts(recipe: Recipe, restored: list, out: Path) -> str:
    if not restored:
        return f"A new run of {recipe.name} in {out}"
    number, iteration = len(restored), int(restored[-1][0].iteration)
    if number == len(recipe.stages) and iteration == recipe.stages[-1].iterations:
        return f"The run in {out} is complete: drawing its pictures again"
    return f"Going on with the run in {out}, from stage {number}, iteration {iteration}"


def _device_name() -> str:
    (device,) = jnp.zeros(()).devices()
    return device.device_kind
