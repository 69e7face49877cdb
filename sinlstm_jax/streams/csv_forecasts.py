"""Forecasts of streams while they are read: samples in, CSV text out."""

import csv
from collections import deque
from typing import NamedTuple, TextIO

import numpy as np

from ..errors import InputError
from ..model import SineLSTM
from ..signals import SAMPLING_RATE
from .forecaster import CHUNKS, Forecaster
from .samples import Sample, Samples, Warn, doubts

LATEST = 300  # samples that are kept to be looked at


class Continuation(NamedTuple):
    """The latest of what was read, and the forecast from there."""

    names: list[str]  # of the streams
    times: np.ndarray  # [past + steps], s
    observed: np.ndarray  # [past, stream], NaN where missing
    forecast: np.ndarray  # [steps, stream]


def continue_samples(
    model: SineLSTM,
    samples: Samples,
    steps: int,
    every: int | None,
    window: int,
    file: TextIO,
    warn: Warn,
) -> Continuation:
    """Follow streams to their end, and write forecasts of the next `steps` values.

    The columns are how many steps were read, the time in seconds of the value that is forecast, and
    the values, one per stream.

    Args:
      model: a trained model.
      samples: what to follow.
      steps: to forecast.
      every: after how many steps to write a forecast; None for the end only, where there always is
        one.
      window: how many of the latest steps to forecast from.
      file: where to write to.
      warn: is told what models are not trained on.

    Raises:
      InputError: there are no samples, or what reading them raises.
    """
    forecaster = Forecaster(model, len(samples.names), window)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["observed", "time", *samples.names])
    counts = np.zeros(len(samples.names), int)
    latest: deque[Sample] = deque(maxlen=LATEST)
    unread: list[np.ndarray] = []
    total, forecast = 0, None

    def write_forecast():
        values = forecaster.forecast(steps)
        for time, row in zip(_times_after(latest[-1].time, steps), values, strict=True):
            writer.writerow([total, time, *row])
        file.flush()
        return values

    for sample in samples.steps:
        latest.append(sample)
        unread.append(sample.values)
        counts += np.isfinite(sample.values)
        total, forecast = total + 1, None
        due = every is not None and total % every == 0
        if due or len(unread) == CHUNKS[0]:
            forecaster.observe(np.stack(unread))
            unread.clear()
        if due:
            forecast = write_forecast()
    if not latest:
        raise InputError("there is a header, but no samples: give some, one a line")
    if unread:
        forecaster.observe(np.stack(unread))
    if forecast is None:
        forecast = write_forecast()
    times, observed = zip(*latest, strict=True)
    for doubt in doubts(samples.names, counts, np.stack(observed)):
        warn(doubt)
    times = np.array([*times, *_times_after(times[-1], steps)])
    return Continuation(samples.names, times, np.stack(observed), forecast)


def _times_after(time: float, steps: int) -> list[float]:
    """Return the times of the steps that follow one, in s, without float64's last digits."""
    return [round(time + step / SAMPLING_RATE, 6) for step in range(1, steps + 1)]
