"""Timing several sides by turns, and what is made of the times: medians, spread, ratios."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Work(NamedTuple):
    """Something to time, in units."""

    run: Callable[[int], object]  # does so many units, and returns when they are done
    size: int = 1  # how much one unit is: steps, say, or replicates
    most: int = 10**9  # units in one timing
    cold: bool = False  # every call starts from nothing: one unit is timed, and none is done before


@dataclass(frozen=True)
class Spread:
    """Repeats of one measurement."""

    median: float
    lowest: float
    highest: float


class Timing(NamedTuple):
    """Times of one side."""

    seconds: list[float]  # per unit of size 1, one a repeat
    amount: int  # of work behind each of them, in units of size 1


def alternate(
    sides: dict[str, Work], seconds: float, repeats: int, clock=time.perf_counter
) -> dict[str, Timing]:
    """Time the sides by turns, so that what slows the machine for a while slows all of them.

    Each works about `seconds` seconds a turn, after a warm-up that compiles what is to be
    compiled. Every second round goes backwards.
    """
    counts = {name: _units(work, seconds, clock) for name, work in sides.items()}
    times = {name: [] for name in sides}
    for repeat in range(repeats):
        for name in list(sides)[:: -1 if repeat % 2 else 1]:
            elapsed = _timed(sides[name], counts[name], clock)
            times[name].append(elapsed / counts[name] / sides[name].size)
    return {name: Timing(times[name], counts[name] * sides[name].size) for name in sides}


def spread(values: list[float]) -> Spread:
    """Return the median of repeats, and their range."""
    return Spread(statistics.median(values), min(values), max(values))


def spreads(timings: dict[str, Timing]) -> dict[str, Spread]:
    """Return the spread of every side's seconds."""
    return {name: spread(timing.seconds) for name, timing in timings.items()}


def ratio(slow: list[float], fast: list[float]) -> Spread:
    """Return how many times longer `slow` takes: of the ratios, one a repeat, median and range."""
    return spread([a / b for a, b in zip(slow, fast, strict=True)])


def _units(work: Work, seconds: float, clock) -> int:
    """Return how many units take about `seconds`."""
    if work.cold:
        return 1
    work.run(1)
    count = 1
    while (elapsed := _timed(work, count, clock)) < seconds / 8 and count < work.most:
        count = min(4 * count, work.most)
    return min(max(round(count * seconds / elapsed), 1), work.most)


def _timed(work: Work, count: int, clock) -> float:
    started = clock()
    work.run(count)
    return clock() - started
