"""Sine waves fitted to histories by least squares; NumPy float64."""

import numpy as np

from ..errors import InputError, positive_integer
from ..signals.signal import NO_INPUT, SAMPLING_RATE

COARSE_FREQUENCIES = np.arange(0.05, 10, 0.05)  # Hz; closer than the main lobe of any second
# Of `fit_tones`:
TRIALS_A_LOBE = 8  # trial frequencies per 1 / past cycles a step
SLOWEST = 0.25  # cycles a history; what is slower can't be told from a level and a slope
ROUNDS = 50  # of refinement, at most
TINY = 1e-10  # share of its square that a tone must have beside the others


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
    angle = angles(frequency, time)
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
    # 0 where each step that was observed is at the same angle, or opposite to it.
    determinant = np.where(determinant > TINY * cc * ss, determinant, np.inf)
    return (ss * cv - cs * sv) / determinant, (cc * sv - cs * cv) / determinant


def angles(frequency, step):
    """Return 2 pi f t of frequencies in Hz at steps, `[step, wave]`."""
    return 2 * np.pi / SAMPLING_RATE * frequency[None, :] * step[:, None]


def fit_tones(
    history: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Fit `level + sum of cosine * cos(2 pi f t) + sine * sin(2 pi f t)` by least squares.

    Tones are added one by one, each the one of a grid of frequencies that lowers the error most
    with the level and the tones before it solved for anew (orthogonal least squares; Chen, Billings
    and Luo, 1989). After each, all frequencies are refined together by Gauss-Newton steps, of which
    those are kept that lower the error. The grid goes up by 1 / (TRIALS_A_LOBE * past), from
    SLOWEST / past to as far below 0.5.

    Args:
      history: `[past, wave]`, NO_INPUT where nothing was observed; t is 0 at its first step.
      count: tones.

    Returns:
      (level `[wave]`, frequency in cycles a step `[tone, wave]`, cosine and sine, alike).

    Raises:
      InputError: a wave has fewer than 3 * count + 1 observed values, one for each unknown.
    """
    count = positive_integer("count", count)
    history = np.asarray(history, np.float64)
    observed = history != NO_INPUT
    needed = 3 * count + 1
    if observed.sum(axis=0).min(initial=needed) < needed:
        raise InputError(
            f"a history has fewer than {needed} observed values: a fit of {count} tones takes "
            f"{needed} or more"
        )
    past, waves = history.shape
    centre = np.sum(history * observed, axis=0) / observed.sum(axis=0)
    values = np.where(observed, history - centre, 0.0).T
    frequency = np.zeros((waves, 0))
    for _ in range(count):
        frequency = np.concatenate([frequency, _next_tone(frequency, values, observed.T)], axis=1)
        frequency, weights = _refined(frequency, values, observed.T)
    level, cosine, sine = weights[:, 0], weights[:, 1 : count + 1], weights[:, count + 1 :]
    # The tones were fitted around the middle of the history.
    turned = (cosine - 1j * sine) * np.exp(-1j * np.pi * (past - 1) * frequency)
    return centre + level, frequency.T, turned.real.T, -turned.imag.T


def _next_tone(frequency, values, observed):
    """Return the trial frequency that lowers the error most beside those there, `[wave, 1]`."""
    basis, _ = np.linalg.qr(_tones(frequency, observed))
    error = values - (basis @ (basis.mT @ values[:, :, None]))[:, :, 0]
    past = values.shape[1]
    trials = np.arange(SLOWEST, past / 2 - SLOWEST, 1 / TRIALS_A_LOBE) / past
    gains = []
    for trial in trials:
        pair = _tones(np.full((1, 1), trial), observed)[:, :, 1:]
        square = np.sum(pair**2, axis=1).prod(axis=1)
        pair = pair - basis @ (basis.mT @ pair)
        (cc, cs), (_, ss) = np.moveaxis(pair.mT @ pair, 0, 2)
        cv, sv = np.sum(pair * error[:, :, None], axis=1).T
        determinant = cc * ss - cs**2
        apart = determinant > TINY * square
        gain = (ss * cv**2 - 2 * cs * cv * sv + cc * sv**2) / np.where(apart, determinant, np.inf)
        gains.append(gain)
    return trials[np.argmax(gains, axis=0)][:, None]


def _refined(frequency, values, observed):
    """Return frequencies of a lower error, and their weights, `[wave, 1 + 2 * tone]`."""
    error, step, weights = _tones_residual(frequency, values, observed)
    least, most = SLOWEST / values.shape[1], 0.5 - SLOWEST / values.shape[1]
    for _ in range(ROUNDS):
        candidate = np.clip(frequency + step, least, most)
        new_error, new_step, new_weights = _tones_residual(candidate, values, observed)
        better = (new_error < error)[:, None]
        frequency = np.where(better, candidate, frequency)
        # A step that overshot is halved.
        step = np.where(better, new_step, step / 2)
        weights = np.where(better, new_weights, weights)
        error = np.minimum(error, new_error)
    return frequency, weights


def _tones_residual(frequency, values, observed):
    """Return (squared error, Gauss-Newton step `[wave, tone]`, weights) at frequencies."""
    count = frequency.shape[1]
    tones = _tones(frequency, observed)
    weights = _solution(tones, values)
    error = values - (tones @ weights[:, :, None])[:, :, 0]
    cos, sin = tones[:, :, 1 : count + 1], tones[:, :, count + 1 :]
    cosine, sine = weights[:, None, 1 : count + 1], weights[:, None, count + 1 :]
    # How the fit moves with the frequencies, less what the weights would make up for.
    slope = 2 * np.pi * _middled(values.shape[1])[:, None] * (sine * cos - cosine * sin)
    slope -= tones @ (_inverse(tones) @ (tones.mT @ slope))
    return np.sum(error**2, axis=1), _solution(slope, error), weights


def _solution(basis, values):
    """Return the least-squares weights of a basis, `[wave, time, n]`, in values, `[wave, n]`."""
    return (_inverse(basis) @ (basis.mT @ values[:, :, None]))[:, :, 0]


def _inverse(basis):
    """Return the pseudo-inverse of a basis' inner products, `[wave, n, n]`."""
    return np.linalg.pinv(basis.mT @ basis, rcond=TINY, hermitian=True)


def _tones(frequency, observed):
    """Return 1, the cosines and the sines where observed, `[wave, time, 1 + 2 * tone]`."""
    angle = 2 * np.pi * frequency[:, None, :] * _middled(observed.shape[1])[:, None]
    level = np.ones((*angle.shape[:2], 1))
    tones = np.concatenate([level, np.cos(angle), np.sin(angle)], axis=2)
    return tones * observed[:, :, None]


def _middled(past):
    """Return steps counted from the middle of a history, `[time]`."""
    return np.arange(past) - (past - 1) / 2
