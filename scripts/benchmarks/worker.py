"""A process of its own for one side: `python -m scripts.benchmarks.worker TASK`, a JSON object.

With "recipe": run our command on it, cut to so many iterations a stage.
With "stages": train PyTorch's curriculum.
Else: import the side, train, and print seconds of both and the peak memory, as JSON.
"""

import json
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

from .sides import Setting, load_side


def main(task: dict) -> None:
    """Do what is asked for."""
    if "recipe" in task:
        hardly_train(task["recipe"], task["iterations"], Path(task["folder"]))
        return
    started = time.perf_counter()
    side = load_side(task["side"])
    imported = time.perf_counter()
    if "stages" in task:
        settings = [(Setting(*sizes), iterations) for sizes, iterations in task["stages"]]
        Path(task["folder"]).mkdir()
        side.curriculum(settings, task["display_every"], task["folder"])
        return
    work = side.training(Setting(*task["setting"]))
    work.run(1)
    trained = time.perf_counter()
    work.run(task["iterations"])
    figures = {"import": imported - started, "first_iteration": trained - imported}
    print(json.dumps(figures | {"peak_bytes": peak_memory()}))


def hardly_train(name: str, iterations: int, out: Path) -> None:
    """Run our command on a recipe whose stages are that short: what is left is all the rest."""
    from sinlstm_jax.commands.curriculum import CurriculumOptions
    from sinlstm_jax.recipes import RECIPES

    stages = tuple(replace(stage, iterations=iterations) for stage in RECIPES[name].stages)
    RECIPES[name] = replace(RECIPES[name], stages=stages, display_every=iterations)
    CurriculumOptions(recipe=name, out=out).execute()


def peak_memory() -> int:
    """Return this process's peak resident memory in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, ru_maxrss is never less than the parent's
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
