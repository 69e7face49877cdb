"""The first half of an evaluation, for any signal: errors, and what noise and gaps do to them."""

from typing import NamedTuple

import numpy as np

from ..errors import InputError, shown
from ..signals.samples import real_numbers
from ..signals.signal import HELD_OUT_SEED, NO_INPUT, HeldOut
from .errors import INTERVALS, ForecastFunction, interval_means

FEWEST = 2  # samples of a window that noise and gaps leave


class Errors(NamedTuple):
    """Squared errors of forecasts; NaN where the truth is not known."""

    intervals: tuple[tuple[int, int], ...]
    errors: np.ndarray  # [interval, window], averaged over the steps
    error_over_time: np.ndarray  # [step], averaged over the windows


class Spoiling(NamedTuple):
    """What is done to a history before it is observed."""

    noise: float = 0.0  # standard deviation of a normal error on each value, of the amplitude
    missing: float = 0.0  # probability of a value to be NO_INPUT instead

    def in_words(self) -> str:
        """Name it: `noise 0.1`, `gaps 20%` or `clean`."""
        if self.noise:
            return f"noise {self.noise:g}"
        return f"gaps {100 * self.missing:g}%" if self.missing else "clean"


SPOILINGS = (
    Spoiling(),
    *(Spoiling(noise=noise) for noise in (0.02, 0.05, 0.1, 0.2)),
    *(Spoiling(missing=missing) for missing in (0.02, 0.1, 0.2, 0.5)),
)


def evaluate_windows(forecaster: ForecastFunction, windows: HeldOut, past: int) -> Errors:
    """Let a forecaster continue windows, shown as they are, and measure its errors.

    Of INTERVALS, those beyond the windows are left out.

    Raises:
      InputError: the forecaster answers with another shape.
    """
    history, truth = np.float64(windows.values[:past]), windows.values[past:]
    history = np.where(np.isnan(history), NO_INPUT, history)
    return errors_of(forecast_of(forecaster, history, truth.shape[0]), truth)


def forecast_of(forecaster: ForecastFunction, history: np.ndarray, horizon: int) -> np.ndarray:
    """Return what a forecaster answers, `[horizon, window]` in float64, or raise InputError."""
    if not callable(forecaster):
        raise InputError(f"the forecaster is {shown(forecaster)}: give forecast_function(model)")
    predicted = real_numbers("the forecast", forecaster(history, horizon))
    expected = (horizon, history.shape[1])
    if predicted.shape != expected:
        raise InputError(
            f"the forecaster answered with shape {predicted.shape}: it should be {expected}, "
            "[horizon, wave]"
        )
    return predicted


def errors_of(predicted: np.ndarray, truth: np.ndarray) -> Errors:
    """Return the errors of forecasts, `[step, window]` as the truth, NaN where it is not known."""
    squared, known = squared_errors(predicted, truth)
    steps, windows = truth.shape
    intervals = tuple(i for i in INTERVALS if i[1] <= steps)
    means = interval_means([(0, squared)], intervals, windows)
    if not known.all():  # averages are over what is known alone
        shares = interval_means([(0, known)], intervals, windows)
        means /= np.where(shares > 0, shares, np.nan)
        each = known.sum(axis=1)
        return Errors(intervals, means, squared.sum(axis=1) / np.where(each, each, np.nan))
    return Errors(intervals, means, squared.mean(axis=1))


def squared_errors(predicted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (squared errors, 0 where the truth is not known, whether it is known)."""
    known = ~np.isnan(truth)
    squared = np.square(predicted - truth)
    # What forecasts no number where there is one is as far off as can be.
    squared[np.isnan(squared)] = np.inf
    squared[~known] = 0.0
    return squared, known


def spoil(
    history: np.ndarray,
    spoiling: Spoiling,
    rng: np.random.Generator,
    amplitude: float | np.ndarray = 1.0,
) -> np.ndarray:
    """Return a history, `[past, wave]`, with noise and missing values; where it is NaN, NO_INPUT.

    The noise is relative to an amplitude for all, or one for each, `[wave]`. Of what is known of a
    wave the last two values stay where all others are missing, lest there is nothing to go by.
    """
    noisy = history + spoiling.noise * amplitude * rng.standard_normal(history.shape)
    missing = rng.random(history.shape) < spoiling.missing
    known = ~np.isnan(noisy)
    is_last = known & (np.cumsum(known[::-1], axis=0)[::-1] <= FEWEST)
    few = np.sum(known & ~missing, axis=0) < FEWEST
    return np.where((missing & ~(few & is_last)) | ~known, NO_INPUT, noisy)


def error_after(
    spoiling: Spoiling, forecaster: ForecastFunction, windows: HeldOut, past: int
) -> float:
    """Return the mean squared error over all that windows hold beyond their spoilt past.

    Noise and gaps are in the history alone, the same for every forecaster; errors are taken
    against the clean window.
    """
    rng, amplitude = np.random.default_rng(HELD_OUT_SEED), np.float64(windows.amplitude)
    history = spoil(windows.values[:past], spoiling, rng, amplitude)
    truth = windows.values[past:]
    squared, known = squared_errors(forecast_of(forecaster, history, truth.shape[0]), truth)
    return float(np.mean(squared[known])) if known.any() else np.nan


def robustness(forecaster: ForecastFunction, windows: HeldOut, past: int) -> np.ndarray:
    """Return the error after each of SPOILINGS, `[spoiling]`, as `error_after` measures it."""
    return np.array([error_after(each, forecaster, windows, past) for each in SPOILINGS])


def known_mean(values: np.ndarray) -> float:
    """Return the mean of what is not NaN, or NaN."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else np.nan


def median(values: np.ndarray) -> float:
    """Return the median of what is not NaN, or NaN."""
    return float(quantiles(values, (0.5,))[0])


def quantiles(values: np.ndarray, levels) -> np.ndarray:
    """Return quantiles of what is not NaN, or NaN; infinity is a value like others."""
    values = values[~np.isnan(values)]
    if values.size == 0:
        return np.full(len(levels), np.nan)
    return np.quantile(values, levels, method="nearest")
