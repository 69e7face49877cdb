"""The limit: the best forecast there is of a sine wave seen in noise; NumPy float64.

No forecaster, trained or not, has a lower mean squared error over waves drawn as its prior says.
"""

import numpy as np

from ..errors import InputError, number_range, positive_integer, positive_number, shown
from ..signals.signal import NO_INPUT, SAMPLING_RATE
from ..signals.sines import FREQUENCY_RANGE, below_nyquist

STEP = 1.0  # of the grid, in the least standard deviation that full information would leave
FEWEST_PHASES = 16  # where the noise is so loud that the phase is hardly known
FREQUENCIES_AT_ONCE = 256
CELLS_AT_ONCE = 1 << 20  # frequencies of waves times phases
NEGLIGIBLE = 40.0  # nats below the best: all such cells together weigh less than 1e-10


def limit_forecast(
    history: np.ndarray,
    horizon: int,
    noise: float,
    frequency: tuple[float, float] = FREQUENCY_RANGE,
    sampling_rate: float = SAMPLING_RATE,
) -> np.ndarray:
    """Forecast the posterior mean of a sine wave, which has the least mean squared error.

    Of x_t = sin(w t + p) + noise * normal, with w and p even over their ranges before any x is
    seen, the forecast at step t is E[sin(w t + p) | x], where

        p(w, p | x) ~ exp(-sum over observed t of (x_t - sin(w t + p))**2 / (2 noise**2)).

    The exponent is a sum of cos p, sin p, cos 2p and sin 2p, so each frequency takes its sums over
    t once. Both integrals are sums over even grids, finer than the posterior can be narrow (by the
    Fisher information; Kay, Estimation Theory, 1993, example 3.14) and than the horizon can tell.
    Time grows with 1 / noise: 256 waves of 100 steps take 0.2 s at 0.1, and 1 s at 0.02.

    Args:
      history: `[past, wave]`, NO_INPUT where nothing was observed; waves of amplitude 1 around 0.
      horizon: steps to forecast.
      noise: standard deviation of the normal error on each observed value.
      frequency: (low, high) in Hz, between which waves are drawn evenly.
      sampling_rate: Hz.

    Returns:
      `[horizon, wave]`.

    Raises:
      InputError: noise is not above 0, the frequencies are no range up to half of the sampling
        rate, or another number is not above 0.
    """
    noise = checked_noise(noise)
    horizon, low, high = checked_horizon_and_range(horizon, frequency, sampling_rate)
    history = np.asarray(history, np.float64)
    past, waves = history.shape
    observed = (history != NO_INPUT).astype(np.float64)
    values = history * observed
    grid = frequency_grid(low, high, noise, past, horizon)
    pieces = [grid[i : i + FREQUENCIES_AT_ONCE] for i in range(0, grid.size, FREQUENCIES_AT_ONCE)]
    angles = _phases(noise, past)

    best = np.full(waves, -np.inf)
    for piece in pieces:
        best = np.maximum(best, _bounds(_exponent(piece, values, observed, noise))[0].max(axis=0))
    # Weights are kept relative to the best evidence so far: exp of the evidence would overflow.
    total, forecast = np.zeros(waves), np.zeros((horizon, waves))
    for piece in pieces:
        exponent = _exponent(piece, values, observed, noise)
        matter = _bounds(exponent)[1] > best - NEGLIGIBLE
        if not matter.any():
            continue
        evidence, cosine, sine = _phase_means(exponent, matter, angles)
        higher = np.maximum(best, evidence.max(axis=0))
        weight, fade = np.exp(evidence - higher), np.exp(best - higher)
        angle = np.arange(past, past + horizon)[:, None] * piece
        total = fade * total + weight.sum(axis=0)
        forecast *= fade
        forecast += np.sin(angle) @ (weight * cosine) + np.cos(angle) @ (weight * sine)
        best = higher
    return forecast / total


def checked_noise(noise: float) -> float:
    """Return a standard deviation above 0, or raise InputError."""
    if noise == 0:
        raise InputError(
            f"noise is {shown(noise)}: give a number above 0; a clean wave is known exactly, and "
            "sine_fit forecasts it"
        )
    return positive_number("noise", noise)


