"""Forecasts that need no training, to hold a model's against; NumPy float64.

Each takes a history, `[past, wave]` with NO_INPUT where nothing was observed, and the steps to
forecast, and returns `[horizon, wave]`.
"""

import numpy as np

from ..errors import InputError
from ..signals.signal import NO_INPUT, SAMPLING_RATE

COARSE_FREQUENCIES = np.arange(0.05, 10, 0.05)  # Hz; closer than the main lobe of any second


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
    angle = _angles(frequency, history.shape[0] + np.arange(horizon))
    return cosine * np.cos(angle) + sine * np.sin(angle)


def fit_sine(history: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit `cosine * cos(2 pi f t) + sine * sin(2 pi f t)` to each wave by least squares.

    The best of COARSE_FREQUENCIES, refined by Gauss-Newton steps on the frequency, of which those
    are kept that lower the error; amplitudes are solved for exactly at each frequency.

    Args:
      history: `[past, wave]`, NO_INPUT where nothing was observed; t is 0 at its first step.

    Returns:
      (frequency in Hz, cosine, sine), each `[wave]`.

    Raises:
      InputError: a wave has fewer than three observed values, one for each unknown.
    """
    history = np.asarray(history, np.float64)
    observed = history != NO_INPUT
    if observed.sum(axis=0).min(initial=3) < 3:
        raise InputError("a history has fewer than 3 observed values: a sine fit takes 3 or more")
    values = np.where(observed, history, 0.0)

    trials = [_residual(f, values, observed)[0] for f in COARSE_FREQUENCIES[:, None]]
    frequency = COARSE_FREQUENCIES[np.argmin(trials, axis=0)]
    error, step, cosine, sine = _residual(frequency, values, observed)
    for _ in range(20):
        candidate = np.clip(frequency + step, COARSE_FREQUENCIES[0], COARSE_FREQUENCIES[-1])
        new = _residual(candidate, values, observed)
        better = new[0] < error
        frequency = np.where(better, candidate, frequency)
        # A step that overshot is halved.
        step = np.where(better, new[1], step / 2)
        error, cosine, sine = (
            np.where(better, after, before)
            for after, before in zip((new[0], *new[2:]), (error, cosine, sine), strict=True)
        )
    return frequency, cosine, sine


def _residual(frequency, values, observed):
    """Return (squared error, Gauss-Newton step in Hz, cosine, sine) at frequencies, `[wave]`."""
    time = np.arange(values.shape[0])
    angle = _angles(frequency, time)
    cos, sin = np.cos(angle) * observed, np.sin(angle) * observed
    cosine, sine = _project(cos, sin, values)
    error = values - cosine * cos - sine * sin
    # How the fit moves with the frequency, less what the amplitudes would make up for.
    slope = (2 * np.pi / SAMPLING_RATE) * time[:, None] * (sine * cos - cosine * sin)
    in_cos, in_sin = _project(cos, sin, slope)
    slope -= in_cos * cos + in_sin * sin
    power = np.sum(slope**2, axis=0)
    step = np.sum(slope * error, axis=0) / np.where(power > 0, power, np.inf)
    return np.sum(error**2, axis=0), step, cosine, sine


def _project(cos, sin, values):
    """Return the least-squares weights of cos and sin in values, `[wave]` each."""
    cc, ss, cs = (np.sum(a * b, axis=0) for a, b in ((cos, cos), (sin, sin), (cos, sin)))
    cv, sv = np.sum(cos * values, axis=0), np.sum(sin * values, axis=0)
    determinant = cc * ss - cs**2
    return (ss * cv - cs * sv) / determinant, (cc * sv - cs * cv) / determinant


def _angles(frequency, step):
    return 2 * np.pi / SAMPLING_RATE * frequency[None, :] * step[:, None]


BASELINES = {"zero": zero, "last value": last_value, "sine fit": sine_fit}
