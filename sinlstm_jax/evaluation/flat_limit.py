"""The limit for sine waves of any amplitude and level; NumPy float64.

Of all levels and amplitudes, each as likely as any other, no forecaster has a lower mean squared
error. One that is told more of them may have.
"""

import numpy as np

from ..errors import InputError
from ..signals.samples import real_numbers
from ..signals.signal import NO_INPUT, SAMPLING_RATE
from ..signals.sines import FREQUENCY_RANGE
from .limit import (
    FREQUENCIES_AT_ONCE,
    checked_horizon_and_range,
    checked_noise,
    frequency_grid,
)

MARGIN = 4.0  # between the amplitude of what was observed and that of the wave
UNKNOWNS = 4  # level, cosine, sine and frequency of a wave


def flat_limit_forecast(
    history: np.ndarray,
    horizon: int,
    noise: float | np.ndarray,
    frequency: tuple[float, float] = FREQUENCY_RANGE,
    sampling_rate: float = SAMPLING_RATE,
) -> np.ndarray:
    """Forecast the posterior mean of a sine wave of unknown amplitude, phase and level.

    Of x_t = a + c cos(w t) + s sin(w t) + noise * normal, with w even over its range and a, c and
    s over all numbers. For each w these three are integrated in closed form: their means are those
    of least squares, and with G the inner products of [1, cos, sin] where observed, b theirs with
    x,

        log p(x | w) = b.G^-1.b / (2 noise**2) - log det(G) / 2 + what does not depend on w

    (Bretthorst, Bayesian Spectrum Analysis and Parameter Estimation, 1988, chapter 3). The forecast
    is the mean over an even grid of w, by p(x | w). Time grows with amplitude / noise: 256 waves of
    amplitude 1 and 100 steps take 0.2 s at noise 0.1, and 0.8 s at 0.02.

    History and noise times a number give the forecast times it, and a level added to the history is
    added to the forecast.

    Args:
      history: `[past, wave]`, NO_INPUT where nothing was observed.
      horizon: steps to forecast.
      noise: standard deviation of the normal error on each observed value, of all or `[wave]`.
      frequency: (low, high) in Hz, between which waves are drawn evenly. Not near 0 or half the
        sampling rate: there a wave of any amplitude can pass for a level, or for nothing.
      sampling_rate: Hz.

    Returns:
      `[horizon, wave]`.

    Raises:
      InputError: as `limit_forecast`, the noise is neither one number nor one for each wave, or
        fewer than UNKNOWNS values of a wave were observed.
    """
    horizon, low, high = checked_horizon_and_range(horizon, frequency, sampling_rate)
    history = np.asarray(history, np.float64)
    past, waves = history.shape
    observed = (history != NO_INPUT).astype(np.float64)
    noise = _noise_of_each(noise, waves)
    count = observed.sum(axis=0)
    if (count < UNKNOWNS).any():
        wave = int(np.argmax(count < UNKNOWNS))
        raise InputError(
            f"wave {wave} of the history has {count[wave]:.0f} observed values: a wave of unknown "
            f"level and amplitude takes {UNKNOWNS} or more"
        )
    # Around the means of values and steps, so that a large level costs no digits.
    mean = (history * observed).sum(axis=0) / count
    values = np.where(observed > 0, history - mean, 0.0)
    middle = (past - 1) / 2
    step, later = np.arange(past) - middle, np.arange(past, past + horizon) - middle

    best = np.full(waves, -np.inf)
    total, forecast = np.zeros(waves), np.zeros((horizon, waves))
    # The grid is for an amplitude of 1; short histories leave room for larger ones than they show.
    amplitude = MARGIN * np.sqrt(2 * np.square(values).sum(axis=0) / count)
    relative = (noise / np.maximum(amplitude, noise)).min(initial=1.0)
    grid = frequency_grid(low, high, float(relative), past, horizon)
    for start in range(0, grid.size, FREQUENCIES_AT_ONCE):
        piece = grid[start : start + FREQUENCIES_AT_ONCE]
        level, cosine, sine, evidence = _fitted(piece, step, values, observed, count, noise)
        # Weights are kept relative to the best evidence so far: exp of it would overflow.
        higher = np.maximum(best, evidence.max(axis=0))
        weight, fade = np.exp(evidence - higher), np.exp(best - higher)
        angle = later[:, None] * piece
        total = fade * total + weight.sum(axis=0)
        forecast = fade * forecast + (weight * level).sum(axis=0)
        forecast += np.cos(angle) @ (weight * cosine) + np.sin(angle) @ (weight * sine)
        best = higher
    return mean + forecast / total


def _noise_of_each(noise, waves: int) -> np.ndarray:
    """Return the noise of each wave, `[wave]`, or raise InputError."""
    noises = real_numbers("noise", noise)
    if noises.shape not in ((), (waves,)):
        raise InputError(
            f"noise has shape {noises.shape}: give one number, or one for each wave, ({waves},)"
        )
    for each in np.unique(noises).tolist():
        checked_noise(each)
    return np.broadcast_to(noises, waves)


def _fitted(frequency, step, values, observed, count, noise):
    """Return (level, cosine, sine, log evidence) of frequencies, `[frequency, wave]` each.

    As the values' sums are 0, eliminating the level changes the inner products alone.
    """
    angle = frequency[:, None] * step
    cos, sin = np.cos(angle), np.sin(angle)
    cos_sum, sin_sum = cos @ observed, sin @ observed
    twice_cos, twice_sin = np.cos(2 * angle) @ observed, np.sin(2 * angle) @ observed
    cc = (count + twice_cos) / 2 - cos_sum**2 / count
    ss = (count - twice_cos) / 2 - sin_sum**2 / count
    cs = twice_sin / 2 - cos_sum * sin_sum / count
    determinant = np.maximum(cc * ss - cs**2, np.finfo(np.float64).tiny)
    cv, sv = cos @ values, sin @ values
    cosine = (ss * cv - cs * sv) / determinant
    sine = (cc * sv - cs * cv) / determinant
    level = -(cos_sum * cosine + sin_sum * sine) / count
    evidence = (cosine * cv + sine * sv) / (2 * np.square(noise)) - np.log(determinant) / 2
    return level, cosine, sine, evidence
