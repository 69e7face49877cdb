"""What is measured in processes of their own: start-up, memory, and whole curricula."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

from sinlstm_jax.recipe import Recipe

from ..pages import ROOT
from .sides import stage_settings
from .timing import Work, alternate, spread, spreads

PROGRESS = re.compile(r"\s*step +\d+ +loss")  # begins a line of it


def start_up(recipe: Recipe, names, repeats: int, say) -> dict:
    """Return, by side, seconds of importing and of a first iteration, and bytes of peak memory."""
    figures = {name: [] for name in names}

    def work(name):
        command = _worker(side=name, setting=stage_settings(recipe)[-1], iterations=100)
        return Work(lambda _: figures[name].append(json.loads(_watch(command)[-1])), cold=True)

    alternate({name: work(name) for name in names}, 0, repeats)
    result = {
        name: {key: spread([repeat[key] for repeat in found]) for key in found[0]}
        for name, found in figures.items()
    }
    for name, found in result.items():
        times = {key: found[key] for key in ("import", "first_iteration")}
        say(f"start-up of {name}", {"seconds": times})
    return result


def first_line(recipe: Recipe, names, repeats: int, say) -> dict:
    """Return seconds from the start of a curriculum to its first line of progress."""

    def work(name):
        def run(_):
            with tempfile.TemporaryDirectory() as folder:
                _watch(curriculum(name, recipe, f"{folder}/run"), until=PROGRESS)

        return Work(run, cold=True)

    works = {name: work(name) for name in ("ours", "PyTorch") if name in {"ours", *names}}
    result = {"seconds": spreads(alternate(works, 0, repeats)[0])}
    say("to the first line of progress", result)
    return result


def whole_curriculum(recipe: Recipe, names, say) -> dict:
    """Run the whole curriculum: ours with cold caches, then with warm ones; PyTorch's between.

    Returns seconds of each, and their ratios to PyTorch's. Ours draws pictures and keeps
    checkpoints; PyTorch's saves a snapshot per stage.
    """
    seconds, ratios = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        caches = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"}
        for run, name in {"cold": "ours", "PyTorch": "PyTorch", "warm": "ours"}.items():
            if name in {"ours", *names}:
                started = time.perf_counter()
                _watch(curriculum(name, recipe, f"{folder}/{run}"), caches)
                seconds[run] = time.perf_counter() - started
                say(f"whole curriculum, {run}", {"seconds": {run: spread([seconds[run]])}})
    if "PyTorch" in seconds:
        ratios = {run: seconds["PyTorch"] / seconds[run] for run in ("cold", "warm")}
    return {"seconds": seconds, "ratios_to_pytorch": ratios}


def beside_training(recipe: Recipe, say) -> dict[str, float]:
    """Return seconds of our command but for iterations, with cold caches and then with warm ones.

    They are those of a run of 10 iterations a stage. A whole run of 44,000 says nothing about them:
    the clock drifts by more while it lasts.
    """
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        caches = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"}
        for run in ("cold", "warm"):
            started = time.perf_counter()
            _watch(_worker(recipe=recipe.name, iterations=10, folder=f"{folder}/{run}"), caches)
            seconds[run] = time.perf_counter() - started
            say(f"beside iterations, {run}", {"seconds": {run: spread([seconds[run]])}})
    return seconds


def curriculum(name: str, recipe: Recipe, out: str) -> list[str]:
    """Return the command that runs a recipe in a folder: ours, or PyTorch's."""
    if name == "ours":
        script = str(ROOT / "scripts" / "curriculum.py")
        return [sys.executable, script, "--recipe", recipe.name, "--out", out]
    iterations = [stage.iterations for stage in recipe.stages]
    stages = list(zip(stage_settings(recipe), iterations, strict=True))
    return _worker(side=name, stages=stages, display_every=recipe.display_every, folder=out)


def _worker(**task) -> list[str]:
    return [sys.executable, "-m", "scripts.benchmarks.worker", json.dumps(task)]


def _watch(
    command: list[str], environment: Mapping = os.environ, until: re.Pattern | None = None
) -> list[str]:
    """Run a command, to its end or until it prints a certain line, and return its lines.

    Raises:
      RuntimeError: it failed, or ended without the line; its errors were printed.
    """
    paths = [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])]
    environment = {**environment, "PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if until is not None and until.match(line):
                process.terminate()
                return lines
    if process.returncode != 0 or until is not None:
        raise RuntimeError(f"{command} ended with exit code {process.returncode}")
    return lines
