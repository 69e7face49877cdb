"""Forecasts that need no training, to hold a model's against; NumPy float64.

Each takes a history, `[past, wave]` with NO_INPUT where nothing was observed, and the steps to
forecast, and returns `[horizon, wave]`.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from ..errors import InputError
from ..signals.signal import NO_INPUT, SAMPLING_RATE, Signal
from ..signals.sines import Sines
from ..signals.tones import Tones
from .fits import COARSE_FREQUENCIES, angles, fit_sine, fit_tones

Baseline = Callable[[np.ndarray, int], np.ndarray]

# Of a seasonal forecast's period, in mean squared difference over its mean up to there.
DEEPEST = 0.3  # where it differs more, it is none
CLOSE = 0.1  # a shorter period is taken if it differs by no more than this more
FEWEST_PAIRS = 3  # of values that a difference is taken from
EXACT = 1e-20  # of the power; an error of less is not predicted, as rounding may be all of it


def zero(history: np.ndarray, horizon: int) -> np.ndarray:
    """Forecast 0, which scores 0.5 on any sine wave."""
    return np.zeros((horizon, history.shape[1]))


def last_value(history: np.ndarray, horizon: int) -> np.ndarray:
    """Forecast the last value observed, or 0 if there is none."""
    observed = history != NO_INPUT
    last = observed.shape[0] - 1 - np.argmax(observed[::-1], axis=0)
    values = np.where(observed.any(axis=0), history[last, np.arange(history.shape[1])], 0.0)
    return np.tile(values, (horizon, 1))


def sine_fit(history: np.ndarray, horizon: int) -> np.ndarray:
    """Forecast the sine wave that fits the history best: exact, to rounding, on a clean one.

    It is told what no network is: that there is one sine wave, of 0.05 to 10 Hz.
    """
    frequency, cosine, sine = fit_sine(history)
    angle = angles(frequency, history.shape[0] + np.arange(horizon))
    return cosine * np.cos(angle) + sine * np.sin(angle)


def tones_fit(history: np.ndarray, horizon: int, count: int = 2) -> np.ndarray:
    """Forecast the sum of a level and `count` sine waves that fits the history best.

    Found step by step, as `fit_tones` says: exact, to rounding, on clean tones well apart. Tones
    less than a cycle of the history apart may come out of noise as large ones that nearly cancel.

    Raises:
      InputError: as `fit_tones` does.
    """
    level, frequency, cosine, sine = fit_tones(history, count)
    angle = 2 * np.pi * frequency * (history.shape[0] + np.arange(horizon))[:, None, None]
    return level + np.sum(cosine * np.cos(angle) + sine * np.sin(angle), axis=1)


def seasonal_naive(history: np.ndarray, horizon: int) -> np.ndarray:
    """Forecast the last period over and over; the mean of what was observed if none is found.

    The period is a whole number of steps, of at most three quarters of the history. It is where
    the history differs least from itself before: at the first dip of d(k) that is within CLOSE of
    the lowest, d being the mean squared difference of values k steps apart over its mean up to k
    (YIN; de Cheveigne and Kawahara, 2002). No period is found where no dip is below DEEPEST. A
    value that is missing in the last period is taken from the latest one that has it, or else from
    a line between its neighbours, around the period.

    Raises:
      InputError: a wave has no observed value.
    """
    history, observed = _some_observed(history)
    past, waves = history.shape
    forecast = np.empty((horizon, waves))
    for wave, period in enumerate(_periods(history, observed)):
        steps = np.flatnonzero(observed[:, wave])
        values = history[steps, wave]
        if period == 0:
            forecast[:, wave] = values.mean()
            continue
        cycle = np.full(period, np.nan)
        cycle[steps % period] = values  # of several, the last stays
        there = np.flatnonzero(~np.isnan(cycle))
        ahead = (past + np.arange(horizon)) % period
        forecast[:, wave] = np.interp(ahead, there, cycle[there], period=period)
    return forecast


def _periods(history, observed) -> np.ndarray:
    """Return the periods of waves in steps, 0 where none is found, `[wave]`."""
    past, waves = history.shape
    lags = np.arange(1, max(1, 3 * past // 4) + 1)
    square, known = np.zeros((lags.size, waves)), np.zeros((lags.size, waves), bool)
    for lag in lags:
        both = observed[lag:] & observed[:-lag]
        pairs = both.sum(axis=0)
        known[lag - 1] = pairs >= FEWEST_PAIRS
        apart = np.where(both, history[lag:] - history[:-lag], 0.0)
        square[lag - 1] = np.sum(apart**2, axis=0) / np.maximum(pairs, 1)
    square *= known
    mean = square.cumsum(axis=0) / np.maximum(known.cumsum(axis=0), 1)
    difference = np.where(known & (mean > 0), square / np.where(mean > 0, mean, 1), np.inf)
    around = np.pad(difference, ((1, 1), (0, 0)), constant_values=np.inf)
    dip = (difference <= around[:-2]) & (difference <= around[2:]) & (difference < DEEPEST)
    close = dip & (difference <= CLOSE + np.min(difference, axis=0, initial=np.inf, where=dip))
    return np.where(close.any(axis=0), 1 + close.argmax(axis=0), 0)


def linear_prediction(history: np.ndarray, horizon: int) -> np.ndarray:
    """Forecast by linear prediction from half of the history, with Burg's coefficients.

    Each value is the mean plus a weighted sum of the past // 2 deviations from it before, with the
    weights that predict the history best both forwards and backwards, one lag after the other
    (J. P. Burg, Maximum Entropy Spectral Analysis, 1975; Kay, Modern Spectral Estimation, 1988);
    forecasts stay bounded. Of a quarter, a third and half, half does best on sine waves in noise.
    Gaps are filled by straight lines first, and the ends by the value next to them.

    Raises:
      InputError: a wave has no observed value.
    """
    history, observed = _some_observed(history)
    steps = np.arange(history.shape[0])
    filled = np.stack(
        [
            np.interp(steps, steps[seen], values[seen])
            for values, seen in zip(history.T, observed.T, strict=True)
        ],
        axis=1,
    )
    mean = filled.mean(axis=0)
    reflection, held = burg(filled - mean, steps.size // 2)
    forecast = np.zeros((horizon, mean.size))
    for value in forecast if held.size else ():
        # The lattice is run on errors of 0: rounding grows in the same recursion by weights.
        forward = np.cumsum((reflection * held)[::-1], axis=0)[::-1]
        held = np.concatenate([forward[:1], (held - reflection * forward)[:-1]])
        value[:] = forward[0]
    return mean + forecast


def burg(values: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Burg's reflection coefficients, and what their lattice holds at the end.

    With f_0 = b_0 = values, f_m(t) = f_{m-1}(t) - k_m b_{m-1}(t - 1) and b_m(t) = b_{m-1}(t - 1) -
    k_m f_{m-1}(t), each k_m has the least sum of f_m**2 + b_m**2; so none is beyond 1.

    Args:
      values: `[time, wave]` around 0, more than `order` steps.
      order: values that each is predicted from.

    Returns:
      (k_1 to k_order, b_0 to b_{order - 1} at the last step), each `[order, wave]`.
    """
    reflection, held = np.zeros((2, order, values.shape[1]))
    forward = backward = values
    rounding = EXACT * np.sum(values**2, axis=0)
    for m in range(order):
        held[m] = backward[-1]
        forward, backward = forward[1:], backward[:-1]
        power = np.sum(forward**2 + backward**2, axis=0)
        known = power > rounding
        reflection[m] = 2 * np.sum(forward * backward, axis=0) / np.where(known, power, np.inf)
        forward, backward = (
            forward - reflection[m] * backward,
            backward - reflection[m] * forward,
        )
    return reflection, held


