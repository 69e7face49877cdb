"""What is measured in processes of their own: start-up, memory, and whole curricula."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping

from ..pages import ROOT
from .measures import stage_settings
from .plan import Plan
from .timing import Work, alternate, spread, spreads

PROGRESS = re.compile(r"\s*step +\d+ +loss")  # begins a line of it


def start_up(plan: Plan, sides: dict, say) -> dict:
    """Return, by side, seconds of importing and of a first iteration, and bytes of peak memory."""
    figures = {name: [] for name in sides}
    task = {"setting": stage_settings(plan.recipe)[-1], "iterations": 100}

    def work(name):
        command = _worker({"side": name, **task})
        return Work(lambda _: figures[name].append(json.loads(_watch(command)[-1])), cold=True)

    alternate({name: work(name) for name in sides}, 0, plan.starts)
    result = {
        name: {key: spread([repeat[key] for repeat in repeats]) for key in repeats[0]}
        for name, repeats in figures.items()
    }
    for name, spreads_of in result.items():
        times = {key: spreads_of[key] for key in ("import", "first_iteration")}
        say(f"start-up of {name}", {"seconds": times})
    return result


def first_line(plan: Plan, sides: dict, say) -> dict:
    """Return seconds from the start of a curriculum to its first line of progress."""

    def work(command):
        def run(_):
            with tempfile.TemporaryDirectory() as folder:
                _watch(command(plan, f"{folder}/run"), until=PROGRESS)

        return Work(run, cold=True)

    works = {name: work(command) for name, command in _curricula(sides).items()}
    result = {"seconds": spreads(alternate(works, 0, plan.starts))}
    say("to the first line of progress", result)
    return result


def whole_curriculum(plan: Plan, sides: dict, say) -> dict:
    """Run the whole curriculum: ours with cold caches, then with warm ones; PyTorch's between.

    Returns seconds of each, and their ratios to PyTorch's. Ours draws pictures and keeps
    checkpoints; PyTorch's saves a snapshot per stage.
    """
    commands, seconds = _curricula(sides), {}
    with tempfile.TemporaryDirectory() as folder:
        caches = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache"}
        for run, name in {"cold": "ours", "PyTorch": "PyTorch", "warm": "ours"}.items():
            if name in commands:
                started = time.perf_counter()
                _watch(commands[name](plan, f"{folder}/{run}"), caches)
                seconds[run] = time.perf_counter() - started
                say(f"whole curriculum, {run}", {"seconds": {run: spread([seconds[run]])}})
    ratios = {}
    if "PyTorch" in seconds:
        ratios = {run: seconds["PyTorch"] / seconds[run] for run in ("cold", "warm")}
    return {"seconds": seconds, "ratios_to_pytorch": ratios}


def _curricula(sides: dict) -> dict:
    """Return the commands that run a plan's recipe in a folder, by name."""
    commands = {"ours": _our_curriculum}
    if "PyTorch" in sides:
        commands["PyTorch"] = _pytorch_curriculum
    return commands


def _our_curriculum(plan: Plan, out: str) -> list[str]:
    script = str(ROOT / "scripts" / "curriculum.py")
    return [sys.executable, script, "--recipe", plan.recipe.name, "--out", out]


def _pytorch_curriculum(plan: Plan, out: str) -> list[str]:
    recipe = plan.recipe
    iterations = [stage.iterations for stage in recipe.stages]
    stages = list(zip(stage_settings(recipe), iterations, strict=True))
    every = {"display_every": recipe.display_every}
    return _worker({"side": "PyTorch", "stages": stages, **every, "folder": out})


def _worker(task: dict) -> list[str]:
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
