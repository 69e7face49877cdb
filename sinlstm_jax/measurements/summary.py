"""What was understood of a file of samples, in words."""

from typing import NamedTuple

import numpy as np

from .reader import Piece, Survey
from .words import duration_in_words, rate_in_words

PADDED = 8  # times as many steps, where a period is looked for: frequencies that much closer
LEAST_CYCLES = 1.5  # of a period that can be told from a drift
# What programs write for nothing, even once; of other values, what stands more than once.
CODES = (-9999.0, -999.0, -99.0, -200.0, 9999.0, 99999.0, -99999.0, -32768.0)
CODES += (32767.0, 65535.0, -127.0, 999.9, -999.9, 7999.0, -7999.0)
FAR = 3.0  # times the range of all others
LEAST_REPEATS = 3  # of a cycle that is told by how alike samples are
STANDS_OUT = 0.25  # share of the variance that a period must have, to be one
ALIKE, AS_GOOD = 0.25, 0.9  # how far an autocorrelation's peak rises; of the highest, as good


class Wave(NamedTuple):
    """What samples are like."""

    level: float  # their mean
    amplitude: float  # that of a sine of their power
    period: float | None  # steps; None where none stands out


def wave_of(values: np.ndarray) -> Wave:
    """Return what samples are like, `[time]`, NaN where missing.

    The period is that of the highest peak of the spectrum, or else, of what has no such peak, that
    after which samples are most alike; of the samples less their mean and slope, gaps filled by
    straight lines.
    """
    known = np.isfinite(values)
    if not known.any():
        return Wave(np.nan, 0.0, None)
    level, amplitude = float(values[known].mean()), float(np.sqrt(2) * values[known].std())
    if known.sum() < 8 or not np.ptp(values[known]) > 0:
        return Wave(level, amplitude, None)
    steps = np.arange(len(values))
    filled = np.interp(steps, steps[known], values[known] - level)
    filled = filled - np.polyval(np.polyfit(steps, filled, 1), steps)
    return Wave(level, amplitude, _spectral_period(filled) or _period_alike(filled))


def _spectral_period(filled: np.ndarray) -> float | None:
    """Return the period of the highest peak of the spectrum, under a Hann window."""
    steps = np.arange(len(filled))
    window = np.hanning(len(steps) + 2)[1:-1]
    count = PADDED * len(steps)
    power = np.abs(np.fft.rfft(filled * window, count)) ** 2
    first = int(np.ceil(LEAST_CYCLES * PADDED))
    if first >= len(power) or not power.sum() > 0:
        return None
    peak = first + int(np.argmax(power[first:]))
    lobe = power[max(0, peak - 2 * PADDED) : peak + 2 * PADDED + 1]
    if not first < peak < len(power) - 1 or lobe.sum() < STANDS_OUT * power.sum():
        return None
    low, top, high = np.log(power[peak - 1 : peak + 2])  # a parabola through them has its top at
    return float(count / (peak + (low - high) / (2 * (low - 2 * top + high))))


def _period_alike(filled: np.ndarray) -> float | None:
    """Return the shortest lag at a peak of the autocorrelation that is as good as the highest."""
    from scipy.signal import find_peaks

    power = np.abs(np.fft.rfft(filled, 2 * len(filled))) ** 2
    alike = np.fft.irfft(power)[: round(len(filled) / LEAST_REPEATS)]
    if not alike[0] > 0:
        return None
    alike = alike / alike[0]
    lags, _ = find_peaks(alike, prominence=ALIKE)
    return float(lags[alike[lags] >= AS_GOOD * alike[lags].max()][0]) if lags.size else None


def summary(surveyed: Survey, last: Piece, steps: int) -> list[str]:
    """Say what was understood, in some lines.

    Args:
      surveyed: the file.
      last: the latest of its samples.
      steps: that were read, with those missing.
    """
    rate, time = surveyed.rate, surveyed.table.time
    told = [f"{surveyed.table.path}: {', '.join(surveyed.table.names)}"]
    if time is not None:
        times = " and ".join(
            surveyed.table.layout.names[i] or f"column {i + 1}" for i in time.columns
        )
        told[0] += f", times from {times}" + (f" in {time.unit}" if time.form is None else "")
    else:
        told[0] += ", no times"
    counted = f"{steps} steps"
    if surveyed.sampling_rate is not None:
        counted += f" at {rate_in_words(surveyed.sampling_rate)}"
    told.append(counted)
    if rate is not None:
        if rate.jitter >= 0.005:
            told.append(f"jitter {100 * rate.jitter:.0f} % of a step")
        if rate.gaps:
            longest = duration_in_words(rate.longest_gap)
            gaps = "1 gap" if rate.gaps == 1 else f"{rate.gaps} gaps"
            told.append(f"{gaps} in time, the longest of {longest}")
        if rate.put:
            often = "once" if rate.put == 1 else f"{rate.put} times"
            told.append(f"the clock was put back or forward {often}")
    lines = ["; ".join(told)]
    for name, column in zip(surveyed.table.names, last.values.T, strict=True):
        known = int(np.isfinite(column).sum())
        wave = wave_of(column)
        words = f"{name}: of the last {len(column)} steps {len(column) - known} are missing"
        if known == len(column):
            words = f"{name}: over the last {len(column)} steps"
        if known:
            words += f", level {wave.level:.4g}, amplitude {wave.amplitude:.3g}"
        if wave.period is not None:
            words += f", a period of {wave.period:.3g} steps"
            if surveyed.sampling_rate is not None:
                words += f" ({duration_in_words(wave.period / surveyed.sampling_rate)})"
        lines.append(words)
        lines += _suspects(name, column)
    return lines


def _suspects(name: str, values: np.ndarray) -> list[str]:
    """Say which values may stand for nothing: far from all others, and such as programs write."""
    known = values[np.isfinite(values)]
    found = []
    while known.size:
        middle = np.median(known)
        code = max(known.min(), known.max(), key=lambda value: abs(value - middle))
        rest = known[known != code]
        many = len(known) - len(rest)
        is_far = rest.size > many and abs(code - np.median(rest)) > FAR * np.ptp(rest)
        if not is_far or not (code in CODES or (many > 1 and np.ptp(rest) > 0)):
            break
        often, given = "once" if many == 1 else f"{many} times", f"{code:.10g}"
        found.append(
            f"warning: {name}: {given} stands {often}: give --missing {given} if it is no sample"
        )
        known = rest
    return found
