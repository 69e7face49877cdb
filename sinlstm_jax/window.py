"""What the samples of a window are measured by: their level, their scale, and the noise on them."""

from itertools import combinations
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .signals.signal import NO_INPUT

POINTS = 5  # samples next to each other, no polynomial of degree 3 through which is left of them
UNKNOWN_NOISE = 0.1  # of the scale, where fewer than POINTS were observed


class Window(NamedTuple):
    """What the samples of windows are measured by, arrays of NumPy or JAX, `[batch, 1]` each."""

    level: Any  # the mean of what was observed
    scale: Any  # its standard deviation
    noise: Any = 0.0  # standard deviation of the noise on it, of the scale


def measured(values, observed) -> Window:
    """Return what was observed of windows, `[time, batch, 1]`, is measured by.

    All in NumPy or in JAX, in the dtype of the values. What was not observed may hold anything.
    The deviation of samples that do not vary counts as tiny, and as 1 where none was observed.
    """
    xp = np if isinstance(values, np.ndarray) else jnp
    count = xp.maximum(observed.sum(axis=0), 1).astype(values.dtype)

    def mean(values):
        return xp.where(observed, values, 0).sum(axis=0) / count

    level = mean(values)
    level = level + mean(values - level[None])  # what rounding left at a level that is large
    scale = xp.sqrt(mean(xp.square(values - level[None])))
    tiny = xp.finfo(np.float32).tiny
    scale = xp.where(observed.any(axis=0), xp.maximum(scale, tiny), 1.0)
    of_scale = xp.where(observed, (values - level[None]) / scale[None], 0)
    return Window(level, scale, _noise_of(of_scale[:, :, 0].T, observed[:, :, 0].T)[:, None])


def told_by(observed, window: Window) -> Window:
    """Return windows with NaN for what too little was observed to tell.

    Of level and scale, and so of a forecast, that is nothing at all; of noise, and so of a spread,
    a single sample, which tells no scale.
    """
    xp = np if isinstance(observed, np.ndarray) else jnp
    count = observed.sum(axis=0)
    level, scale = (xp.where(count > 0, each, xp.nan) for each in (window.level, window.scale))
    return Window(level, scale, xp.where(count > 1, window.noise, xp.nan))


def scaled(values, observed, window: Window) -> Any:
    """Return values in the units of their windows, NO_INPUT where nothing was observed."""
    xp = np if isinstance(values, np.ndarray) else jnp
    return xp.where(observed, (values - window.level[None]) / window.scale[None], NO_INPUT)


def _noise_of(values, observed):
    """Return the standard deviation of the noise on samples, `[batch]`, of `[batch, time]`.

    What a smooth signal leaves of a divided difference of POINTS samples is little, and what white
    noise of deviation 1 leaves is the root of the sum of its squared weights (Gasser et al.,
    Residual Variance and Residual Pattern in Nonlinear Regression, 1986, with a higher order). The
    squares are averaged, those of samples further apart counting less.
    """
    xp = np if isinstance(values, np.ndarray) else jnp
    batch, steps = values.shape
    if steps < POINTS:
        return xp.full(batch, UNKNOWN_NOISE, values.dtype)
    count = xp.cumsum(observed, axis=1)
    place = xp.where(observed, count - 1, steps)  # what was observed moves to the front
    time = xp.broadcast_to(xp.arange(steps, dtype=values.dtype), values.shape)
    # What follows it has times, too, as different as any.
    moments, samples = _moved(time + steps, place, time), _moved(0 * values, place, values)
    last = steps - POINTS + 1
    near = [(moments[:, i : i + last], samples[:, i : i + last]) for i in range(POINTS)]
    spacing = (near[-1][0] - near[0][0]) / (POINTS - 1)
    weights = [xp.ones_like(spacing)] * POINTS
    for i, j in combinations(range(POINTS), 2):
        apart = (near[j][0] - near[i][0]) / spacing
        weights[i], weights[j] = weights[i] / -apart, weights[j] / apart
    difference = sum(weight * sample for weight, (_, sample) in zip(weights, near, strict=True))
    square = xp.square(difference) / sum(map(xp.square, weights))
    is_known = xp.arange(POINTS - 1, steps)[None] < count[:, -1:]
    counts = xp.where(is_known, spacing**-4.0, 0)
    total = counts.sum(axis=1)
    mean = (counts * square).sum(axis=1) / xp.where(total > 0, total, 1)
    noise = xp.sqrt(xp.maximum(mean, 1e-12))  # above 0, where a root has a gradient
    return xp.where(total > 0, noise, UNKNOWN_NOISE).astype(values.dtype)


def _moved(into, place, values):
    """Return `[batch, time]` with values at other places of their rows; past the end, nowhere."""
    rows = np.arange(len(into))[:, None]
    if isinstance(into, np.ndarray):
        moved = np.concatenate([into, into[:, :1]], axis=1)
        moved[rows, place] = values
        return moved[:, :-1]
    return into.at[rows, place].set(values, mode="drop")
