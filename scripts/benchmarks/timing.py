"""Timing several sides by turns, and what is made of the times: medians, spread, ratios."""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple


class Work(NamedTuple):
    """Something to time, in units."""

    run: Callable[[int], object]  # does so many units, and returns when they are done
    size: int = 1  # how much one unit is: steps, say, or replicates
    most: int = 10**9  # units in one timing
    cold: bool = False  # every call starts from nothing: one unit is timed, and none is done before


def alternate(
    sides: dict[str, Work], seconds: float, repeats: int, clock=time.perf_counter
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Time the sides by turns, so that what slows the machine for a while slows all of them.

    Each works about `seconds` seconds a turn, after a warm-up that compiles what is to be
    compiled. Every second round goes backwards. Returns by side, both in units of size 1:
    (seconds per unit, one a repeat; the amount of work behind each of them).
    """

    def timed(work: Work, count: int) -> float:
        started = clock()
        work.run(count)
        return clock() - started

    def units(work: Work) -> int:
        """Return how many take about `seconds`."""
        if work.cold:
            return 1
        work.run(1)
        count = 1
        while (elapsed := timed(work, count)) < seconds / 8 and count < work.most:
            count = min(4 * count, work.most)
        return min(max(round(count * seconds / elapsed), 1), work.most)

    counts = {name: units(work) for name, work in sides.items()}
    amounts = {name: counts[name] * work.size for name, work in sides.items()}
    times = {name: [] for name in sides}
    for repeat in range(repeats):
        for name in list(sides)[:: -1 if repeat % 2 else 1]:
            times[name].append(timed(sides[name], counts[name]) / amounts[name])
    return times, amounts


def spread(values: list[float]) -> dict[str, float]:
    """Return the median of repeats, and their range."""
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def spreads(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return the spread of every side's times."""
    return {name: spread(values) for name, values in times.items()}


def ratio(slow: list[float], fast: list[float]) -> dict[str, float]:
    """Return how many times longer `slow` takes: of the ratios, one a repeat, median and range."""
    return spread([a / b for a, b in zip(slow, fast, strict=True)])
