"""Samples from CSV text, line by line, held against what models are trained on: 100 Hz, about 1."""

import csv
import itertools
import logging
import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..evaluation.baselines import fit_sine
from ..recipes import TRAINED_SAMPLES
from ..signals.signal import NO_INPUT, SAMPLING_RATE
from ..signals.sines import FREQUENCY_RANGE

MISSING = ("", "nan", "na", "none", "null")  # fields, in any case, that hold no sample
TIME = "time"  # the column that holds no samples but their time in seconds
LARGEST = 1.5  # amplitude 1 and noise stay below
LARGEST_LEVEL = 0.2  # of the amplitude
LEVEL_ROUNDS = 10
WELL_FITTED = 0.3  # of the amplitude
ENOUGH_FOR_A_FIT = 20  # samples
STEP_TOLERANCE = 0.5  # steps that a sample may come early or late, or one is missing, or twice
RATE_TOLERANCE = 0.01  # share by which the rate may be off on the whole
FREQUENCY_TOLERANCE = 0.05  # share by which an estimate may leave the band
AMPLITUDES = (0.8, 1.25)
_LOG = logging.getLogger("sinlstm_jax")


class Sample(NamedTuple):
    """What was read of one step."""

    time: float  # s
    values: np.ndarray  # [stream], NaN where missing


class Samples(NamedTuple):
    """Streams that are being read."""

    names: list[str]  # of the streams
    steps: Iterator[Sample]


def read_samples(lines: Iterable[str], source: str, header: str = "auto") -> Samples:
    """Read CSV text: a column per stream, a line per step at 100 Hz.

    A first line with a field that is not a number is a header; so is one that counts the columns
    from 0, as pandas writes it where columns have no names, which is logged as a warning. A column
    that it calls `time` (in seconds) is checked to be at 100 Hz, a jitter aside; without one, the
    first sample is at 0 s. A field without a number (empty, nan, ...) is a missing sample; so is an
    empty line where there is one column, and among several it is skipped. The first value beyond
    LARGEST is logged as a warning.

    Args:
      lines: the text, perhaps not all there yet: no line is asked for before the one before it was
        used, but for the first.
      source: what to call it in errors.
      header: whether the first line is one: "yes", "no", or "auto" for what is said above.

    Raises:
      InputError: there is nothing to read, or, while `steps` is iterated, a line is of another
        length, holds something else than numbers, or is not 0.01 s after the one before.
    """
    rows = _rows(lines, source)
    first = next(rows, None)
    if first is None:
        raise InputError(f"{source} is empty: give samples, one a line, at {SAMPLING_RATE} Hz")
    number, fields = first
    if _is_header(fields, header, f"{source}, line {number}"):
        names = [field.strip() for field in fields]
    else:
        names = [f"value_{i}" for i in range(1, len(fields) + 1)] if len(fields) > 1 else ["value"]
        rows = itertools.chain([first], rows)
    if len(names) > 1 and "" in names:
        raise InputError(
            f"{source}, line {number}: column {names.index('') + 1} has no name: give it one, or "
            "leave it out if it only counts the lines (pandas: index=False)"
        )
    columns = [i for i, name in enumerate(names) if name.lower() == TIME]
    if len(columns) > 1 or len(columns) == len(names):
        raise InputError(
            f"{source}, line {number}: the columns are {', '.join(names)}: give one of samples at "
            f"least, and at most one called {TIME}"
        )
    time = columns[0] if columns else None
    streams = [name for i, name in enumerate(names) if i != time]
    return Samples(streams, _steps(rows, source, names, time))


def _is_header(fields: list[str], wanted: str, where: str) -> bool:
    """Tell whether a first line holds names, as far as "auto" can tell."""
    if wanted != "auto":
        return wanted == "yes"
    plain = [field.strip() for field in fields]
    counted = plain[1:] if len(plain) > 1 and plain[0] == "" else plain  # pandas' index comes first
    if counted == [str(i) for i in range(len(counted))]:
        _LOG.warning(
            f"{where} is {','.join(plain)}: taken for a header, as pandas writes it; give --header "
            "no if these are samples"
        )
        return True
    return any(_as_number(field) is None for field in fields)


def _rows(lines: Iterable[str], source: str) -> Iterator[tuple[int, list[str]]]:
    """Split lines into fields: (line number, fields)."""
    reader = csv.reader(line.removeprefix("\ufeff") for line in lines)
    try:
        for fields in reader:
            yield reader.line_num, fields or [""]
    except UnicodeDecodeError:
        raise InputError(f"{source} is not text in UTF-8: give CSV text") from None
    except csv.Error as error:
        raise InputError(f"{source}, line {reader.line_num} is not CSV text ({error})") from None


def _steps(rows, source: str, header: list[str], time: int | None) -> Iterator[Sample]:
    first = before = math.nan
    step, warned = 0, False
    for number, fields in rows:
        if fields == [""] and len(header) > 1:
            continue
        where = f"{source}, line {number}"
        numbers = _numbers(header, fields, where)
        now = step / SAMPLING_RATE
        if time is not None:
            now = numbers.pop(time)
            first = first if step else now
            _check_time(now, before, first, step, where)
            before = now
        values = np.array(numbers)
        beyond = np.abs(values) > LARGEST  # never true of NaN
        if beyond.any() and not warned:
            warned = True
            _LOG.warning(
                f"{where} holds {values[np.argmax(beyond)]:g}: models are trained on waves of "
                "amplitude 1 around 0, so shift and scale the samples"
            )
        yield Sample(now, values)
        step += 1


