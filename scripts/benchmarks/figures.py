"""All figures of a run of the benchmark: collected, derived, and written."""

import json
import os
import platform
import time
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import jax

from sinlstm_jax.files import replacing
from sinlstm_jax.runs.folder import versions

from ..publish.results import replace_between
from .bars import judge
from .measures import measure, stage_settings
from .picture import plot_cost
from .plan import Plan
from .processes import first_line, start_up, whole_curriculum
from .report import progress_line, summary, tables
from .sides import load_sides, ours_of


def collect(plan: Plan, *, full: bool, cores: int, pinned: bool) -> dict:
    """Measure what a plan says, print the figures as they come and the tables at the end.

    Returns the figures; in JSON they are docs/benchmarks.json. With `full`, the whole curriculum
    is run, too.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch wants of a GPU, too
    started = time.monotonic()

    def say(what: str, result: dict) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {progress_line(what, result)}", flush=True)

    sides, missing = load_sides()
    for name, reason in missing.items():
        print(f"{name} is left out: {reason}", flush=True)
    figures = {
        "machine": _machine(cores, pinned),
        "versions": versions()
        | ({"torch": metadata.version("torch")} if "PyTorch" in sides else {}),
        "ours": ours_of(sides),
        "missing": missing,
    }
    figures["start_up"] = start_up(plan, sides, say)
    figures["first_line"] = first_line(plan, sides, say)
    figures |= measure(plan, sides, say)
    if full:
        figures["whole_curriculum"] = whole_curriculum(plan, sides, say)
    figures |= _derived(plan, figures)
    figures["bars"] = judge(figures)
    for name, table in tables(figures).items():
        print(f"\n{name}:\n{table}")
    return figures


def write_json(path: Path, figures: dict) -> None:
    """Write the figures, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(figures, indent=1, default=asdict) + "\n")


def publish(root: Path, figures: dict) -> None:
    """Write benchmarks.json, the tables in benchmarks.md and the README, and the picture."""
    docs = root / "docs"
    write_json(docs / "benchmarks.json", figures)
    for name, table in tables(figures).items():
        replace_between(docs / "benchmarks.md", name, table)
    replace_between(root / "README.md", "speed", summary(figures))
    plot_cost(docs / "images" / "benchmark-cost.png", figures)


def _derived(plan: Plan, figures: dict) -> dict:
    """Return what follows from the iterations' times: seconds of the curriculum's, and the rest."""
    settings, stages = stage_settings(plan.recipe), plan.recipe.stages
    iterations = {
        side: sum(
            stage.iterations
            * figures["training_iteration"][str(setting.window)]["seconds"][side].median
            for setting, stage in zip(settings, stages, strict=True)
        )
        for side in figures["training_iteration"][str(settings[0].window)]["seconds"]
    }
    runs = figures.get("whole_curriculum", {"seconds": {}})["seconds"]
    sides = {"cold": figures["ours"], "warm": figures["ours"], "PyTorch": "PyTorch"}
    return {
        "extrapolated_curriculum": iterations,
        "beside_training": {run: seconds - iterations[sides[run]] for run, seconds in runs.items()},
    }


def _machine(cores: int, pinned: bool) -> dict:
    return {
        "cpu": _cpu(),
        "cores_there": os.cpu_count(),
        "cores": cores,
        "pinned": pinned,
        "device": jax.devices()[0].device_kind,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
