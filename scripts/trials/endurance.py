"""Long rollouts, wide ones, and many stops: what may not grow is watched."""

import os
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from sinlstm_jax import forecast, load_pretrained, observe, rollout
from sinlstm_jax.recipe import Stage

from .damage import RECIPE, SEED, quick_run
from .sessions import differences, outcome

MEBIBYTE = 2**20
CHUNK = 1_000_000  # steps
PAST = np.sin(2 * np.pi * np.arange(100) / 100)


def resident() -> float:
    """Return the memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MEBIBYTE


def long_rollout(steps: int, _: Path, say: Callable[[str], None]) -> dict:
    """Forecast so many steps in whole chunks; memory is watched from the third chunk on."""
    model = load_pretrained("curriculum")
    carry, _ = observe(model, PAST)
    finite, memory, started = True, [], time.monotonic()
    for done in range(CHUNK, steps + 1, CHUNK):
        carry, predictions = forecast(model, carry, CHUNK)
        finite &= bool(np.isfinite(np.asarray(predictions)).all())
        del predictions
        memory.append(resident())
        if len(memory) % 10 == 0:
            say(f"{done}/{steps} steps, {memory[-1]:.0f} MiB")
    return {
        "steps": steps,
        "seconds": time.monotonic() - started,
        "finite": finite,
        "memory_growth_mib": max(memory[2:]) - memory[2],
    }


def wide_rollout(series: int, _: Path, say: Callable[[str], None]) -> dict:
    """Forecast many series at once, each as it would be alone."""
    model = load_pretrained("curriculum")
    frequency = np.linspace(0.5, 4, series)
    history = np.sin(2 * np.pi * frequency * np.arange(100)[:, None] / 100)
    predictions = np.asarray(rollout(model, history, 400))
    some = np.linspace(0, series - 1, 20).astype(int)
    alone = [np.asarray(rollout(model, history[:, k], 400))[:, 0] for k in some]
    off = max(float(np.abs(predictions[:, k] - a).max()) for k, a in zip(some, alone, strict=True))
    say(f"{series} series, off by {off:g} from each alone")
    return {
        "series": series,
        "finite": bool(np.isfinite(predictions).all()),
        "largest_difference_to_alone": off,
    }


def cycles(count: int, folder: Path, say: Callable[[str], None]) -> dict:
    """Stop a run after each iteration and resume it, `count` times; watch what may not grow."""
    stages = (Stage(2, count + 1),)
    recipe = replace(RECIPE, summary="one stage", stages=stages, display_every=10**6)
    out, samples, started = folder / "stopped", [], time.monotonic()
    for iteration in range(1, count + 1):
        quick_run(recipe, out, iterations=iteration)
        if iteration % max(1, count // 20) == 0:
            samples.append(_sample(out))
            say(f"{iteration}/{count} cycles, {samples[-1]}")
        if iteration % 100 == 0:
            jax.clear_caches()  # of programs, which each new optimizer object adds to
    seconds = time.monotonic() - started
    quick_run(recipe, out)
    quick_run(recipe, folder / "whole")
    left = [outcome(recipe, SEED, path) for path in (folder / "whole", out)]
    first, last = samples[len(samples) // 4], samples[-1]
    return {
        "cycles": count,
        "seconds": seconds,
        "different": differences(*left),
        "growth": {name: last[name] - first[name] for name in first},
        "at_the_end": last,
    }


def _sample(out: Path) -> dict:
    """Return what may not grow: of the run's folder on disk, and of this process."""
    files = [path for path in (out / "checkpoints").rglob("*") if path.is_file()]
    return {
        "checkpoints": len(os.listdir(out / "checkpoints")),
        "kib_of_checkpoints": sum(path.stat().st_size for path in files) // 1024,
        "open_files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "memory_mib": round(resident()),
    }