def _numbers(header: list[str], fields: list[str], where: str) -> list[float]:
    """Return the numbers of a line, NaN where one is missing."""
    if len(fields) != len(header):
        raise InputError(
            f"{where} has {len(fields)} fields: give {len(header)}, for {', '.join(header)}"
        )
    numbers = []
    for name, field in zip(header, fields, strict=True):
        value = _as_number(field)
        if value is None or math.isinf(value):
            raise InputError(
                f"{where}: {name} is {field.strip()!r}: give a finite number, or leave the "
                "field empty where a sample is missing"
            )
        numbers.append(value)
    return numbers


def _check_time(now: float, before: float, first: float, step: int, where: str) -> None:
    """Raise InputError if a sample, the first being step 0, is not where 100 Hz would put it."""
    if math.isnan(now):
        raise InputError(f"{where} has no time: give one in every line, or in none")
    if step == 0:
        return
    if abs((now - before) * SAMPLING_RATE - 1) > STEP_TOLERANCE:
        raise InputError(
            f"{where} is {now - before:.4g} s after the one before: models are trained "
            f"at {SAMPLING_RATE} Hz, so resample to {1 / SAMPLING_RATE} s, and leave "
            "fields empty where a sample is missing"
        )
    elapsed = (now - first) * SAMPLING_RATE
    if abs(elapsed - step) > STEP_TOLERANCE + RATE_TOLERANCE * step:
        raise InputError(
            f"{where}: the rate is {step * SAMPLING_RATE / elapsed:.4g} Hz up to here: models are "
            f"trained at {SAMPLING_RATE} Hz, so resample"
        )


def _as_number(field: str) -> float | None:
    """Return a field's number, NaN where it is missing, None where it is something else."""
    field = field.strip()
    if field.lower() in MISSING:
        return math.nan
    try:
        return None if "_" in field else float(field)  # Python reads 1_000, no one else does
    except ValueError:
        return None


class _Wave(NamedTuple):
    """A sine wave on a level, as it fits samples best."""

    frequency: float  # Hz
    amplitude: float
    level: float
    left_over: float  # root of the mean squared error


def _fitted(samples: np.ndarray) -> _Wave:
    """Fit a wave to samples, `[time]`, NaN where missing: around 0 if that fits a trained one.

    Else on a level, for which a slow wave around 0 stands in as well where less than one of its
    cycles is there.
    """
    around_zero = _fitted_around(0.0, samples)
    well = around_zero.left_over < WELL_FITTED * around_zero.amplitude
    if well and around_zero.frequency > FREQUENCY_RANGE[0] * (1 - FREQUENCY_TOLERANCE):
        return around_zero
    wave = _fitted_around(float(np.nanmean(samples)), samples)
    for _ in range(LEVEL_ROUNDS):  # its frequency and its level by turns
        wave = _fitted_around(wave.level, samples)
    return wave if wave.left_over < around_zero.left_over else around_zero


def _fitted_around(level: float, samples: np.ndarray) -> _Wave:
    """Fit a frequency around a level, and then amplitude and level to that; 0 stays 0."""
    observed = np.isfinite(samples)
    waves = np.where(observed, samples - level, NO_INPUT)[:, None]
    frequency = float(fit_sine(waves)[0][0])
    angle = 2 * np.pi * frequency * np.arange(samples.size)[observed] / SAMPLING_RATE
    constant = np.full_like(angle, level != 0)
    terms = np.stack([np.cos(angle), np.sin(angle), constant], axis=1)
    fit = np.linalg.lstsq(terms, samples[observed])[0]
    left_over = np.sqrt(np.mean(np.square(terms @ fit - samples[observed])))
    return _Wave(frequency, math.hypot(*fit[:2]), float(fit[2]), float(left_over))


def doubts(names: list[str], counts: np.ndarray, values: np.ndarray) -> Iterator[str]:
    """Say what models are not trained on in what was read, a sentence each.

    Args:
      names: of the streams.
      counts: how many samples there were, without those that are missing, `[stream]`.
      values: the latest of them, `[time, stream]`, NaN where missing.
    """
    low, high = FREQUENCY_RANGE
    for name, count, column in zip(names, counts, values.T, strict=True):
        if count < TRAINED_SAMPLES:
            yield (
                f"{name} has {count} samples: models are trained to forecast after "
                f"{TRAINED_SAMPLES}, so the forecast may be poor"
            )
        observed = np.isfinite(column)
        if observed.sum() < ENOUGH_FOR_A_FIT:
            continue
        frequency, amplitude, level, _ = _fitted(column)
        if abs(level) > LARGEST_LEVEL * max(amplitude, 1):
            yield (
                f"{name} has a level of about {level:.2g}: models are trained on waves around 0, "
                "so subtract it"
            )
        if not AMPLITUDES[0] <= amplitude <= AMPLITUDES[1]:
            yield (
                f"{name} has an amplitude of about {amplitude:.2g}: models are trained on 1, so "
                "scale the samples"
            )
        if not low * (1 - FREQUENCY_TOLERANCE) <= frequency <= high * (1 + FREQUENCY_TOLERANCE):
            yield (
                f"{name} has a frequency of about {frequency:.2g} Hz: models are trained on "
                f"{low:g} to {high:g} Hz, so the forecast may be poor"
            )
