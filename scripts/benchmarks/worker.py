"""A process of its own for one side: `python -m scripts.benchmarks.worker TASK`, a JSON object.

With "iterations": import the side, train, and print seconds of both and the peak memory, as JSON.
With "stages": train PyTorch's curriculum.
"""

import json
import resource
import sys
import time
from pathlib import Path

from .sides import Setting, load_side


def main(task: dict) -> None:
    """Do what is asked for."""
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
