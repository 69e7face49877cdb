"""Damage to the newest checkpoint of a run, and what the same command makes of it."""

import contextlib
import io
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from rich.console import Console

from sinlstm_jax import curriculum
from sinlstm_jax.errors import InputError
from sinlstm_jax.recipe import Recipe, Stage
from sinlstm_jax.runs import stage as run_stage
from sinlstm_jax.runs.record import CHECKPOINTS
from sinlstm_jax.runs.resume import save_stage

from .sessions import differences, outcome

RECIPE = Recipe("tiny", "three checkpoints", (Stage(2, 4),), display_every=4, past=4, batch_size=2)
SEED = 4112
LAST = 3  # iterations of the run that is damaged, one checkpoint each
HOW = ("one bit flipped", "one bit flipped", "truncated", "emptied", "deleted")


class Stopped(Exception):
    """The run has got as far as it should."""


def quick_run(recipe: Recipe, out: Path, *, iterations: int | None = None) -> str:
    """Run a recipe with a checkpoint every iteration, and without pictures; return its output.

    With `iterations`, it is stopped when so many are done and their checkpoint is saved.
    """
    output = Console(file=io.StringIO(), width=200, highlight=False, markup=False)

    def save(checkpoints, record, number, reached):
        save_stage(checkpoints, record, number, reached)
        if reached.iteration == iterations:
            raise Stopped

    with (
        mock.patch.object(curriculum, "draw_stage"),
        mock.patch.object(curriculum, "draw_long_term"),
        mock.patch.object(run_stage, "save_stage", save),
        contextlib.suppress(Stopped),
    ):
        curriculum.run(recipe, SEED, out, checkpoint_every=1, console=output)
    return output.file.getvalue()


def spoil(path: Path, how: str, rng: np.random.Generator) -> None:
    """Damage one file."""
    if how == "deleted":
        path.unlink()
        return
    content = bytearray(path.read_bytes())
    if how == "emptied":
        content.clear()
    elif how == "truncated":
        del content[rng.integers(len(content)) :]
    else:
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def damage(count: int, folder: Path, say: Callable[[str], None]) -> dict:
    """Damage a file of the newest checkpoint, `count` times, and resume the run."""
    rng = np.random.default_rng(SEED)
    quick_run(RECIPE, folder / "whole")
    expected = outcome(RECIPE, SEED, folder / "whole")
    quick_run(RECIPE, folder / "stopped", iterations=LAST)
    outcomes, named = {how: Counter() for how in HOW}, 0
    for trial in range(count):
        out = folder / f"trial-{trial}"
        shutil.copytree(folder / "stopped", out)
        newest = out / CHECKPOINTS / str(LAST)
        files = sorted(path for path in newest.rglob("*") if path.is_file())
        path, how = files[rng.integers(len(files))], HOW[trial % len(HOW)]
        spoil(path, how, rng)
        try:
            output = quick_run(RECIPE, out)
            unlike = differences(expected, outcome(RECIPE, SEED, out))
            what = "silently wrong" if unlike else "went on to the same bits"
            named += f"checkpoint {LAST} is damaged" in output
        except InputError:
            what = "refused"
        except Exception as error:  # whatever it is, it is counted
            what = f"crashed: {type(error).__name__}"
        outcomes[how][what] += 1
        if what != "went on to the same bits":
            say(f"{path.relative_to(out)}, {how}: {what}")
        shutil.rmtree(out)
        if (trial + 1) % 50 == 0:
            say(f"{trial + 1}/{count} damaged, {named} named")
    return {
        "damaged": count,
        "named": named,
        "outcomes": {how: dict(outcome) for how, outcome in outcomes.items()},
    }
