"""Level and amplitude of samples, estimated from a window of them."""

import numpy as np

from ..evaluation.fits import fit_tones
from ..signals.signal import NO_INPUT
from ..window import Window

AUTO = "auto"
FEWEST = 8  # samples that a wave is fitted to; of fewer, mean and deviation count
EXPLAINED = 0.7  # share of their variance that a wave must fit, to be one
FEWEST_CYCLES = 0.4  # in the window: less of a wave tells no level
LARGEST = 4.0  # times the deviation; a wave of more is a guess


def estimated(samples: np.ndarray, known: np.ndarray) -> Window:
    """Return level and amplitude of windows `[time, batch, 1]`, in float64.

    They are those of the sine wave on a level that fits a window best, where one does: mean and
    deviation of half a wave are not its own. Otherwise they are the mean and the amplitude of a
    sine of that deviation, as of a Recording.

    Args:
      samples: in any units; what is not known may hold anything.
      known: which of them were observed.
    """
    count = np.maximum(known.sum(axis=0), 1)
    level = np.where(known, samples, 0).sum(axis=0) / count
    level = level + np.where(known, samples - level, 0).sum(axis=0) / count  # what rounding left
    apart = np.where(known, samples - level, 0)
    deviation = np.sqrt(np.square(apart).sum(axis=0) / count)
    scale = np.where(deviation > 0, np.sqrt(2) * deviation, 1.0)
    fitted = np.flatnonzero((known.sum(axis=0) >= FEWEST) & (deviation > 0))
    if fitted.size:
        seen = known[:, fitted, 0]
        of_scale = apart[:, fitted, 0] / deviation[fitted, 0]
        # What happens to be the word for nothing is some of the samples; a hair's breadth tells.
        of_scale = np.where(of_scale == NO_INPUT, np.nextafter(NO_INPUT, 0), of_scale)
        own, frequency, cosine, sine = fit_tones(np.where(seen, of_scale, NO_INPUT), 1)
        angle = 2 * np.pi * frequency[0] * np.arange(len(samples))[:, None]
        error = of_scale - own - cosine[0] * np.cos(angle) - sine[0] * np.sin(angle)
        left = np.where(seen, np.square(error), 0).sum(axis=0) / seen.sum(axis=0)
        amplitude = np.hypot(cosine[0], sine[0])
        is_wave = (
            (left < 1 - EXPLAINED)
            & (amplitude < LARGEST)
            & (np.abs(own) < LARGEST)
            & (frequency[0] * len(samples) >= FEWEST_CYCLES)
        )
        waves = fitted[is_wave]
        level[waves, 0] += (own * deviation[fitted, 0])[is_wave]
        scale[waves, 0] = (amplitude * deviation[fitted, 0])[is_wave]
    return Window(level, scale)
