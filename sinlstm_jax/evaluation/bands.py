"""Whether the bands around forecasts hold the share that they are to hold."""

from typing import NamedTuple

import numpy as np

from ..rollout import rollout_with_spread
from ..sensor import BAND, SensorLSTM, reach_of
from ..signals.signal import HELD_OUT_SEED, NO_INPUT, HeldOut
from .windows import SPOILINGS, spoil

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, BAND, 0.95)
INTERVALS = ((0, 100), (100, 200), (200, 400))  # forecast steps


class Bands(NamedTuple):
    """How much of what comes the bands of a model hold."""

    intervals: tuple[tuple[int, int], ...]
    held: np.ndarray  # [spoiling, interval, share], for each of SPOILINGS and SHARES

    @property
    def over_all_steps(self) -> np.ndarray:
        """What is held over all steps of the intervals, `[spoiling, share]`."""
        steps = [last - first for first, last in self.intervals]
        return np.average(self.held, axis=1, weights=steps)


def held_by_bands(model: SensorLSTM, windows: HeldOut, past: int) -> Bands:
    """Measure how much of what comes a model's bands hold, after each of SPOILINGS.

    What comes is the window as it truly is, without noise; what is not known of it does not count.
    """
    truth = np.asarray(windows.values[past:], np.float64)
    steps = len(truth)
    intervals = tuple((first, min(last, steps)) for first, last in INTERVALS if first < steps)
    held = np.empty((len(SPOILINGS), len(intervals), len(SHARES)))
    for row, spoiling in zip(held, SPOILINGS, strict=True):
        rng, amplitude = np.random.default_rng(HELD_OUT_SEED), np.float64(windows.amplitude)
        history = spoil(windows.values[:past], spoiling, rng, amplitude)
        history = np.where(history == NO_INPUT, np.nan, history)
        forecast, spread = (
            np.asarray(x)[past:, :, 0] for x in rollout_with_spread(model, history, len(truth))
        )
        row[:] = shares_held(in_spreads(forecast - truth, spread), model, intervals)
    return Bands(intervals, held)


def in_spreads(error: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return how many spreads forecasts are off by, NaN where that is not known.

    A spread may be 0, of samples that do not vary: what is right is off by none, and else by
    infinitely many.
    """
    off = np.abs(error)
    of_none = np.where(np.isnan(spread), np.nan, np.where(off > 0, np.inf, off))
    return np.divide(off, spread, out=of_none, where=spread > 0)


def shares_held(off: np.ndarray, model: SensorLSTM, intervals) -> np.ndarray:
    """Return the share of errors within each of SHARES' bands, `[interval, share]`.

    Errors are in spreads, `[step, window]`, NaN where they are not known, and infinite where there
    is no spread around a forecast that is off.
    """
    reaches = [reach_of(model, share) for share in SHARES]
    parts = [off[first:last][~np.isnan(off[first:last])] for first, last in intervals]
    return np.array([[np.mean(part <= reach) for reach in reaches] for part in parts])
