"""Errors of a model's forecasts on known waves, by intervals of forecast steps."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ..errors import InputError, positive_integer, shown
from ..model import SineLSTM, checked_model
from ..rollout import forecast, observe
from ..signals.samples import real_numbers
from ..signals.signal import HELD_OUT_SEED, NO_INPUT, SAMPLING_RATE
from ..signals.sines import FREQUENCY_RANGE, OFFSET_RANGE

# Forecast steps, from the first up to but without the second. The first six are those of the
# figures that were taken from the PyTorch original, docs/torch_runs.csv.
INTERVALS = (
    (0, 50),
    (0, 100),
    (0, 200),
    (0, 400),
    (400, 900),
    (900, 1500),
    (1500, 5000),
    (5000, 10000),
)
CHUNK = 500  # steps forecast at a time
LARGEST = 1e6  # Hz and seconds; beyond, float64 begins to lose the phase
HELD_OUT_WAVES = 1024

# Takes a history, [past, wave], and a horizon; returns [horizon, wave].
ForecastFunction = Callable[[np.ndarray, int], np.ndarray]


class Waves(NamedTuple):
    """Waves sin(2 pi f (t + t0)) to be tried on, known in float64 at any step."""

    frequency: np.ndarray  # [wave], Hz
    offset: np.ndarray  # [wave], t0 in seconds

    def angle(self, step: int | np.ndarray) -> np.ndarray:
        """Return the argument of the sine in radians at a step, `[wave]`; steps are `[..., 1]`."""
        return 2 * np.pi * self.frequency * (step / SAMPLING_RATE + self.offset)

    def values(self, first: int, last: int) -> np.ndarray:
        """Return the values at steps from `first` up to `last`, `[last - first, wave]`."""
        return np.sin(self.angle(np.arange(first, last)[:, None]))


def held_out_waves(count: int) -> Waves:
    """Return the first `count` of a fixed sequence of waves, distributed as in training."""
    low, high = zip(FREQUENCY_RANGE, OFFSET_RANGE, strict=True)
    rng = np.random.default_rng(HELD_OUT_SEED)
    return Waves(*rng.uniform(low, high, (positive_integer("count", count), 2)).T)


def forecast_function(model: SineLSTM) -> ForecastFunction:
    """Return a model as a function (history, horizon) -> forecast, `[horizon, wave]`."""
    checked_model(model)
    return partial(_forecast_all, model)


def _forecast_all(model: SineLSTM, history, horizon: int) -> np.ndarray:
    horizon = positive_integer("horizon", horizon)
    return np.concatenate([piece for _, piece in _stream(model, history, horizon)])


def rollout_errors(
    model: SineLSTM,
    frequency,
    offset,
    intervals: Sequence[tuple[int, int]] = INTERVALS,
    past: int = 100,
) -> np.ndarray:
    """Return a model's mean squared errors over intervals of forecast steps, `[interval, wave]`.

    The model observes `past` steps of each wave and then gets no input. Errors are taken against
    float64; the memory needed does not grow with the steps.

    Args:
      model: a trained model.
      frequency: Hz, `[wave]`.
      offset: seconds, `[wave]`.
      intervals: (first, last) forecast steps, from 0 on, the last not included.
      past: steps observed.

    Raises:
      InputError: frequencies and offsets are not finite and of one length, frequencies not above
        0, one of them beyond LARGEST, or intervals empty.
    """
    waves, past = as_waves(frequency, offset), positive_integer("past", past)
    horizon = _last_step(intervals)
    # Each chunk's truth follows from the angle at its start: sines are slower than products.
    within = Waves(waves.frequency, np.zeros_like(waves.offset))
    angle = within.angle(np.arange(min(CHUNK, horizon))[:, None])
    sin, cos = np.sin(angle), np.cos(angle)

    def squared_errors():
        for start, predicted in _stream(model, waves.values(0, past), horizon):
            angle = waves.angle(past + start)
            error = predicted - np.sin(angle) * cos[: len(predicted)]
            error -= np.cos(angle) * sin[: len(predicted)]
            yield start, np.square(error, out=error)

    return interval_means(squared_errors(), intervals, waves.frequency.size)


def window_errors(
    model: SineLSTM,
    history: np.ndarray,
    truth: np.ndarray,
    intervals: Sequence[tuple[int, int]],
) -> np.ndarray:
    """Return a model's mean squared errors on windows of any signal, `[interval, window]`.

    Args:
      model: a trained model.
      history: what it observes, `[past, window]`, NO_INPUT where nothing.
      truth: what follows, `[horizon, window]`; NaN where it is not known, which does not count.
      intervals: (first, last) forecast steps, the last not included and at most the horizon. Where
        nothing is known in one, its mean is NaN.
    """
    pieces = list(_stream(model, history, _last_step(intervals)))
    squared = np.square(np.concatenate([piece for _, piece in pieces]) - np.float64(truth))
    known = np.isfinite(truth)
    squared = np.where(known, squared, 0.0)
    sums = [squared[first:last].sum(axis=0) for first, last in intervals]
    counts = np.stack([known[first:last].sum(axis=0) for first, last in intervals])
    return np.stack(sums) / np.where(counts, counts, np.nan)


def _stream(model, history, horizon) -> Iterator[tuple[int, np.ndarray]]:
    """Yield a forecast piece by piece: (its first step, predictions `[<= CHUNK, wave]`)."""
    # To a network that measures its windows, -2 is a sample as any other.
    history = np.where(np.asarray(history) == NO_INPUT, np.nan, history)
    carry, _ = observe(model, history)
    starts = range(0, horizon, CHUNK)
    carry, ahead = forecast(model, carry, min(CHUNK, horizon))
    for start in starts:
        piece, left = ahead, horizon - start - CHUNK
        if left > 0:  # computed while the caller is busy with the piece before
            carry, ahead = forecast(model, carry, min(CHUNK, left))
        yield start, np.asarray(piece)[:, :, 0]


def interval_means(pieces: Iterable, intervals, waves: int) -> np.ndarray:
    """Return means over intervals, `[interval, wave]`, of pieces (start, `[steps, wave]`)."""
    sums = np.zeros((len(intervals), waves))
    for start, values in pieces:
        for row, (first, last) in zip(sums, intervals, strict=True):
            row += values[max(first - start, 0) : max(last - start, 0)].sum(axis=0)
    return sums / np.reshape([last - first for first, last in intervals], (-1, 1))


def as_waves(frequency, offset) -> Waves:
    """Return frequencies in Hz and offsets in seconds as Waves, or raise InputError."""
    frequency, offset = real_numbers("frequency", frequency), real_numbers("offset", offset)
    if frequency.ndim != 1 or frequency.shape != offset.shape or frequency.size == 0:
        raise InputError(
            f"frequency has shape {frequency.shape} and offset {offset.shape}: give one of each "
            "per wave, [wave]"
        )
    if not (np.isfinite(frequency) & np.isfinite(offset) & (frequency > 0)).all():
        raise InputError("a frequency is not above 0 Hz, or an offset not finite: leave it out")
    if max(frequency.max(), np.abs(offset).max()) > LARGEST:
        raise InputError(f"a frequency or an offset is beyond {LARGEST:g}: leave it out")
    return Waves(frequency, offset)


def _last_step(intervals) -> int:
    """Return the last step of all intervals, or raise InputError."""
    if not isinstance(intervals, tuple | list):
        raise InputError(f"intervals is {shown(intervals)}: give at least one (first, last)")
    for interval in intervals:
        pair = isinstance(interval, tuple | list) and len(interval) == 2
        first, last = interval if pair else (None, None)
        if not (isinstance(first, int | np.integer) and isinstance(last, int | np.integer)):
            raise InputError(f"interval {shown(interval)} is not a pair: give (first, last)")
        if not 0 <= first < last:
            raise InputError(
                f"interval {shown(interval)} is empty: give (first, last), 0 <= first < last"
            )
        positive_integer("last", last)
    if not intervals:
        raise InputError("intervals is empty: give at least one (first, last)")
    return max(last for _, last in intervals)
