"""Samples at another rate."""

from fractions import Fraction

import numpy as np

from ..errors import InputError
from .reader import Piece

LARGEST_TERM = 10_000  # of the ratio of two rates, which is taken for the nearest such fraction
MOST_OFF = 0.001  # share that this may be off by


def resampled(samples: Piece, rate: float, wanted: float) -> Piece:
    """Return samples at another rate, without what is too fast for it.

    By SciPy's polyphase filter (`scipy.signal.resample_poly`, a Kaiser window), the samples going
    on beyond both ends as they are around them, turned by half a circle. What is missing is filled
    by straight lines first, and is missing afterwards.

    Args:
      samples: at `rate` Hz.
      rate: Hz.
      wanted: Hz.

    Raises:
      InputError: fewer than two samples would be left, or the rates are too far apart.
    """
    from scipy.signal import resample_poly

    ratio = Fraction(wanted / rate).limit_denominator(LARGEST_TERM)
    if abs(float(ratio) * rate / wanted - 1) > MOST_OFF:
        raise InputError(
            f"--resample {wanted:g} is too far from the {rate:g} Hz of the samples: give at least "
            f"{rate / LARGEST_TERM:g}, or average them first"
        )
    if ratio == 1:
        return samples
    steps, columns = samples.values.shape
    count = int((steps - 1) * ratio) + 1 if ratio else 0
    if count < 2:
        raise InputError(
            f"--resample {wanted:g} leaves fewer than 2 of {steps} samples at {rate:g} Hz: give a "
            "higher rate, or more samples"
        )
    step = np.arange(steps)
    at = np.arange(count) * float(1 / ratio)
    values = np.full((count, columns), np.nan)
    for column in range(columns):
        given = samples.values[:, column]
        known = np.isfinite(given)
        if known.any():
            filled = np.interp(step, step[known], given[known])
            level = filled.mean()  # a large one costs digits
            new = resample_poly(
                filled - level, ratio.numerator, ratio.denominator, padtype="antireflect"
            )
            there = known[np.minimum(np.round(at).astype(int), steps - 1)]
            values[:, column] = np.where(there, level + new[:count], np.nan)
    before = np.floor(at).astype(int)  # not between two, over which a clock may be put back
    return Piece(samples.seconds[before] + (at - before) / rate, values)
