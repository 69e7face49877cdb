"""Kills of the command as a user starts it, at moments spread over all that it does."""

import shutil
import signal
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from sinlstm_jax.recipe import Recipe
from sinlstm_jax.recipes import RECIPES

from .sessions import Command, Look, Stop, differences, outcome, rows_in, session

SEED = 4112
CHECKPOINT_EVERY = 20  # iterations
KILLS_PER_RUN = 8
COLD_EVERY = 5  # of so many run-throughs, one starts with nothing compiled
UNFINISHED_CHECKPOINT = "checkpoints/saving/*"
SIGNALS = {"SIGINT": (signal.SIGINT, 130), "SIGTERM": (signal.SIGTERM, 143)}


def moments(recipe: Recipe, rng: np.random.Generator, cold: bool) -> dict[str, tuple]:
    """Return what a kill may wait for, and how many seconds after it the kill may fall."""
    written, end = rng.integers(recipe.ends[-1]), rng.choice(recipe.ends)
    return {
        "start": (lambda look: True, 15.0 if cold else 3.0),
        "compile": (lambda look: look.trains, 4.0 if cold else 0.5),
        "training": (partial(_has_written, written), 0.2),
        "checkpoint": (
            lambda look: look.rows >= written and look.unfinished(UNFINISHED_CHECKPOINT),
            0.02,
        ),
        "stage": (lambda look: look.trains and look.rows >= end, 0.3),
        "picture": (lambda look: look.unfinished("*.png"), 1.0),
        "picture half written": (lambda look: look.unfinished(".*.png.*.tmp"), 0.01),
    }


def phase(recipe: Recipe, stop: Stop, rows_before: int) -> str:
    """Tell from what it left what a killed session was at."""
    look, rows = stop.look, stop.look.rows
    if look.unfinished(UNFINISHED_CHECKPOINT):
        return "writing a checkpoint"
    if look.unfinished(".*.png.*.tmp") or (rows == recipe.ends[-1] and look.unfinished("*.png")):
        return "drawing"
    if not look.trains:
        return "drawing" if rows == recipe.ends[-1] and look.lines else "starting"
    if rows in recipe.ends:
        return "between stages"
    return "compiling" if rows == rows_before else "training"


def never_killed(recipe: Recipe, checkpoint_every: int, folder: Path) -> tuple[Command, dict]:
    """Run a recipe to its end; return the command and what it left."""
    whole = Command(recipe, SEED, checkpoint_every, folder / "whole", folder / "cache")
    session(whole)
    return whole, outcome(recipe, SEED, whole.out)


def kills(count: int, folder: Path, say: Callable[[str], None]) -> dict:
    """Kill runs of the smoke recipe `count` times; each ends as the one that was never killed."""
    recipe, rng = RECIPES["smoke"], np.random.default_rng(SEED)
    whole, expected = never_killed(recipe, CHECKPOINT_EVERY, folder)
    phases, different, run = Counter(), [], 0
    while phases.total() < count:
        run += 1
        command, cold = whole._replace(out=folder / f"run-{run}"), run % COLD_EVERY == 1
        if cold:
            command = command._replace(cache=folder / f"cache-{run}")
        for _ in range(min(KILLS_PER_RUN, count - phases.total())):
            rows, choice = rows_in(command.out), moments(recipe, rng, cold)
            when, seconds = choice[rng.choice(list(choice))]
            stop = session(command, signal.SIGKILL, when, rng.uniform(0, seconds))
            if not stop.signalled:
                break
            phases[phase(recipe, stop, rows)] += 1
        session(command)
        unlike = differences(expected, outcome(recipe, SEED, command.out))
        different += [f"run {run}: {name}" for name in unlike]
        say(f"{phases.total()}/{count} kills, {run} runs, {len(different)} differences {unlike}")
        shutil.rmtree(command.out)
        shutil.rmtree(folder / f"cache-{run}", ignore_errors=True)
    found = dict(sorted(phases.items()))
    return {"kills": phases.total(), "runs": run, "phases": found, "different": different}


def signals(count: int, folder: Path, say: Callable[[str], None]) -> dict:
    """Send SIGINT and SIGTERM, `count` each, in mid-training; exit codes and seconds to the end."""
    recipe, rng = RECIPES["smoke"], np.random.default_rng(SEED)
    # No checkpoint falls due before the signal does: what is there after was saved because of it.
    whole, expected = never_killed(recipe, 1000, folder)
    results = {}
    for name, (number, code) in SIGNALS.items():
        stops, different = [], []
        while len(stops) < count:
            command = whole._replace(out=folder / f"{name}-{len(stops)}")
            written = rng.integers(recipe.ends[0])
            stop = session(command, number, partial(_has_written, written))
            session(command)
            different += differences(expected, outcome(recipe, SEED, command.out))
            shutil.rmtree(command.out)
            if stop.signalled:
                stops.append(stop)
                say(f"{name}: exit code {stop.code} after {stop.seconds:.1f} s")
        results[name] = {
            "count": count,
            "expected_code": code,
            "codes": sorted({stop.code for stop in stops}),
            "slowest_seconds": max(stop.seconds for stop in stops),
            "one_line": all(sum("same command" in x for x in s.look.lines) == 1 for s in stops),
            "different": different,
        }
    return results


def _has_written(rows: int, look: Look) -> bool:
    return look.trains and look.rows > rows


def whole_curriculum(
    seconds: tuple[float, float], folder: Path, say: Callable[[str], None]
) -> dict:
    """Kill the whole curriculum after every so many seconds of training, until it is at its end."""
    recipe, rng = RECIPES["curriculum"], np.random.default_rng(SEED)
    whole, expected = never_killed(recipe, 500, folder)
    killed, count = whole._replace(out=folder / "killed"), 0
    while (
        stop := session(killed, signal.SIGKILL, lambda look: look.trains, rng.uniform(*seconds))
    ).signalled:
        count += 1
        say(f"{count} kills, {stop.look.rows}/{recipe.ends[-1]} iterations")
    different = differences(expected, outcome(recipe, SEED, killed.out))
    return {"kills": count, "different": different}
