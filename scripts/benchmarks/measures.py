"""What is measured, how much of it, and what follows from it: the figures of docs/benchmarks.json.

Everything here but what `processes` does is measured in one process, with all sides in it.
"""

import contextlib
import os
import time
from importlib import metadata
from typing import NamedTuple

import jax

from sinlstm_jax.recipe import Recipe
from sinlstm_jax.recipes import RECIPES
from sinlstm_jax.runs.record import versions

from ..pages import cpu_name
from .bars import SIZES, judge
from .comparison import able, compare
from .processes import beside_training, first_line, start_up, whole_curriculum
from .report import progress_line
from .sides import Setting, load_sides, ours_of, stage_settings
from .timing import alternate, ratio, spread, spreads

ROLLOUTS = ((1, 1000), (1, 1500), (1, 1_000_000), (1024, 1500), (1024, 1_000_000))

PACKAGES = ("torch", "onnxruntime", "onnx", "numba")  # that sides are made of


class Plan(NamedTuple):
    """How much is measured; as it stands, the whole."""

    recipe: Recipe = RECIPES["curriculum"]  # its windows are those of the training iteration
    seconds: float = 0.15  # that each side works in one turn
    repeats: int = 5
    rollouts: tuple[tuple[int, int], ...] = ROLLOUTS  # (batch, steps), all but the last are judged
    rollout_seconds: float = 0.6  # that a side works in one turn on the longest rollouts
    sizes: tuple[tuple[int, int, int], ...] = tuple(SIZES)  # windows, units, batches
    replicates: tuple[int, ...] = (1, 4, 16)  # the first is what the others are held to
    compilations: tuple[int, ...] = (150, 500, 2000)  # windows, shortest first
    starts: int = 2  # repeats of what is slow: compilations, and what takes a process of its own
    costs: tuple[tuple[str, tuple[int, ...]], ...] = (  # sizes of a setting, one changed at a time
        ("window", (150, 200, 300, 500, 1000)),
        ("hidden_size", (15, 40, 64, 65, 128, 256)),
        ("batch_size", (1, 20, 64, 256)),
    )


QUICK = Plan(
    seconds=0.05,
    rollouts=ROLLOUTS[:-1],
    rollout_seconds=0.2,
    replicates=(1, 16),
    compilations=(150, 500),
    starts=1,
    costs=(),
)


def collect(plan: Plan, *, full: bool, cores: int, pinned: bool) -> dict:
    """Measure what a plan says, and print the figures as they come.

    Returns all figures; in JSON they are docs/benchmarks.json. With `full`, the whole curriculum
    is run, too.
    """
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch wants of a GPU, too
    started = time.monotonic()

    def say(what: str, result: dict) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {progress_line(what, result)}", flush=True)

    sides, missing = load_sides(cores)
    trainers = {name: side for name, side in sides.items() if hasattr(side, "training")}
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
        "versions": versions() | versions_of(PACKAGES),
        "ours": ours_of(sides),
        "missing": missing,
        "start_up": start_up(plan.recipe, trainers, plan.starts, say),
        "first_line": first_line(plan.recipe, sides, plan.starts, say),
    }
    jax.config.update("jax_enable_compilation_cache", False)  # compilations are to be real ones
    settings = stage_settings(plan.recipe)
    figures |= {
        "training_iteration": {
            str(setting.window): training_iteration(plan, sides, setting, say)
            for setting in settings
        },
        "sizes": [larger(plan, sides, sizes, say) for sizes in plan.sizes],
        "rollout": [rollout(plan, sides, *sizes, say) for sizes in plan.rollouts],
        "streaming_step": streaming_step(plan, sides, say),
        "replicates": replicates(plan, sides, settings[0], say),
        "cost": cost(plan, sides, settings[0], say),
        "compilation": compilation(plan, sides[figures["ours"]], settings[0], say),
    }
    if full:
        figures["beside_training"] = beside_training(plan.recipe, say)
        figures["whole_curriculum"] = whole_curriculum(plan.recipe, sides, say)
    by_stage = zip(figures["training_iteration"].values(), plan.recipe.stages, strict=True)
    stages = [(result["seconds"], stage.iterations) for result, stage in by_stage]
    iterations = {
        side: sum(count * seconds[side]["median"] for seconds, count in stages) for side in trainers
    }
    figures["extrapolated_curriculum"] = iterations
    return figures | {"bars": judge(figures)}


