"""The noise on samples, told in float64 by what polynomials leave of five neighbours."""

import numpy as np


def noise_by_projection(samples) -> float:
    """Return the noise's standard deviation, in the units of samples `[time]`, NaN if missing.

    Of each five samples next to each other what counts is their product with the unit vector that
    is orthogonal to all cubic polynomials at their times; its square counts less the further they
    are apart.
    """
    (times,) = np.nonzero(np.isfinite(samples))
    if len(times) < 5:
        return 0.1 * np.std(samples[times]) if len(times) else 0.1
    squares, counts = [], []
    for first in range(len(times) - 4):
        near = times[first : first + 5]
        spacing = (near[-1] - near[0]) / 4
        cubics = np.vander((near - near.mean()) / spacing, 4)
        direction = np.linalg.svd(cubics.T)[2][-1]  # the one of which nothing is a cubic
        squares.append((direction @ samples[near]) ** 2)
        counts.append(spacing**-4)
    return np.sqrt(np.average(squares, weights=counts))
