"""Forecasts of one series from rolling origins, beside baselines, in the series' units."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..measurements.summary import wave_of
from ..rollout import rollout_with_spread
from ..sensor import BAND, SensorLSTM, reach_of
from ..signals.signal import NO_INPUT, Scaling
from .baselines import last_value, linear_prediction, seasonal_naive, tones_fit, zero
from .errors import ForecastFunction, forecast_function
from .windows import forecast_of, known_mean

ORIGINS = 256  # at most, evenly spread
ENDS = (1, 10, 50, 100, 200, 400, 1000, 2000, 5000)  # steps: errors are of those up to each
FEWEST_FOR_A_FIT = 4  # samples, one for each unknown of a sine wave on a level


class Origins(NamedTuple):
    """Where forecasts of a series begin, with what is observed before and comes after."""

    first: np.ndarray  # [origin], steps of the series
    history: np.ndarray  # [past, origin], in the series' units, NaN where missing
    truth: np.ndarray  # [horizon, origin], alike


class Yardstick(NamedTuple):
    """What errors are held against: the mean absolute error of repeating what was a period ago."""

    period: int  # steps; 1 where none stands out
    error: float  # over the part before the first origin, in the series' units


class Rolled(NamedTuple):
    """Errors of one forecaster over all origins, in the series' units."""

    absolute: np.ndarray  # [interval], mean absolute error over steps 0 up to an end
    root_square: np.ndarray  # [interval], root of the mean squared error, alike
    over_steps: np.ndarray  # [step], root of the mean squared error
    forecasts: np.ndarray  # [step, origin]
    low: np.ndarray | None = None  # alike: of a model that says how sure it is
    high: np.ndarray | None = None

    def held(self, truth: np.ndarray) -> float:
        """Return the share of the samples, noise and all, that lie between low and high.

        Where too little was observed for a band, there is none to hold them.
        """
        assert self.low is not None and self.high is not None
        known = np.isfinite(truth) & np.isfinite(self.low)
        return float(np.mean(((self.low <= truth) & (truth <= self.high))[known]))


def origins_of(values: np.ndarray, first: int, past: int, horizon: int) -> Origins:
    """Return where a series is forecast from, ORIGINS of them at most, evenly spread.

    Args:
      values: the series, `[time]`, NaN where missing.
      first: the step from which on nothing was trained on.
      past: steps observed; of the first origins they lie before `first`.
      horizon: steps forecast.

    Raises:
      InputError: the series is too short, or all of it is missing there.
    """
    steps = np.arange(max(first, past), len(values) - horizon + 1)
    if steps.size == 0:
        raise InputError(
            f"{len(values)} steps, of which {max(0, len(values) - first)} are held out, hold no "
            f"forecast of {horizon} steps after {past}: give a shorter --horizon or --past, or a "
            "larger --held-out"
        )
    known = np.concatenate([[0], np.cumsum(np.isfinite(values))])
    seen = (known[steps] > known[steps - past]) & (known[steps + horizon] > known[steps])
    steps = steps[seen]
    if steps.size == 0:
        raise InputError(
            f"of the {len(values) - first} steps held out, what would be observed or what would "
            "be forecast is always missing: give a larger --held-out, or leave the column out"
        )
    chosen = steps[np.unique(np.linspace(0, steps.size - 1, ORIGINS).round().astype(int))]
    rows = chosen[None, :] + np.arange(-past, horizon)[:, None]
    windows = values[rows]
    return Origins(chosen, windows[:past], windows[past:])


def yardstick_of(values: np.ndarray) -> Yardstick:
    """Return what MASE divides by: the error of the seasonal naive forecast, on what is known.

    mean |x(t) - x(t - m)|, m the dominant period or 1 (Hyndman and Koehler, 2006).
    """
    period = wave_of(values).period
    period = 1 if period is None or not 1 <= period < len(values) / 2 else round(period)
    apart = np.abs(values[period:] - values[:-period])
    apart = apart[np.isfinite(apart)]
    return Yardstick(period, float(apart.mean()) if apart.size else np.nan)


def rolled(
    forecaster: ForecastFunction,
    origins: Origins,
    scaling: Scaling,
    between: Callable | None = None,
) -> Rolled:
    """Let a forecaster continue a series from all origins, and measure its errors.

    Args:
      forecaster: takes a history and a horizon, as all do, of samples that are scaled.
      origins: where to begin.
      scaling: how samples become what the forecaster sees.
      between: takes what the forecaster takes, and answers with (low, high), alike.
    """
    history = scaling.apply(origins.history)
    # A sample that happens to be the word for nothing is one still.
    history = np.where(history == NO_INPUT, np.nextafter(NO_INPUT, 0), history)
    history = np.where(np.isnan(history), NO_INPUT, history)
    horizon = len(origins.truth)
    forecasts = scaling.undo(forecast_of(forecaster, history, horizon))
    error = forecasts - origins.truth
    intervals = [slice(0, end) for end in ends_of(horizon)]
    bounds = ()
    if between is not None:
        bounds = tuple(scaling.undo(each) for each in between(history, horizon))
    return Rolled(
        np.array([known_mean(np.abs(error[each])) for each in intervals]),
        np.array([np.sqrt(known_mean(np.square(error[each]))) for each in intervals]),
        _root_mean_squares(error),
        forecasts,
        *bounds,
    )


def ends_of(horizon: int) -> list[int]:
    """Return the ends of intervals that a horizon holds, itself the last."""
    return [*(end for end in ENDS if end < horizon), horizon]


def of_model(model) -> tuple[ForecastFunction, Callable | None]:
    """Return a model as a forecaster, and as one of bands where it says how sure it is."""
    if not isinstance(model, SensorLSTM):
        return forecast_function(model), None
    return forecast_function(model), partial(_between, model)


def baselines() -> dict[str, ForecastFunction]:
    """Return the forecasts without training that a series is held against, by name."""
    fit = partial(tones_fit, count=1)
    return {
        "mean of the past": _mean,
        "last value": last_value,
        "seasonal naive": seasonal_naive,
        "sine fit": partial(_fitted, fit),
        "linear prediction": linear_prediction,
    }


def _mean(history: np.ndarray, horizon: int) -> np.ndarray:
    known = history != NO_INPUT
    mean = np.where(known, history, 0).sum(axis=0) / known.sum(axis=0)
    return zero(history, horizon) + mean


def _fitted(fit: ForecastFunction, history: np.ndarray, horizon: int) -> np.ndarray:
    enough = np.sum(history != NO_INPUT, axis=0) >= FEWEST_FOR_A_FIT
    forecast = last_value(history, horizon)
    if enough.any():
        forecast[:, enough] = fit(history[:, enough], horizon)
    return forecast


def _between(model: SensorLSTM, history: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    given = np.where(history == NO_INPUT, np.nan, history)
    values, spread = (
        np.asarray(x, np.float64)[-horizon:, :, 0]
        for x in rollout_with_spread(model, given, horizon)
    )
    away = reach_of(model, BAND) * spread
    return values - away, values + away


def _root_mean_squares(error: np.ndarray) -> np.ndarray:
    known = np.isfinite(error)
    squares = np.where(known, np.square(error), 0).sum(axis=1)
    return np.sqrt(squares / np.where(known.any(axis=1), known.sum(axis=1), np.nan))