def versions_of(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def training_iteration(plan: Plan, sides: dict, setting: Setting, say) -> dict:
    """Return times of an iteration, ratios to PyTorch's, and times of our iteration's parts."""
    ours = ours_of(sides)
    parts = sides[ours].parts(setting)
    works = able(sides, "training", setting)
    times, _ = alternate(works | parts, plan.seconds, plan.repeats)
    whole, parts = ({name: times[name] for name in names} for names in (works, parts))
    together = [sum(repeat) for repeat in zip(*parts.values(), strict=True)]
    result = compare(whole) | {
        "parts": spreads(parts),
        "parts_together": spread(together),
        "ratio_to_parts": ratio(whole[ours], together),
    }
    say(f"training iteration, window {setting.window}", result)
    return result


def larger(plan: Plan, sides: dict, sizes: tuple[int, int, int], say) -> dict:
    """Return times of an iteration of other sizes, and ratios to PyTorch's."""
    works = able(sides, "training", Setting(*sizes))
    times, _ = alternate(works, plan.seconds, plan.repeats)
    result = {"sizes": sizes} | compare(times)
    say("training iteration, window {}, {} units, batch {}".format(*sizes), result)
    return result


def rollout(plan: Plan, sides: dict, batch_size: int, steps: int, say) -> dict:
    """Return times of a forecast step; a rollout that would take too long is begun, not ended."""
    seconds = plan.rollout_seconds if batch_size * steps > 100_000 else plan.seconds
    works = able(sides, "rollout", batch_size, steps)
    times, amounts = alternate(works, seconds, plan.repeats)
    result = {"batch_size": batch_size, "steps": steps, **compare(times)}
    result["steps_measured"] = {name: min(amount, steps) for name, amount in amounts.items()}
    if "fused" in sides:
        result["ratio_to_scan"] = ratio(times["scan"], times["fused"])
    say(f"rollout step, batch {batch_size}, {steps} steps", result)
    return result


def streaming_step(plan: Plan, sides: dict, say) -> dict:
    """Return times of one step called from Python, from a number to a number."""
    works = able(sides, "streaming")
    result = compare(alternate(works, plan.seconds, plan.repeats)[0])
    say("streaming step", result)
    return result


def replicates(plan: Plan, sides: dict, setting: Setting, say) -> dict:
    """Return times of an iteration by replicate, and the share of one's throughput that is kept."""
    works = {
        (str(count), name): work
        for count in plan.replicates
        for name, work in able(sides, "replicates", setting, count).items()
    }
    times, _ = alternate(works, plan.seconds, plan.repeats)
    counts, ours = list(map(str, plan.replicates)), ours_of(sides)
    seconds = {
        count: {name: spread(found) for (of, name), found in times.items() if of == count}
        for count in counts
    }
    for count in counts:
        say(f"iteration by replicate, {count} at once", {"seconds": seconds[count]})
    kept = {count: ratio(times[counts[0], ours], times[count, ours]) for count in counts}
    return {"window": setting.window, "seconds": seconds, "throughput_kept": kept}


def cost(plan: Plan, sides: dict, around: Setting, say) -> dict:
    """Return times of an iteration against its sizes, the others being those of a setting."""

    def measured(size: str, value: int) -> dict:
        setting = around._replace(**{size: value})
        works = able(sides, "training", setting)
        return _seconds(plan, works, f"training iteration, {size} {value}", say)

    return {
        size: {str(value): measured(size, value) for value in values} for size, values in plan.costs
    }


def _seconds(plan: Plan, works: dict, what: str, say) -> dict:
    """Time what takes no part in the comparison with PyTorch."""
    seconds = spreads(alternate(works, plan.seconds, plan.repeats)[0])
    say(what, {"seconds": seconds})
    return seconds


def compilation(plan: Plan, ours, setting: Setting, say) -> dict:
    """Return seconds that our training needs to be traced and compiled, by window."""
    windows = [str(window) for window in plan.compilations]
    works = {window: ours.compilation(setting._replace(window=int(window))) for window in windows}
    works[windows[0]].run(1)  # the first of a process takes longer
    times, _ = alternate(works, plan.seconds, plan.starts)
    to_shortest = ratio(times[windows[-1]], times[windows[0]])
    result = {"seconds": spreads(times), "longest_to_shortest": to_shortest}
    say("compilation, by window", result)
    return result
