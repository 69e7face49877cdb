"""The comparison that the tutorial never made: recipes, single tricks, budgets, over many seeds.

What is done is kept under --runs and not computed again: stop it whenever you like. It writes
docs/study.json and, from that, the tables and pictures of docs/results.md; what was done when it is
stopped stands there, too.
"""

import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sinlstm_jax import init_state, rollout_errors, train_stage
from sinlstm_jax.commands.shared import keep_compiled_programs
from sinlstm_jax.errors import InputError
from sinlstm_jax.evaluation.errors import HELD_OUT_WAVES, forecast_function, held_out_waves
from sinlstm_jax.evaluation.sines import held_out_sines
from sinlstm_jax.evaluation.windows import robustness
from sinlstm_jax.model import SineLSTM, split_model
from sinlstm_jax.recipe import TRAINED_SAMPLES, Recipe, Stage
from sinlstm_jax.runs.replicates import fresh_model, place, run_keys, stack, take
from sinlstm_jax.runs.resume import undo_where_wrong
from sinlstm_jax.signals.sines import SINES

from ..pages import ROOT, cores, write_json
from .pasts import measure
from .report import DRAWN, joined, publish, read_study
from .variants import Variant, variants

CURVE_POINTS = 200  # of a loss curve over a whole recipe
GROUP = 2  # seeds that are trained at once, and kept when done; more overflow the caches


@dataclass(frozen=True)
class Options:
    """Train every variant over its seeds, then write docs/study.json, tables and pictures."""

    runs: Path = ROOT / "runs" / "study"
    """Folder of what is done."""
    only: tuple[str, ...] = ()
    """Variants to train; the others stay as docs/study.json has them. All, if none is named.

    Seeds that stand there are not trained again, but of the five recipes whose losses are drawn."""


def main(options: Options) -> None:
    """Train what is not there yet; publish all of it."""
    options.runs.mkdir(parents=True, exist_ok=True)
    names = [variant.name for variant in variants()]
    for name in options.only:
        if name not in names:
            raise InputError(f"--only has {name!r}: give some of {'; '.join(names)}")
    published = read_study()
    found = [
        (variant, seeds, path)
        for variant, seeds, path in groups(options.runs)
        if variant.name in (options.only or names) and not _is_published(variant, seeds, published)
    ]
    try:
        train_all([group for group in found if not _is_done(*group)])
    finally:  # what is done is published, too, when it is stopped
        done = [group for group in found if _is_done(*group)]
        publish(_joined(done), names)


def groups(folder: Path) -> list[tuple[Variant, range, Path]]:
    """Return all that is trained: seeds of a variant at once, and the file that keeps them."""
    return [
        (variant, variant.seeds[i : i + GROUP], folder / f"{name}-{variant.seeds[i]}.json")
        for variant in variants()
        for name in [variant.name.replace(", ", "-").replace(" ", "-")]
        for i in range(0, len(variant.seeds), GROUP)
    ]


def _is_done(variant: Variant, _, path: Path) -> bool:
    """Tell whether a group was trained, with the recipe as it is now."""
    return path.exists() and _is_of(variant.recipe, json.loads(path.read_text()))


def _is_published(variant: Variant, seeds: range, published: dict) -> bool:
    """Tell whether a group need not be trained, as it stands in docs/study.json by seeds."""
    result = published.get(variant.name)
    if result is None or variant.name in DRAWN:
        return False
    return _is_of(variant.recipe, result) and set(seeds) <= set(result["seeds"])


def _is_of(recipe: Recipe, result: dict) -> bool:
    """Tell whether a result is of a recipe as it is; older ones tell of their stages alone."""
    same = result.get("trained", _trained(recipe)) == _trained(recipe)
    return same and result["stages"] == _stages(recipe)


def _stages(recipe: Recipe) -> list[str]:
    return [stage.describe() for stage in recipe.stages]


def _trained(recipe: Recipe) -> str:
    return f"{recipe.describe_network()}; {recipe.describe_signal()}"


def _joined(done: list[tuple[Variant, range, Path]]) -> dict[str, dict]:
    """Return the results of variants; one whose losses are drawn only with all its seeds."""
    parts, whole = {}, {}
    for variant, _, path in done:
        parts.setdefault(variant.name, []).append(json.loads(path.read_text()))
        whole[variant.name] = len(variant.seeds)
    results = {name: joined(of_groups) for name, of_groups in parts.items()}
    return {n: r for n, r in results.items() if n not in DRAWN or len(r["seeds"]) == whole[n]}


def _cost(variant: Variant, seeds: range, _) -> int:
    return variant.recipe.iteration_steps * len(seeds)


def train_all(todo: list[tuple[Variant, range, Path]]) -> None:
    """Train groups, and keep what came of each."""
    total, done, started = sum(_cost(*group) for group in todo), 0, time.monotonic()
    # A process for each core: one that trains two replicates at once does not keep two cores busy.
    spawn = multiprocessing.get_context("spawn")
    free = spawn.SimpleQueue()
    for core in cores():
        free.put(core)
    with ProcessPoolExecutor(len(cores()), spawn, _settle, (free,)) as workers:
        futures = {workers.submit(_train_and_keep, *group): group for group in todo}
        try:
            for future in as_completed(futures):
                future.result()
                variant, seeds, _ = futures[future]
                done += _cost(*futures[future])
                minutes = (total / done - 1) * (time.monotonic() - started) / 60
                print(
                    f"{variant.name}, seeds {seeds[0]} to {seeds[-1]}: "
                    f"{done / total:.0%}, about {minutes:.0f} minutes left",
                    flush=True,
                )
        except BaseException:  # else those that wait would be trained before it stops
            workers.shutdown(cancel_futures=True)
            raise


