"""All figures of a run of the benchmark: collected, derived, and written."""

import os
import time
from importlib import metadata
from pathlib import Path

import jax

from sinlstm_jax.runs.record import versions

from ..pages import cpu_name, fill_in, write_json
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
        "machine": {
            "cpu": cpu_name(),
            "cores_there": os.cpu_count(),
            "cores": cores,
            "pinned": pinned,
            "device": jax.devices()[0].device_kind,
        },
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


def publish(root: Path, figures: dict) -> None:
    """Write benchmarks.json, the tables in benchmarks.md and the README, and the picture."""
    docs = root / "docs"
    write_json(docs / "benchmarks.json", figures)
    fill_in(docs / "benchmarks.md", tables(figures))
    fill_in(root / "README.md", {"speed": summary(figures)})
    plot_cost(docs / "images" / "benchmark-cost.png", figures)


def _derived(plan: Plan, figures: dict) -> dict:
    """Return what follows from the iterations' times: seconds of the curriculum's, and the rest."""
    measured = figures["training_iteration"]
    per_stage = [
        (stage.iterations, measured[str(setting.window)]["seconds"])
        for setting, stage in zip(stage_settings(plan.recipe), plan.recipe.stages, strict=True)
    ]
    iterations = {
        side: sum(count * seconds[side].median for count, seconds in per_stage)
        for side in per_stage[0][1]
    }
    runs = figures.get("whole_curriculum", {"seconds": {}})["seconds"]
    sides = {"cold": figures["ours"], "warm": figures["ours"], "PyTorch": "PyTorch"}
    return {
        "extrapolated_curriculum": iterations,
        "beside_training": {run: seconds - iterations[sides[run]] for run, seconds in runs.items()},
    }
