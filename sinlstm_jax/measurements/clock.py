"""The clock of samples: their rate, its jitter, gaps, and which step each sample is."""

from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .words import DAY, HOUR

LARGEST_JITTER = 0.35  # of a step, beyond which samples are at no rate at all
BESIDE = 5  # rows before and after a gap that tell whether it is one
CHANGE = 0.7  # steps that these are late by, or early, where it was taken for the wrong thing
AROUND = 0.55  # of a step: intervals of one, where times are rounded, too
WHOLE = 0.02  # of a step: what times that are rounded to whole steps may be off by
SINGLE = 0.1  # share of these that must be one step apart
NEAR = 10  # steps of a gap at the most, from which a step is measured
ROUNDS = 9
MONTHS = (3, 4, 9, 10, 11)  # in which summer time begins and ends, in the north and the south
GAP = 0.5  # steps that a sample is late by, and those after it, where others are missing


class Rate(NamedTuple):
    """What the times of a whole file tell."""

    step: float  # s
    jitter: float  # standard deviation of a sample's time, of a step
    steps: int  # with those that are missing, of no row at all
    gaps: int
    longest_gap: float  # s
    put: int  # times that the clock was put back or forward, at midnight or for summer
    last: float  # s, of the last row, as the clock tells it


def corrections(chain: np.ndarray, step: float, wraps: float) -> np.ndarray:
    """Return what is to be added to intervals where the clock was put back, or forward.

    Args:
      chain: times of successive rows, in s.
      step: of most rows, in s.
      wraps: what a clock may be put back by: `DAY` at midnight, where it tells the time of day;
        `HOUR`, where no zone is told and it is early on a Sunday, and then forward, too.
    """
    intervals = np.diff(chain)
    if wraps == DAY:
        return np.where(intervals < -DAY / 2, DAY, 0.0)
    if wraps != HOUR:
        return np.zeros(intervals.shape)
    day, hour = np.divmod(chain[:-1] / HOUR, 24)
    early = ((day.astype(np.int64) + 4) % 7 == 0) & (hour < 4)  # 1970 began on a Thursday
    month = chain[:-1].astype("datetime64[s]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    early &= np.isin(month, MONTHS)
    near = min(GAP * step, HOUR / 4)
    back = early & (np.abs(intervals + HOUR - step) < near)
    forward = early & (np.abs(intervals - HOUR - step) < near)
    return np.where(back, HOUR, np.where(forward, -HOUR, 0.0))


def steps_between(intervals: np.ndarray, step: float) -> np.ndarray:
    """Return how many steps lie between successive rows, 1 or more each, `[row - 1]`.

    A row is late by whole steps where others are missing before it, and so are the rows after it; a
    row that its clock's jitter makes late is followed by a short interval, or follows one.
    """
    apart = intervals / step
    excess = apart - 1
    beside = np.pad(np.minimum(excess, 0), 1)
    late = excess + beside[:-2] + beside[2:]
    steps = 1 + np.where(late > GAP, np.maximum(1, np.round(late)), 0).astype(np.int64)
    # Rows are late, on the whole, after a gap that was not seen, and early after one that was none.
    row = np.arange(1, len(intervals) + 1)
    before, after = np.maximum(row - BESIDE, 0), np.minimum(row + BESIDE, len(intervals) + 1)
    for _ in range(2):
        behind = np.concatenate([[0.0], np.cumsum(apart - steps)])
        sums = np.concatenate([[0.0], np.cumsum(behind)])
        since = (sums[after] - sums[row]) / (after - row)
        change = since - (sums[row] - sums[before]) / (row - before)
        steps += (change > CHANGE) & (excess > GAP / 2)
        steps -= (change < -CHANGE) & (steps > 1)
    return steps


def step_of(intervals: np.ndarray, where: str) -> float:
    """Return the step of most rows, in s, as intervals between some of them tell.

    Raises:
      InputError: it varies too much for there to be one.
    """
    least = float(intervals.min())
    whole = np.round(intervals / least)
    if np.mean(whole == 1) > SINGLE and np.abs(intervals / least - whole).max() < WHOLE:
        return float(intervals.sum() / whole.sum())  # however many rows are missing
    step = float(np.quantile(intervals, 0.25))  # some of the others are several steps long
    for _ in range(ROUNDS):
        step = float(np.mean(intervals[np.abs(intervals / step - 1) < AROUND]))
    steps = steps_between(intervals, step)
    near = steps <= NEAR
    step = float(intervals[near].sum() / steps[near].sum())
    jitter = jitter_of(intervals, steps_between(intervals, step), step)
    if jitter > LARGEST_JITTER:
        low, high = np.quantile(intervals, (0.1, 0.9))
        raise InputError(
            f"{where}: the steps between samples are {low:.4g} to {high:.4g} s long, which is no "
            "rate: resample them to one, or give --no-time if the times are wrong"
        )
    return step


def jitter_of(intervals: np.ndarray, steps: np.ndarray, step: float) -> float:
    """Return the standard deviation of rows' times, of a step: intervals have that of two."""
    inner = intervals[steps == 1]
    return float(np.sqrt(np.mean(np.square(inner / step - 1)) / 2)) if inner.size else 0.0
