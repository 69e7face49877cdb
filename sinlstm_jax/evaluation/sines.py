"""The second half of an evaluation, for sine waves: phase, frequency, amplitude, and the grid."""

from typing import NamedTuple, TypeGuard

import numpy as np

from ..errors import InputError, positive_integer, shown
from ..signals.signal import HELD_OUT_SEED, HeldOut, Signal
from ..signals.sines import SINES, Sines
from .errors import ForecastFunction, Waves, as_waves
from .phase import Track, frequency_error, lost_at, track
from .windows import errors_of, forecast_of

SCALES_SEED = HELD_OUT_SEED + 1  # of amplitudes and levels
SLIGHTLY_LOST = 0.1  # rad
LOST = np.pi  # rad, half a cycle
GRID_PHASES = np.arange(4) / 4  # cycles
# Frequencies of the grid from half the trained band's lower end up to it, from there to its upper
# end, and up to 5/4 of that: for the tutorial's band 0.25 to 5 Hz, in steps of 0.125.
GRID_COUNTS = (3, 29, 9)
HIGHEST = 0.49  # cycles a step; at half a cycle a wave may be 0 at all steps


class SineWaves(NamedTuple):
    """Waves level + amplitude sin(2 pi f (t + t0)) to be tried on, as Waves are."""

    frequency: np.ndarray  # [wave], Hz
    offset: np.ndarray  # [wave], t0 in seconds
    amplitude: float | np.ndarray  # of all, or [wave]
    level: float | np.ndarray  # alike
    sampling_rate: float  # Hz

    def angle(self, step: int | np.ndarray) -> np.ndarray:
        """Return the argument of the sine in radians at a step, `[wave]`; steps are `[..., 1]`."""
        return 2 * np.pi * self.frequency * (step / self.sampling_rate + self.offset)

    def values(self, first: int, last: int) -> np.ndarray:
        """Return the values at steps from `first` up to `last`, `[last - first, wave]`."""
        return self.level + self.amplitude * np.sin(self.angle(np.arange(first, last)[:, None]))

    def windows(self, steps: int) -> HeldOut:
        """Return the first steps as windows of any signal are."""
        return HeldOut(self.values(0, steps), np.broadcast_to(self.amplitude, self.offset.shape))


class Evaluation(NamedTuple):
    """What came of forecasting some waves; errors are as in `Errors`."""

    waves: Waves | SineWaves
    intervals: tuple[tuple[int, int], ...]
    errors: np.ndarray  # [interval, wave], mean squared errors
    error_over_time: np.ndarray  # [step], squared errors averaged over the waves
    track: Track  # amplitude, relative to the true one, and phase over time
    frequency_error: np.ndarray  # [wave], Hz
    slightly_lost: np.ndarray  # [wave], first step with a phase error over SLIGHTLY_LOST
    lost: np.ndarray  # [wave], first step with one over LOST


def are_sines(signal: Signal) -> TypeGuard[Sines]:
    """Tell whether a signal is sine waves, and not of a class that goes its own way."""
    return type(signal) is Sines


def held_out_sines(signal: Sines, count: int) -> SineWaves:
    """Return the first `count` of a fixed sequence: of SINES, those of `held_out_waves`."""
    frequency, offset = _drawn(HELD_OUT_SEED, count, signal.frequency, signal.offset)
    scales = signal.amplitude, signal.level
    amplitude, level = (
        drawn if low < high else low
        for drawn, (low, high) in zip(_drawn(SCALES_SEED, count, *scales), scales, strict=True)
    )
    return SineWaves(frequency, offset, amplitude, level, signal.sampling_rate)


def _drawn(seed: int, count: int, *ranges: tuple[float, float]) -> np.ndarray:
    """Return a number for each wave from each range, `[range, wave]`."""
    low, high = np.array(ranges).T
    return np.random.default_rng(seed).uniform(low, high, (count, low.size)).T


def grid_waves(signal: Sines = SINES) -> SineWaves:
    """Return waves inside and outside the trained band, each in every one of GRID_PHASES.

    Their amplitude and level are the middle of the signal's.
    """
    low, high = signal.frequency
    highest = max(high, min(1.25 * high, HIGHEST * signal.sampling_rate))
    ends = (low / 2, low, high, highest)
    pieces = map(np.linspace, ends[:-1], ends[1:], GRID_COUNTS)
    frequencies = np.unique(np.concatenate(list(pieces)))
    frequency = np.repeat(frequencies, GRID_PHASES.size)
    offset = np.tile(GRID_PHASES, frequencies.size) / frequency
    amplitude, level = (
        np.full(frequency.size, (low + high) / 2) if low < high else low
        for low, high in (signal.amplitude, signal.level)
    )
    return SineWaves(frequency, offset, amplitude, level, signal.sampling_rate)


def in_trained_band(frequency: np.ndarray, signal: Sines = SINES) -> np.ndarray:
    """Return whether frequencies in Hz are among those that training draws from."""
    low, high = signal.frequency
    return (frequency >= low) & (frequency <= high)


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
    if not isinstance(waves, tuple) or len(waves) != 2:
        raise InputError(f"the waves are {shown(waves)}: give Waves")
    waves = as_waves(*waves)
    horizon, past = positive_integer("horizon", horizon), positive_integer("past", past)
    plain = SineWaves(*waves, 1.0, 0.0, SINES.sampling_rate)
    return evaluate_sines(forecaster, plain, horizon, past)._replace(waves=waves)


def evaluate_sines(
    forecaster: ForecastFunction, waves: SineWaves, horizon: int, past: int
) -> Evaluation:
    """Do what `evaluate` does with waves of any amplitude, level and sampling rate.

    Errors are in their units; amplitudes are relative to the true ones, and levels do not count.
    """
    predicted = forecast_of(forecaster, waves.values(0, past), horizon)
    errors = errors_of(predicted, waves.values(past, past + horizon))
    predicted -= waves.level
    predicted /= waves.amplitude
    rate = waves.sampling_rate
    followed = track(predicted, waves.frequency, waves.angle(past), rate)
    return Evaluation(
        waves,
        *errors,
        followed,
        frequency_error(followed, rate),
        lost_at(followed, SLIGHTLY_LOST),
        lost_at(followed, LOST),
    )


def last_amplitude(evaluation: Evaluation) -> np.ndarray:
    """Return the amplitude where each wave was last measured, `[wave]`."""
    amplitude = evaluation.track.amplitude
    rows = amplitude.shape[0] - 1 - np.argmax(np.isfinite(amplitude[::-1]), axis=0)
    return amplitude[rows, np.arange(amplitude.shape[1])]