def _some_observed(history) -> tuple[np.ndarray, np.ndarray]:
    """Return a history and what of it was observed, or raise InputError if a wave has nothing."""
    history = np.asarray(history, np.float64)
    observed = history != NO_INPUT
    if not observed.any(axis=0).all():
        raise InputError("a history has no observed value: give 1 or more")
    return history, observed


_SIMPLE = {"zero": zero, "last value": last_value}
_WITHOUT_A_MODEL = {"seasonal naive": seasonal_naive, "linear prediction": linear_prediction}
NAMES = (*_SIMPLE, "sine fit", "tones fit", *_WITHOUT_A_MODEL)


def baselines_of(signal: Signal) -> dict[str, Baseline]:
    """Return the baselines for a signal, by name; those that fit sine waves where it is some.

    A history with too few observed values for one of them is forecast as by `last_value`.
    """
    rest = {name: partial(_where_possible, each, 1) for name, each in _WITHOUT_A_MODEL.items()}
    return {**_SIMPLE, **_fits(signal), **rest}


def _fits(signal: Signal) -> dict[str, Baseline]:
    """Return what fits a signal's waves, by name; nothing for other signals."""
    if type(signal) is Tones and not signal.harmonic:  # one by one, harmonics are often too close
        fit = partial(tones_fit, count=signal.count)
        return {"tones fit": partial(_where_possible, fit, 3 * signal.count + 1)}
    if type(signal) is not Sines:
        return {}
    scale = SAMPLING_RATE / signal.sampling_rate  # `sine_fit` counts in Hz at 100 Hz
    low, high = (scale * frequency for frequency in signal.frequency)
    within = 2 * COARSE_FREQUENCIES[0] <= low and 1.25 * high <= COARSE_FREQUENCIES[-1]
    if signal.level == (0, 0) and within:  # with what is tried below and above the band
        return {"sine fit": partial(_where_possible, sine_fit, 3)}
    return {"sine fit": partial(_where_possible, partial(tones_fit, count=1), 4)}


def _where_possible(baseline: Baseline, fewest: int, history: np.ndarray, horizon: int):
    """Forecast the waves of which `fewest` values were observed, and the others by `last_value`."""
    enough = np.sum(history != NO_INPUT, axis=0) >= fewest
    if enough.all():
        return baseline(history, horizon)
    forecast = last_value(history, horizon)
    if enough.any():
        forecast[:, enough] = baseline(history[:, enough], horizon)
    return forecast
