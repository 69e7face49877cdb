"""The curriculum command as a user starts it, stopped by a signal, and what a run left on disk."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from sinlstm_jax.networks import initial_model
from sinlstm_jax.recipe import Recipe
from sinlstm_jax.runs.checkpoints import Checkpoints
from sinlstm_jax.runs.folder import METRICS
from sinlstm_jax.runs.record import CHECKPOINTS, RECORD
from sinlstm_jax.runs.replicates import run_keys
from sinlstm_jax.runs.resume import restore_stages, steps_to_resume

from ..pages import ROOT

POLL = 0.001  # s
PATIENCE = 900  # s that a session may take, or a moment be waited for


class Command(NamedTuple):
    """`python scripts/curriculum.py` for one run."""

    recipe: Recipe
    seed: int
    checkpoint_every: int
    out: Path
    cache: Path  # of compiled programs

    def start(self) -> subprocess.Popen:
        """Start it, with its output and errors in one pipe."""
        command = [sys.executable, "-u", "-W", "error", ROOT / "scripts" / "curriculum.py"]
        command += ["--recipe", self.recipe.name, "--seed", str(self.seed), "--out", self.out]
        command += ["--checkpoint-every", str(self.checkpoint_every)]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "XDG_CACHE_HOME": str(self.cache)},
        )


class Look(NamedTuple):
    """What can be seen of a session from outside."""

    lines: list[str]  # printed so far
    out: Path
    before: frozenset[Path]  # what was in the folder when the session started

    @property
    def rows(self) -> int:
        """Iterations in metrics.csv."""
        return rows_in(self.out)

    @property
    def trains(self) -> bool:
        """Whether a stage has begun."""
        return any(line.startswith("stage ") for line in self.lines)

    def unfinished(self, pattern: str) -> bool:
        """Tell whether this session has begun to write a file or folder, and not ended."""
        return any(path not in self.before for path in self.out.glob(pattern))


class Stop(NamedTuple):
    """How a session ended."""

    code: int  # of the process
    seconds: float  # from the signal to the end; 0 if it came to its end by itself
    look: Look
    signalled: bool


def rows_in(out: Path) -> int:
    """Return how many iterations the metrics.csv of a run has."""
    try:
        return max(0, (out / METRICS).read_bytes().count(b"\n") - 1)
    except OSError:
        return 0


def session(
    command: Command,
    number: signal.Signals | None = None,
    when: Callable[[Look], bool] = lambda look: False,
    wait: float = 0.0,
) -> Stop:
    """Start the command and send it a signal, `wait` seconds after `when` holds; or let it end.

    Raises:
      RuntimeError: it failed by itself.
      TimeoutError: it came to no end.
    """
    before = frozenset(command.out.rglob("*") if command.out.exists() else ())
    look = Look([], command.out, before)
    process = command.start()
    reader = threading.Thread(target=lambda: look.lines.extend(process.stdout), daemon=True)
    reader.start()
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and not (number and when(look)):
        if time.monotonic() > deadline:
            process.kill()
            raise TimeoutError(f"{command.out}: no end after {PATIENCE} s: {look.lines[-5:]}")
        time.sleep(POLL)
    if process.poll() is None:
        time.sleep(wait)
    signalled, started = process.poll() is None, time.monotonic()
    if signalled:
        process.send_signal(number)
        process.wait(timeout=PATIENCE)
    seconds = time.monotonic() - started if signalled else 0.0
    reader.join()
    if process.returncode != 0 and not signalled:
        raise RuntimeError(f"exit code {process.returncode}: {''.join(look.lines)}")
    return Stop(process.returncode, seconds, look, signalled)


def outcome(recipe: Recipe, seed: int, out: Path) -> dict:
    """Return all that a complete run leaves, times apart: by name, its bits.

    Every file outside of the checkpoints; of every stage's end the weights, the optimizer's
    moments and the losses; and which checkpoints there are.
    """
    left = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        if path.is_file() and name.parts[0] != CHECKPOINTS:
            left[str(name)] = path.read_bytes()
    left[RECORD] = str(json.loads(left[RECORD], object_hook=_without_times))
    models = [initial_model(recipe.hidden_size, run_keys(seed)[0])]
    with Checkpoints(out / CHECKPOINTS, create=False) as checkpoints:
        whole, wrong = steps_to_resume(recipe, checkpoints)
        reached = restore_stages(recipe, models, checkpoints, whole)
        if wrong or len(reached) < len(recipe.stages):
            raise RuntimeError(f"{out} is not complete: {wrong}")
        left["steps"] = str(checkpoints.steps())
    for number, stage in enumerate(reached, 1):
        leaves, _ = jax.tree.flatten_with_path(stage.state)
        left |= {f"stage {number}{jax.tree_util.keystr(k)}": bits(v) for k, v in leaves}
    return left


def _without_times(record: dict) -> dict:
    return {name: value for name, value in record.items() if name != "seconds"}


def bits(leaf) -> tuple[str, bytes]:
    """Return an array's type and bytes, which can be compared."""
    array = np.asarray(leaf)
    return str(array.dtype), array.tobytes()


def differences(left: dict, right: dict) -> list[str]:
    """Return the names of what is not the same."""
    return sorted({name for name, _ in left.items() ^ right.items()})
