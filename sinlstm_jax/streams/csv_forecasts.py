"""Forecasts of streams while they are read: samples in, CSV text out."""

import csv
import logging
import math
from collections import deque
from typing import Literal, TextIO

import numpy as np

from ..errors import InputError
from ..model import SineLSTM
from ..plots import StreamForecasts
from ..runs.signals import TUTORIALS, Trained
from ..sensor import SHORTEST_PAST
from ..signals.signal import Scaling
from .chunks import CHUNKS
from .csv_samples import Sample, Samples
from .doubts import doubts, doubts_of_the_horizon
from .forecaster import UNSCALED, Forecaster

LATEST = 300  # samples that are kept to be looked at
DIGITS, MOST_DIGITS = 8, 15  # of what samples vary by; of a number: what float32 and 64 have
_LOG = logging.getLogger("sinlstm_jax")


def write_forecasts(
    file: TextIO,
    model: SineLSTM,
    samples: Samples,
    *,
    steps: int,
    every: int | None,
    window: int,
    trained: Trained = TUTORIALS,
    scaling: Scaling | Literal["auto"] = UNSCALED,
    band: float | None = None,
) -> StreamForecasts:
    """Follow streams to their end, and write forecasts of the next `steps` values as CSV text.

    The columns are how many steps were read, the time of the value that is forecast, in seconds or
    as the samples have it, and the values, one per stream; of a band, two more for each,
    `NAME_low` and `NAME_high`. A field is empty where too little is known, as `Forecaster.forecast`
    says. What models are not trained on is logged as a warning.

    Args:
      file: where to write to.
      model: a trained model.
      samples: what to follow.
      steps: to forecast.
      every: after how many steps to write a forecast; None for the end only, where there always is
        one.
      window: how many of the latest steps to forecast from.
      trained: what the model is trained on, at the rate of the samples.
      scaling: how samples are scaled for it, as `Forecaster` takes it.
      band: the share of what comes that is to lie between two values, of a model that says so.

    Returns:
      The latest of what was read, and the last forecast.

    Raises:
      InputError: there are no samples, or what reading them raises.
    """
    forecaster = Forecaster(model, len(samples.names), window, scaling=scaling)
    rate = samples.rate
    writer = csv.writer(file, lineterminator="\n")
    ends = ("",) if band is None else ("", "_low", "_high")
    columns = [f"{name}{end}" for name in samples.names for end in ends]
    header = [["observed", "time", *columns]]  # with the first forecast: none before an error
    counts = np.zeros(len(samples.names), int)
    latest: deque[Sample] = deque(maxlen=LATEST)
    unread: list[np.ndarray] = []
    total, forecast = samples.before, None

    def observe_unread():
        if unread:
            forecaster.observe(np.stack(unread))
            unread.clear()

    def write_forecast():
        observe_unread()
        parts = (forecaster.forecast(steps),) if band is None else forecaster.forecast(steps, band)
        rows = np.stack(parts, axis=-1).reshape(steps, -1)
        while header:
            writer.writerow(header.pop())
        digits = np.repeat(_digits(np.stack([sample.values for sample in latest])), len(parts))
        for time, row in zip(_times_after(latest[-1].time, steps, rate), rows, strict=True):
            fields = map(_field, row, digits)
            writer.writerow([total, samples.written(time, rate), *fields])
        file.flush()
        return parts

    for sample in samples.steps:
        latest.append(sample)
        unread.append(sample.values)
        counts += np.isfinite(sample.values)
        total, forecast = total + 1, None
        if every is not None and total % every == 0:
            forecast = write_forecast()
        elif len(unread) == CHUNKS[0]:
            observe_unread()
    if not latest:
        raise InputError("there is a header, but no samples: give some, one a line")
    if forecast is None:
        forecast = write_forecast()
    # By steps: a clock may be put back, at midnight or for summer time.
    times = latest[-1].time + np.arange(1 - len(latest), steps + 1) / rate
    observed = np.stack([sample.values for sample in latest])
    seen = np.isfinite(observed[-window:]).sum(axis=0)
    if window <= LATEST:
        counts = np.where(seen < SHORTEST_PAST, seen, counts)  # what came long before is no help
    of_the_samples = doubts(samples.names, counts, observed, trained)
    for doubt in (*of_the_samples, *doubts_of_the_horizon(steps, trained)):
        _LOG.warning(doubt)
    values, *between = forecast
    begin = None
    if samples.dated:
        begin = f"{samples.written(latest[0].time, rate)} {samples.unit}".rstrip()
    return StreamForecasts(samples.names, times, observed, values, *between, band=band, begin=begin)


def _digits(observed: np.ndarray) -> list[int]:
    """Return how many digits forecasts are computed to, of samples `[time, stream]`."""
    found = []
    for column in observed.T:
        known = column[np.isfinite(column)]
        span = np.ptp(known) if known.size else 0.0
        more = math.log10(np.abs(known).max() / span) if span else MOST_DIGITS
        found.append(min(MOST_DIGITS, DIGITS + max(0, math.ceil(more))))
    return found


def _field(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if math.isfinite(value) else ""


def _times_after(time: float, steps: int, rate: float) -> list[float]:
    """Return the times of the steps that follow one, in s."""
    return [time + step / rate for step in range(1, steps + 1)]
