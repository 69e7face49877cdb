"""How well a model, or a baseline, continues waves it was not trained on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import InputError, positive_integer, shown
from ..model import SineLSTM, checked_model
from ..rollout import forecast, observe
from ..signals import FREQUENCY_RANGE, NO_INPUT, OFFSET_RANGE, SAMPLING_RATE
from .baselines import last_value, sine_fit, zero
from .phase import Track, frequency_error, lost_at, track

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
SLIGHTLY_LOST = 0.1  # rad
LOST = np.pi  # rad, half a cycle
LARGEST = 1e6  # Hz and seconds; beyond, float64 begins to lose the phase
HELD_OUT_SEED = 20180130
HELD_OUT_WAVES = 1024
ROBUSTNESS_WAVES = 256
FIRST_400 = (0, 400)  # what the robustness and the trained band are judged by
GRID_FREQUENCIES = np.arange(0.25, 5.01, 0.125)  # Hz; trained are 0.5 to 4
GRID_PHASES = np.arange(4) / 4  # cycles

# Takes a history, [past, wave], and a horizon; returns [horizon, wave].
ForecastFunction = Callable[[np.ndarray, int], np.ndarray]
BASELINES = {"zero": zero, "last value": last_value, "sine fit": sine_fit}


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


class Spoiling(NamedTuple):
    """What is done to a history before it is observed."""

    noise: float = 0.0  # standard deviation of a normal error on each value
    missing: float = 0.0  # probability of a value to be NO_INPUT instead


SPOILINGS = (
    Spoiling(),
    *(Spoiling(noise=noise) for noise in (0.02, 0.05, 0.1, 0.2)),
    *(Spoiling(missing=missing) for missing in (0.02, 0.1, 0.2, 0.5)),
)


class Evaluation(NamedTuple):
    """What came of forecasting some waves."""

    waves: Waves
    intervals: tuple[tuple[int, int], ...]
    errors: np.ndarray  # [interval, wave], mean squared errors
    error_over_time: np.ndarray  # [step], squared errors averaged over the waves
    track: Track  # amplitude and phase over time
    frequency_error: np.ndarray  # [wave], Hz
    slightly_lost: np.ndarray  # [wave], first step with a phase error over SLIGHTLY_LOST
    lost: np.ndarray  # [wave], first step with one over LOST


class Report(NamedTuple):
    """All that is measured of one forecaster."""

    held_out: Evaluation  # waves distributed as in training
    grid: Evaluation  # frequencies inside and outside the trained band
    robustness: np.ndarray  # [spoiling], mean squared error over FIRST_400


def held_out_waves(count: int) -> Waves:
    """Return the first `count` of a fixed sequence of waves, distributed as in training."""
    low, high = zip(FREQUENCY_RANGE, OFFSET_RANGE, strict=True)
    rng = np.random.default_rng(HELD_OUT_SEED)
    return Waves(*rng.uniform(low, high, (positive_integer("count", count), 2)).T)


def grid_waves() -> Waves:
    """Return every one of GRID_FREQUENCIES in every one of GRID_PHASES."""
    frequency = np.repeat(GRID_FREQUENCIES, GRID_PHASES.size)
    return Waves(frequency, np.tile(GRID_PHASES, GRID_FREQUENCIES.size) / frequency)


def in_trained_band(frequency: np.ndarray) -> np.ndarray:
    """Return whether frequencies in Hz are among those that training draws from."""
    low, high = FREQUENCY_RANGE
    return (frequency >= low) & (frequency <= high)


def spoil(history: np.ndarray, spoiling: Spoiling, rng: np.random.Generator) -> np.ndarray:
    """Return a history, `[past, wave]`, with noise and missing values."""
    noisy = history + spoiling.noise * rng.standard_normal(history.shape)
    return np.where(rng.random(history.shape) < spoiling.missing, NO_INPUT, noisy)


def forecast_function(model: SineLSTM) -> ForecastFunction:
    """Return a model as a function (history, horizon) -> forecast, `[horizon, wave]`."""

    checked_model(model)

    def forecast_all(history, horizon):
        horizon = positive_integer("horizon", horizon)
        return np.concatenate([piece for _, piece in _stream(model, history, horizon)])

    return forecast_all


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
    waves, past = _as_waves(frequency, offset), positive_integer("past", past)
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

    return _interval_means(squared_errors(), intervals, waves.frequency.size)


def evaluate(
    forecaster: ForecastFunction,
    waves: Waves,
    horizon: int,
    past: int = 100,
) -> Evaluation:
    """Let a forecaster continue clean waves, and measure errors, phase, amplitude and frequency.

    Holds the whole forecast in memory, 4 bytes a value from a model.

    Args:
      forecaster: a baseline, or `forecast_function(model)`.
      waves: what to forecast.
      horizon: steps to forecast; of INTERVALS, those beyond it are left out.
      past: steps to observe.

    Raises:
      InputError: as `rollout_errors` does, or the forecaster answers with another shape.
    """
    if not callable(forecaster):
        raise InputError(f"the forecaster is {shown(forecaster)}: give forecast_function(model)")
    if not isinstance(waves, tuple) or len(waves) != 2:
        raise InputError(f"the waves are {shown(waves)}: give Waves")
    waves = _as_waves(*waves)
    horizon, past = positive_integer("horizon", horizon), positive_integer("past", past)
    intervals = tuple(i for i in INTERVALS if i[1] <= horizon)
    predicted = forecaster(waves.values(0, past), horizon)
    if np.shape(predicted) != (horizon, waves.frequency.size):
        raise InputError(
            f"the forecaster answered with shape {np.shape(predicted)}: it should be "
            f"{(horizon, waves.frequency.size)}, [horizon, wave]"
        )
    squared = np.square(predicted - waves.values(past, past + horizon))
    followed = track(predicted, waves.frequency, waves.angle(past))
    return Evaluation(
        waves,
        intervals,
        _interval_means([(0, squared)], intervals, waves.frequency.size),
        squared.mean(axis=1),
        followed,
        frequency_error(followed),
        lost_at(followed, SLIGHTLY_LOST),
        lost_at(followed, LOST),
    )


def robustness(forecaster: ForecastFunction, past: int = 100) -> np.ndarray:
    """Return the mean squared error over FIRST_400 after each of SPOILINGS.

    Noise and gaps are in the history alone, the same for every forecaster; errors are taken
    against the clean wave.
    """
    waves, (_, last) = held_out_waves(ROBUSTNESS_WAVES), FIRST_400
    truth = waves.values(past, past + last)
    errors = []
    for spoiling in SPOILINGS:
        rng = np.random.default_rng(HELD_OUT_SEED)
        predicted = forecaster(spoil(waves.values(0, past), spoiling, rng), last)
        errors.append(np.mean(np.square(predicted - truth)))
    return np.array(errors)


def checked_horizon(horizon: int) -> int:
    """Return a horizon that holds FIRST_400, or raise InputError."""
    if positive_integer("horizon", horizon) < FIRST_400[1]:
        raise InputError(f"horizon is {horizon}: give at least {FIRST_400[1]} steps")
    return horizon


def report(forecaster: ForecastFunction, horizon: int, past: int = 100) -> Report:
    """Measure everything of one forecaster; `horizon` is that of the clean waves.

    Raises:
      InputError: as `checked_horizon` does.
    """
    horizon = checked_horizon(horizon)
    return Report(
        evaluate(forecaster, held_out_waves(HELD_OUT_WAVES), horizon, past),
        evaluate(forecaster, grid_waves(), horizon, past),
        robustness(forecaster, past),
    )


def _stream(model, history, horizon) -> Iterator[tuple[int, np.ndarray]]:
    """Yield a forecast piece by piece: (its first step, predictions `[<= CHUNK, wave]`)."""
    carry, _ = observe(model, history)
    starts = range(0, horizon, CHUNK)
    carry, ahead = forecast(model, carry, min(CHUNK, horizon))
    for start in starts:
        piece, left = ahead, horizon - start - CHUNK
        if left > 0:  # computed while the caller is busy with the piece before
            carry, ahead = forecast(model, carry, min(CHUNK, left))
        yield start, np.asarray(piece)[:, :, 0]


def _interval_means(pieces: Iterable, intervals, waves: int) -> np.ndarray:
    """Return means over intervals, `[interval, wave]`, of pieces (start, `[steps, wave]`)."""
    sums = np.zeros((len(intervals), waves))
    for start, values in pieces:
        for row, (first, last) in zip(sums, intervals, strict=True):
            row += values[max(first - start, 0) : max(last - start, 0)].sum(axis=0)
    return sums / np.array([[last - first] for first, last in intervals])


def _as_waves(frequency, offset) -> Waves:
    try:
        frequency, offset = (
            np.asarray(x).astype(np.float64, casting="same_kind") for x in (frequency, offset)
        )
    except (TypeError, ValueError, OverflowError):
        raise InputError("frequency or offset is no array of numbers: give [wave]") from None
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
            raise InputError(f"interval {shown(interval)} is no pair: give (first, last)")
        if not 0 <= first < last:
            raise InputError(
                f"interval {shown(interval)} is empty: give (first, last), 0 <= first < last"
            )
        positive_integer("last", last)
    if not intervals:
        raise InputError("intervals is empty: give at least one (first, last)")
    return max(last for _, last in intervals)
