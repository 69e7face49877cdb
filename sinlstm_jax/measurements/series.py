"""A whole series at one rate: of a file, or of what pandas and xarray label with times."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..errors import InputError, positive_number
from .clock import step_of, steps_between
from .reader import latest, pieces, placed, survey
from .reading import Reading
from .resampling import resampled
from .summary import summary
from .words import rate_in_words


class Series(NamedTuple):
    """Samples of all steps."""

    values: np.ndarray  # [time, column], NaN where missing
    rate: float | None  # Hz; None where nothing tells
    said: tuple[str, ...] = ()  # what was understood of the file
    names: tuple[str, ...] = ()  # of the columns


def series_in(path: Path, reading: Reading, resample: float | None = None) -> Series:
    """Return all samples of a file, at a rate of their own or at `resample` Hz.

    Raises:
      InputError: as `survey` and `pieces` do, or nothing tells the rate that is to be changed.
    """
    surveyed = survey(path, reading)
    found, rate = latest(pieces(surveyed), sys.maxsize)[0], surveyed.sampling_rate
    said, names = tuple(summary(surveyed, found, len(found.values))), tuple(surveyed.table.names)
    if resample is None:
        return Series(found.values, rate, said, names)
    if rate is None:
        raise InputError(f"{path} tells no times: give the rate that it is resampled from")
    resample = positive_number("resample", resample)
    said += (f"resampled from {rate_in_words(rate)} to {rate_in_words(resample)}",)
    return Series(resampled(found, rate, resample).values, resample, said, names)


def labelled(data) -> Series:
    """Return the samples of a pandas Series or DataFrame, or of an xarray DataArray.

    An index of moments, of durations, or of floats in seconds tells their times; of others, whole
    numbers among them, the rows are steps.

    Raises:
      InputError: it is none of these, or its times are at no rate or not in order.
    """
    if hasattr(data, "to_series") and np.ndim(data) == 1 and not isinstance(data, pd.Index):
        data = data.to_series()  # xarray's
    if isinstance(data, pd.Series):
        data = data.to_frame()
    if not isinstance(data, pd.DataFrame):
        name = type(data).__name__
        raise InputError(f"data is a {name}: give a pandas Series or DataFrame, or a DataArray")
    try:
        values = data.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(
            f"data has columns of {', '.join(map(str, data.dtypes))}: give those of numbers"
        ) from None
    seconds = _seconds_of(data.index) if len(data) > 1 else None
    if seconds is None:
        return Series(values, None)
    intervals = np.diff(seconds)
    if not (intervals > 0).all():
        at = int(np.argmin(intervals > 0)) + 1
        raise InputError(
            f"data has {data.index[at]} after {data.index[at - 1]}: sort the index, and leave out "
            "doubles"
        )
    steps = np.append(1, steps_between(intervals, step_of(intervals, "data")))
    rate = float((steps.sum() - 1) / (seconds[-1] - seconds[0]))
    return Series(placed(steps, seconds, seconds, values).values, rate)


def _seconds_of(index: pd.Index) -> np.ndarray | None:
    """Return an index in seconds from its first label on; None where it counts or names rows."""
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex):
        since: Any = index - index[0]
        return since.total_seconds().to_numpy(np.float64)
    if pd.api.types.is_float_dtype(index.dtype):
        return index.to_numpy(np.float64) - float(index[0])
    return None