def checked_horizon_and_range(
    horizon: int, frequency: tuple[float, float], sampling_rate: float
) -> tuple[int, float, float]:
    """Return (horizon, lowest and highest frequency in radians a step), or raise InputError."""
    horizon = positive_integer("horizon", horizon)
    turn = 2 * np.pi / positive_number("sampling_rate", sampling_rate)
    low, high = number_range("frequency", frequency, positive=True)
    below_nyquist(high, sampling_rate)
    return horizon, turn * low, turn * high


def frequency_grid(low, high, noise, past, horizon) -> np.ndarray:
    """Return the middles of even cells between two frequencies, radians a step."""
    # No wave tells more of its frequency than sum over t of (t - middle)**2 / noise**2. And over
    # the horizon, neighbours must not come apart.
    width = min(noise * np.sqrt(12 / past**3), 1 / (past + horizon))
    cells = max(1, int(np.ceil((high - low) / (STEP * width))))
    return low + (high - low) * (np.arange(cells) + 0.5) / cells


def _phases(noise, past) -> np.ndarray:
    """Return even phases around the circle, radians; none tells more of it than past / noise**2."""
    count = int(np.ceil(2 * np.pi * np.sqrt(past) / (STEP * noise)))
    count = max(count, FEWEST_PHASES)
    return 2 * np.pi * np.arange(count) / count


def _exponent(frequency, values, observed, noise) -> np.ndarray:
    """Return the log likelihood's weights of cos p, sin p, cos 2p, sin 2p, `[4, frequency, wave]`.

    What does not depend on frequency or phase is left out.
    """
    angle = frequency[:, None] * np.arange(values.shape[0])
    sums = [
        np.sin(angle) @ values,
        np.cos(angle) @ values,
        np.cos(2 * angle) @ observed / 4,  # sin**2 is half of 1 - cos of twice the angle
        -np.sin(2 * angle) @ observed / 4,
    ]
    return np.stack(sums) / noise**2


def _bounds(exponent) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds from below and above of the exponent's maximum over the phase.

    With q = (cos p, sin p) it is v.q + q.H.q, and as q.q = 1, v.q - q.(rI - H).q + r for any r.
    Where rI - H is positive, that is at most v.(rI - H)^-1.v / 4 + r over all q, and the phase of
    that q bounds from below. The r taken is the best to second order in H.
    """
    a, b, c, d = exponent
    v, h = np.hypot(a, b), np.hypot(c, d)  # H's eigenvalues are -h and h
    ha, hb = c * a + d * b, d * a - c * b
    across = (a * ha + b * hb) / np.maximum(v**2, 1e-300)
    r = np.maximum(v / 2 + across, h + v / 8) + 1  # nat, lest rI - H be 0
    above = (r * v**2 + a * ha + b * hb) / (4 * (r - h) * (r + h)) + r
    cosine, sine = r * a + ha, r * b + hb
    length = np.maximum(np.hypot(cosine, sine), 1e-300)
    cosine, sine = cosine / length, sine / length
    below = a * cosine + b * sine + c * (cosine**2 - sine**2) + 2 * d * cosine * sine
    return below, above


def _phase_means(exponent, matter, angles) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (log evidence, E[cos p], E[sin p]) of frequencies that matter, `[frequency, wave]`.

    The evidence of the others is -inf, and what is expected 0.
    """
    cos, sin = np.cos(angles), np.sin(angles)
    terms = np.stack([cos, sin, np.cos(2 * angles), np.sin(2 * angles)])
    wanted = np.stack([np.full_like(cos, 1 / angles.size), cos, sin], axis=1)
    weights, results = exponent[:, matter].T, []
    at_once = max(1, CELLS_AT_ONCE // angles.size)
    for start in range(0, weights.shape[0], at_once):
        density = weights[start : start + at_once] @ terms
        highest = density.max(axis=1, keepdims=True)
        mean, in_cos, in_sin = (np.exp(density - highest) @ wanted).T
        sums = mean * angles.size
        results.append([highest[:, 0] + np.log(mean), in_cos / sums, in_sin / sums])
    evidence = np.full(matter.shape, -np.inf)
    cosine, sine = np.zeros(matter.shape), np.zeros(matter.shape)
    evidence[matter], cosine[matter], sine[matter] = np.concatenate(results, axis=1)
    return evidence, cosine, sine