def _train_and_keep(variant: Variant, seeds: range, path: Path) -> None:
    write_json(path, train(variant, seeds), indent=None)


def _settle(free) -> None:
    """Have a worker process compute on a core of its own."""
    keep_compiled_programs()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {free.get()})


def train(variant: Variant, seeds: range) -> dict:
    """Train a group of seeds at once, each as in a run of its own, and measure what came of it."""
    recipe = variant.recipe
    weights_keys, data_keys = zip(*map(run_keys, seeds), strict=True)
    models = [fresh_model(recipe, key) for key in weights_keys]
    failure, losses, averages, undone = None, [], [], []
    standing = np.full(len(seeds), np.inf)
    for number, stage in enumerate(recipe.stages, 1):
        keys = jnp.stack([jax.random.fold_in(key, number) for key in data_keys])
        fresh = models
        if stage.afresh:
            fresh = [fresh_model(recipe, jax.random.fold_in(k, number)) for k in weights_keys]
        models, state = _train_stage(variant, stage, (models, fresh), keys, failure, standing)
        failure = state.failure
        losses.append(state.losses)
        undone.append(stage.went_wrong(state.losses, standing))
        standing = stage.ended_at(state.losses, standing)
        averages.append(state.losses[:, -recipe.display_every :].mean(axis=1))
    waves = held_out_waves(HELD_OUT_WAVES)
    # After as many steps as most recipes train on, whatever else a network may observe.
    errors = [
        rollout_errors(m, *waves, variant.intervals, TRAINED_SAMPLES).mean(axis=1) for m in models
    ]
    return {
        "seeds": list(seeds),
        "iteration_steps": recipe.iteration_steps,
        "trained": _trained(recipe),
        "stages": _stages(recipe),
        "horizons": [stage.horizon for stage in recipe.stages],
        "undone": np.transpose(undone).tolist(),  # [seed, stage]
        "failed": [int(i) >= 0 for i in failure.iteration],
        "average_loss": np.transpose(averages).tolist(),  # [seed, stage]
        "errors": np.array(errors).tolist(),  # [seed, interval]
        "robustness": [_after_each_spoiling(m) for m in models],  # [seed, spoiling]
        **_over_pasts(recipe, models),
        **_curve(recipe, losses),
    }


def _after_each_spoiling(model: SineLSTM) -> list[float]:
    """Return the error over the first 400 steps after noise, and after gaps, in the history."""
    windows = held_out_sines(SINES, HELD_OUT_WAVES).windows(TRAINED_SAMPLES + 400)
    return robustness(forecast_function(model), windows, TRAINED_SAMPLES).tolist()


def _over_pasts(recipe: Recipe, models: list[SineLSTM]) -> dict:
    """Return, of networks for longer pasts too, what `pasts.measure` does, seed by seed."""
    if recipe.past == TRAINED_SAMPLES:
        return {}
    measures = [measure(model) for model in models]
    return {name: [each[name] for each in measures] for name in measures[0]}


def _train_stage(variant: Variant, stage: Stage, models: tuple, keys, failure, standing):
    """Return (models, state on the host) at the end of a stage; what failed before, still has.

    `models` are those of before it, and those it begins with.
    """
    recipe, structure = variant.recipe, split_model(models[0][0])[0]
    optimizer = stage.optimizer()
    before, start = (
        stack([init_state(m, optimizer, stage.iterations, variant.trainable) for m in each])
        for each in models
    )
    if failure is not None and not stage.afresh:
        start = start._replace(failure=failure)
    (state,) = train_stage(
        place(start, None),
        keys,
        pause_every=(stage.iterations,),
        structure=structure,
        optimizer=optimizer,
        batch_size=recipe.batch_size,
        past=recipe.past_of(stage),
        horizon=stage.horizon,
        observation=recipe.observation_of(stage),
        error_floor=stage.error_floor,
        beta=stage.beta,
        signal=recipe.signal,
    )
    state = undo_where_wrong(stage, before.weights, jax.device_get(state), standing)
    parts = [take((state.weights, state.frozen), i) for i in range(len(keys))]
    return [nnx.merge(structure, *part) for part in parts], state


def _curve(recipe: Recipe, losses: list[np.ndarray]) -> dict:
    """Return the losses averaged over about CURVE_POINTS intervals, none across two stages."""
    iterations, steps, means, done, steps_done = [], [], [], 0, 0
    for stage, values in zip(recipe.stages, losses, strict=True):
        window = recipe.past_of(stage) + stage.horizon
        share = stage.iterations * window / recipe.iteration_steps
        points = min(stage.iterations, max(2, round(CURVE_POINTS * share)))
        for interval in np.array_split(np.arange(stage.iterations), points):
            iterations.append(done + int(interval[-1]) + 1)
            steps.append(steps_done + (int(interval[-1]) + 1) * window)
            means.append(values[:, interval].mean(axis=1))
        done, steps_done = iterations[-1], steps[-1]
    curve = np.transpose(means).tolist()  # [seed, point]
    return {"iterations": iterations, "steps": steps, "curve": curve}
