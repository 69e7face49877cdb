"""Doubts about a stream: what a model is not trained on in what was read."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..evaluation.fits import fit_sine, fit_tones
from ..runs.signals import TUTORIALS, Trained
from ..signals.signal import NO_INPUT, SAMPLING_RATE, range_in_words
from ..signals.sines import Sines

LARGEST_LEVEL = 0.2  # of the amplitude
WELL_FITTED = 0.3  # of the amplitude
HARDLY_NOISE, LOUD_ECHO = 0.05, 0.5  # of the amplitude; a correlation that noise does not have
ENOUGH_FOR_A_FIT = 20  # samples
FREQUENCY_TOLERANCE = 0.05  # share by which an estimate may leave the band
AMPLITUDES = (0.8, 1.25)
FAR = 4  # times the horizon trained on; the study measures bands of `sensor` about as far


class _Wave(NamedTuple):
    """A sine wave on a level, as it fits samples best."""

    frequency: float  # Hz
    amplitude: float
    level: float
    left_over: float  # root of the mean squared error
    echo: float  # of an error in the next step's: their correlation, of noise about 0


def _fitted(samples: np.ndarray, trained: Sines) -> _Wave:
    """Fit a wave to samples, `[time]`, NaN where missing: around 0 if that fits a trained one.

    Else on a level, for which a slow wave around 0 stands in as well where less than one of its
    cycles is there.
    """
    known = np.flatnonzero(np.isfinite(samples))
    apart = int(np.gcd.reduce(np.diff(known)))  # 10, where a slow sensor fills every tenth row
    samples, rate = samples[known[0] :: apart], trained.sampling_rate / apart
    around_zero = _fitted_around_zero(samples, rate)
    well = around_zero.left_over < WELL_FITTED * around_zero.amplitude
    if well and around_zero.frequency > trained.frequency[0] * (1 - FREQUENCY_TOLERANCE):
        return around_zero
    wave = _fitted_on_a_level(samples, rate)
    return wave if wave.left_over < around_zero.left_over else around_zero


def _fitted_around_zero(samples: np.ndarray, rate: float) -> _Wave:
    waves = np.where(np.isfinite(samples), samples, NO_INPUT)[:, None]
    frequency, cosine, sine = (float(each[0]) for each in fit_sine(waves))
    return _wave(0.0, frequency / SAMPLING_RATE, cosine, sine, samples, rate)


def _fitted_on_a_level(samples: np.ndarray, rate: float) -> _Wave:
    # Around the mean, lest a sample of NO_INPUT is taken for a missing one.
    mean = float(np.nanmean(samples))
    around = samples - mean
    around = np.where(around == NO_INPUT, np.nextafter(NO_INPUT, 0), around)
    waves = np.where(np.isfinite(around), around, NO_INPUT)[:, None]
    level, *tones = fit_tones(waves, 1)
    frequency, cosine, sine = (float(each[0, 0]) for each in tones)
    return _wave(mean + float(level[0]), frequency, cosine, sine, samples, rate)


def _wave(level, frequency, cosine, sine, samples: np.ndarray, rate: float) -> _Wave:
    """Return a wave, of a frequency in cycles a step, as it fits samples."""
    angle = 2 * np.pi * frequency * np.arange(samples.size)
    off = level + cosine * np.cos(angle) + sine * np.sin(angle) - samples
    square = float(np.nanmean(np.square(off)))
    pairs = off[1:] * off[:-1]
    echo = np.nanmean(pairs) / square if square and np.isfinite(pairs).any() else 0.0
    amplitude = math.hypot(cosine, sine)
    return _Wave(frequency * rate, amplitude, level, math.sqrt(square), float(echo))


def doubts(
    names: list[str], counts: np.ndarray, values: np.ndarray, trained: Trained = TUTORIALS
) -> Iterator[str]:
    """Say what a model is not trained on in what was read, a sentence each.

    Args:
      names: of the streams.
      counts: how many samples there were, without those that are missing, `[stream]`.
      values: the latest of them, `[time, stream]`, NaN where missing.
      trained: what the model is trained on; of other signals than sine waves, only how many samples
        it observes is held against it.
    """
    for name, count, column in zip(names, counts, values.T, strict=True):
        if count < trained.fewest:
            yield (
                f"{name} has {count} samples: models are trained to forecast after "
                f"{trained.fewest}, so the forecast may be poor"
            )
        known = column[np.isfinite(column)]
        if trained.waves is not None and known.size >= ENOUGH_FOR_A_FIT and np.ptp(known) > 0:
            wave = _fitted(column, trained.waves)
            if not trained.in_any_units:
                yield from _doubts_of_its_units(name, wave, trained.waves)
            yield from _doubts_of_its_frequency(name, wave, trained.waves)
            yield from _doubts_of_its_shape(name, wave)


def doubts_of_the_horizon(steps: int, trained: Trained = TUTORIALS) -> Iterator[str]:
    """Say where a forecast of so many steps goes far beyond what a model is trained on."""
    if steps > FAR * trained.horizon:
        yield (
            f"{steps} steps go far beyond the {trained.horizon} that the model is trained to "
            "forecast, so the last ones may be poor, and a band around them too narrow"
        )


def _doubts_of_its_units(name: str, wave: _Wave, trained: Sines) -> Iterator[str]:
    amplitude, level = wave.amplitude, wave.level
    (least, most), (lowest, highest) = trained.amplitude, trained.level
    margin = LARGEST_LEVEL * max(amplitude, most)
    if not lowest - margin <= level <= highest + margin:
        around = "waves around 0"
        if (lowest, highest) != (0, 0):
            around = f"levels of {lowest:g} to {highest:g}"
        yield (
            f"{name} has a level of about {level:.2g}: models are trained on {around}, so give "
            "--scale auto"
        )
    if not least * AMPLITUDES[0] <= amplitude <= most * AMPLITUDES[1]:
        yield (
            f"{name} has an amplitude of about {amplitude:.2g}: models are trained on "
            f"{range_in_words(least, most)}, so give --scale auto"
        )


def _doubts_of_its_frequency(name: str, wave: _Wave, trained: Sines) -> Iterator[str]:
    frequency, (low, high) = wave.frequency, trained.frequency
    if not low * (1 - FREQUENCY_TOLERANCE) <= frequency <= high * (1 + FREQUENCY_TOLERANCE):
        rate = trained.sampling_rate
        better = float(f"{frequency * rate / math.sqrt(low * high):.2g}")
        yield (
            f"{name} has a frequency of about {frequency:.2g} Hz, {rate / frequency:.3g} steps a "
            f"period: models are trained on {rate / high:.3g} to {rate / low:.3g} steps, so the "
            f"forecast may be poor (of a file, --resample {better:g} may do)"
        )


def _doubts_of_its_shape(name: str, wave: _Wave) -> Iterator[str]:
    share = wave.left_over / wave.amplitude if wave.amplitude else 0.0
    if share > WELL_FITTED or (share > HARDLY_NOISE and wave.echo > LOUD_ECHO):
        yield (
            f"{name} is hardly one sine wave: the best one, of amplitude {wave.amplitude:.2g}, is "
            f"off by {wave.left_over:.2g}, so the forecast may be poor and its band too narrow "
            "(sinlstm train FILE teaches a network what is in a file)"
        )
