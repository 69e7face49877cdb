"""All that is measured of one forecaster: errors, phase, amplitude, frequency and robustness."""

from typing import NamedTuple

import numpy as np

from ..errors import InputError, positive_integer, shown
from ..signals.samples import real_numbers
from ..signals.signal import NO_INPUT
from ..signals.sines import FREQUENCY_RANGE
from .errors import (
    HELD_OUT_SEED,
    HELD_OUT_WAVES,
    INTERVALS,
    ForecastFunction,
    Waves,
    as_waves,
    held_out_waves,
    interval_means,
)
from .phase import Track, frequency_error, lost_at, track

SLIGHTLY_LOST = 0.1  # rad
LOST = np.pi  # rad, half a cycle
ROBUSTNESS_WAVES = 256
FIRST_400 = (0, 400)  # what the robustness and the trained band are judged by
GRID_FREQUENCIES = np.arange(0.25, 5.01, 0.125)  # Hz; trained are 0.5 to 4
GRID_PHASES = np.arange(4) / 4  # cycles


class Spoiling(NamedTuple):
    """What is done to a history before it is observed."""

    noise: float = 0.0  # standard deviation of a normal error on each value
    missing: float = 0.0  # probability of a value to be NO_INPUT instead


SPOILINGS = (
    Spoiling(),
    *(Spoiling(noise=noise) for noise in (0.02, 0.05, 0.1, 0.2)),
    *(Spoiling(missing=missing) for missing in (0.02, 0.1, 0.2, 0.5)),
)


class Evaluation(NamedTuple):
    """What came of forecasting some waves."""

    waves: Waves
    intervals: tuple[tuple[int, int], ...]
    errors: np.ndarray  # [interval, wave], mean squared errors
    error_over_time: np.ndarray  # [step], squared errors averaged over the waves
    track: Track  # amplitude and phase over time
    frequency_error: np.ndarray  # [wave], Hz
    slightly_lost: np.ndarray  # [wave], first step with a phase error over SLIGHTLY_LOST
    lost: np.ndarray  # [wave], first step with one over LOST


class Report(NamedTuple):
    """All that is measured of one forecaster."""

    held_out: Evaluation  # waves distributed as in training
    grid: Evaluation  # frequencies inside and outside the trained band
    robustness: np.ndarray  # [spoiling], mean squared error over FIRST_400


def grid_waves() -> Waves:
    """Return every one of GRID_FREQUENCIES in every one of GRID_PHASES."""
    frequency = np.repeat(GRID_FREQUENCIES, GRID_PHASES.size)
    return Waves(frequency, np.tile(GRID_PHASES, GRID_FREQUENCIES.size) / frequency)


def in_trained_band(frequency: np.ndarray) -> np.ndarray:
    """Return whether frequencies in Hz are among those that training draws from."""
    low, high = FREQUENCY_RANGE
    return (frequency >= low) & (frequency <= high)


def spoil(history: np.ndarray, spoiling: Spoiling, rng: np.random.Generator) -> np.ndarray:
    """Return a history, `[past, wave]`, with noise and missing values."""
    noisy = history + spoiling.noise * rng.standard_normal(history.shape)
    return np.where(rng.random(history.shape) < spoiling.missing, NO_INPUT, noisy)


def evaluate(
    forecaster: ForecastFunction,
    waves: Waves,
    horizon: int,
    past: int = 100,
) -> Evaluation:
    """Let a forecaster continue clean waves, and measure errors, phase, amplitude and frequency.

    Holds the whole forecast in memory, 4 bytes a value from a model.

    Args:
      forecaster: a baseline, or `forecast_function(model)`.
      waves: what to forecast.
      horizon: steps to forecast; of INTERVALS, those beyond it are left out.
      past: steps to observe.

    Raises:
      InputError: as `rollout_errors` does, or the forecaster answers with another shape.
    """
    if not callable(forecaster):
        raise InputError(f"the forecaster is {shown(forecaster)}: give forecast_function(model)")
    if not isinstance(waves, tuple) or len(waves) != 2:
        raise InputError(f"the waves are {shown(waves)}: give Waves")
    waves = as_waves(*waves)
    horizon, past = positive_integer("horizon", horizon), positive_integer("past", past)
    intervals = tuple(i for i in INTERVALS if i[1] <= horizon)
    predicted = real_numbers("the forecast", forecaster(waves.values(0, past), horizon))
    if predicted.shape != (horizon, waves.frequency.size):
        raise InputError(
            f"the forecaster answered with shape {predicted.shape}: it should be "
            f"{(horizon, waves.frequency.size)}, [horizon, wave]"
        )
    squared = np.square(predicted - waves.values(past, past + horizon))
    followed = track(predicted, waves.frequency, waves.angle(past))
    return Evaluation(
        waves,
        intervals,
        interval_means([(0, squared)], intervals, waves.frequency.size),
        squared.mean(axis=1),
        followed,
        frequency_error(followed),
        lost_at(followed, SLIGHTLY_LOST),
        lost_at(followed, LOST),
    )


def robustness(forecaster: ForecastFunction, past: int = 100) -> np.ndarray:
    """Return the mean squared error over FIRST_400 after each of SPOILINGS.

    Noise and gaps are in the history alone, the same for every forecaster; errors are taken
    against the clean wave.
    """
    waves, (_, last) = held_out_waves(ROBUSTNESS_WAVES), FIRST_400
    truth = waves.values(past, past + last)
    errors = []
    for spoiling in SPOILINGS:
        rng = np.random.default_rng(HELD_OUT_SEED)
        predicted = forecaster(spoil(waves.values(0, past), spoiling, rng), last)
        errors.append(np.mean(np.square(predicted - truth)))
    return np.array(errors)


def checked_horizon(horizon: int) -> int:
    """Return a horizon that holds FIRST_400, or raise InputError."""
    if positive_integer("horizon", horizon) < FIRST_400[1]:
        raise InputError(f"horizon is {horizon}: give at least {FIRST_400[1]} steps")
    return horizon


def report(forecaster: ForecastFunction, horizon: int, past: int = 100) -> Report:
    """Measure everything of one forecaster; `horizon` is that of the clean waves.

    Raises:
      InputError: as `checked_horizon` does.
    """
    horizon = checked_horizon(horizon)
    return Report(
        evaluate(forecaster, held_out_waves(HELD_OUT_WAVES), horizon, past),
        evaluate(forecaster, grid_waves(), horizon, past),
        robustness(forecaster, past),
    )
