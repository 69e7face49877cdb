"""Pictures, drawn with matplotlib into PNG files and shown by nothing.

matplotlib is imported by what draws, and takes a second. Whatever its settings and its backend are
for the user, here they are matplotlib's own.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .files import replacing
from .palette import FORECAST, GUIDE, OBSERVED, PALE, SHADE, TRUTH, WIDE
from .signals.signal import SAMPLING_RATE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_DRAWN = 8  # streams in one picture
DASHED = (0, (6, 1.5))
_SETTINGS = threading.RLock()  # matplotlib has one set of them for all threads


class Forecast(NamedTuple):
    """One window, and what a model made of it."""

    title: str
    truth: np.ndarray  # [past + future], NaN where it is not known
    prediction: np.ndarray  # [past + future]
    observed: np.ndarray | None = None  # [past], NaN where nothing was; None: the truth
    low: np.ndarray | None = None  # [past + future]: between these two lies a share `band`
    high: np.ndarray | None = None
    band: float | None = None


TIME = "time (s)"
# Of an axis of dates, the first one that there are enough of.
UNITS = ((365.25 * 86400.0, "years"), (86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
MOST_OF_A_UNIT = 3


class StreamForecasts(NamedTuple):
    """Streams as they were observed, and what follows by a model."""

    names: list[str]  # of the streams
    times: np.ndarray  # [past + steps], s
    observed: np.ndarray  # [past, stream], NaN where missing
    forecast: np.ndarray  # [steps, stream]
    low: np.ndarray | None = None  # alike: between these two lies a share `band` of what comes
    high: np.ndarray | None = None
    band: float | None = None
    begin: str | None = None  # the first of the times as a date; the axis counts from there


def drawing(draw):
    """Have a function draw with matplotlib's own settings; they are the user's again after."""

    @functools.wraps(draw)
    def drawn(*arguments, **options):
        with _SETTINGS:
            with _without_variable("MPLBACKEND"):  # it may name what is not installed here
                from matplotlib import style
            with style.context("default"):
                return draw(*arguments, **options)

    return drawn


@contextlib.contextmanager
def _without_variable(name: str) -> Iterator[None]:
    """Take a variable out of the environment for a while."""
    value = os.environ.pop(name, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[name] = value


def new_figure(width: float, height: float, layout: str | None = None) -> "Figure":
    """Return a figure of a size in inches, for a function that is `drawing`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout=layout)  # pyright: ignore  (a str is all right)


@drawing
def plot_loss(
    path: Path,
    losses: np.ndarray,
    average_over: int,
    title: str,
    loss: str = "mean squared error",
) -> None:
    """Draw a stage's losses, `[replicate, iterations]`, averaged per interval.

    The axis is logarithmic where all of them are above 0, which likelihoods are not. A single
    replicate's losses are drawn one by one, too; of several, the averages' median and range over
    those that have not failed.
    """
    figure = new_figure(8, 4.3)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.12, right=0.98, bottom=0.2, top=0.92)
    iterations = np.arange(losses.shape[1])
    intervals = np.split(iterations, range(average_over, iterations.size, average_over))
    averages = np.stack([losses[:, interval].mean(axis=1) for interval in intervals], axis=1)
    known = ~np.isnan(averages).all(axis=0)  # up to where all have failed, as they may in a try
    centres = np.array([interval.mean() for interval in intervals])[known]
    averages = averages[:, known]
    label = f"average of {average_over} iterations"
    if len(losses) == 1:
        thin = {"color": GUIDE, "alpha": 0.5, "linewidth": 0.5}
        axes.plot(iterations, losses[0], **thin, label="each iteration")
    else:
        label = f"median of {len(losses)} seeds, {label}"
        lowest, highest = np.nanmin(averages, axis=0), np.nanmax(averages, axis=0)
        shaded = {"color": FORECAST, "alpha": PALE, "linewidth": 0}
        axes.fill_between(centres, lowest, highest, **shaded, label="lowest to highest seed")
    middle = np.nanmedian(averages, axis=0)
    axes.plot(centres, middle, color=FORECAST, marker="o", markersize=3, label=label)
    axes.set(xlabel="iteration", ylabel=loss)
    finite = losses[np.isfinite(losses)]
    if finite.size and finite.min() > 0:
        axes.set(yscale="log")
        axes.yaxis.set_major_formatter("{x:g}")
        low, high = axes.get_ylim()
        # Between two powers of ten there is nothing else to tell the scale.
        axes.yaxis.set_minor_formatter("{x:.4g}" if high / low < 10 else "")
    axes.set_title(title, y=1, parse_math=False)  # a height spares matplotlib the search for one
    legend_below(figure)
    save_figure(figure, path)


@drawing
def plot_forecasts(
    path: Path,
    forecasts: list[Forecast],
    past: int,
    title: str,
    sampling_rate: float = SAMPLING_RATE,
) -> None:
    """Draw windows one below the other: observed for `past` steps, then truth and prediction."""
    # A picture is as wide as the tutorial's would be: its size follows the steps.
    figure, rows = _stacked(len(forecasts), forecasts[0].truth.size / SAMPLING_RATE, title)
    for axes, forecast in zip(rows, forecasts, strict=True):
        time = np.arange(forecast.truth.size) / sampling_rate
        axes.axvspan(0, (past - 1) / sampling_rate, color=SHADE)
        observed, style, first, name = forecast.observed, ".", 0, "truth"
        if observed is None:
            observed, style, first = forecast.truth[:past], "-", past - 1
            name = "true continuation"
        before = {"color": OBSERVED, "linewidth": 2.5, "markersize": 4}
        axes.plot(time[:past], observed, style, **before, label="observed")
        axes.plot(time[first:], forecast.truth[first:], color=TRUTH, zorder=1.5, label=name, **WIDE)
        axes.plot(time, forecast.prediction, color=FORECAST, linewidth=1.4, label="prediction")
        if forecast.low is not None and forecast.high is not None:
            shaded = {"color": FORECAST, "alpha": PALE, "linewidth": 0}
            between = forecast.low[past:], forecast.high[past:]
            axes.fill_between(time[past:], *between, **shaded, label=f"{forecast.band:.0%} band")
        axes.set(ylabel="signal", xlim=(0, time[-1]))
        values = np.concatenate([forecast.truth, observed])
        low, high = np.nanmin(values), np.nanmax(values)
        if -1 <= low and high <= 1 < high - low:  # the tutorial's waves, all alike
            axes.set(ylim=(-1.3, 1.3), yticks=(-1, 0, 1))
        else:
            margin = 0.15 * (high - low) or 1.0
            axes.set_ylim(low - margin, high + margin)
        axes.set_title(forecast.title, loc="left", fontsize="medium", y=1, parse_math=False)
    _save_stacked(figure, rows, path)


@drawing
def plot_streams(path: Path, streams: StreamForecasts, title: str) -> None:
    """Draw streams one below the other: what was observed, what is missing, and the forecast.

    Of more than MOST_DRAWN streams the first are drawn, and the title says so.
    """
    (times, time), (past, count) = _axis_of(streams), streams.observed.shape
    if count > MOST_DRAWN:
        title += f" (the first {MOST_DRAWN} of {count} streams)"
    observed, forecast = streams.observed[:, :MOST_DRAWN], streams.forecast[:, :MOST_DRAWN]
    figure, rows = _stacked(observed.shape[1], streams.times[-1] - streams.times[0], title)
    names = streams.names[:MOST_DRAWN]
    for i, (axes, name, before, after) in enumerate(
        zip(rows, names, observed.T, forecast.T, strict=True)
    ):
        edges = ()
        if streams.low is not None and streams.high is not None:
            edges = streams.low[:, i], streams.high[:, i]
        low, high = _limits(before, np.concatenate(edges or (after,)))
        axes.axvspan(times[0], times[past - 1], color=SHADE)
        seen = {"color": OBSERVED, "markersize": 3, "linewidth": 1.5, "label": "observed"}
        axes.plot(times[:past], before, ".-", **seen)
        if np.isnan(observed).any():
            gaps = times[:past][np.isnan(before)]
            foot = np.full(gaps.size, low + 0.05 * (high - low))
            axes.plot(gaps, foot, "x", color=OBSERVED, label="missing samples")
        line = {"color": FORECAST, "linestyle": DASHED, "linewidth": 1}  # a narrow band shows
        axes.plot(times[past:], after, **line, label="forecast")
        if edges:
            shaded = {"color": FORECAST, "alpha": PALE, "linewidth": 0}
            axes.fill_between(times[past:], *edges, **shaded, label=f"{streams.band:.0%} band")
        axes.set(ylabel="signal", ylim=(low, high), xlim=(times[0], times[-1]))
        axes.set_title(name, loc="left", fontsize="medium", parse_math=False)  # a "$" stays one
    _save_stacked(figure, rows, path, time)


def _axis_of(streams: StreamForecasts) -> tuple[np.ndarray, str]:
    """Return times as an axis has them, and what it is called."""
    if streams.begin is None:
        return streams.times, TIME
    since = streams.times - streams.times[0]
    seconds, unit = next(
        unit for unit in UNITS if since[-1] >= MOST_OF_A_UNIT * unit[0] or unit == UNITS[-1]
    )
    return since / seconds, f"time ({unit}) since {streams.begin}"


def _limits(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """Return how far an axis goes for a stream: as far down as up where the stream is around 0."""
    values = np.concatenate([before[~np.isnan(before)], after])
    low, high = values.min(), values.max()
    if low > 0 or high < 0:
        margin = 0.3 * (high - low) or 0.3 * abs(high)
        return low - margin, high + margin
    largest = max(-low, high)
    # Waves of amplitude 1, and silence, have one scale; what is much smaller has its own.
    limit = 1.3 * (largest if 0 < largest < 0.5 else max(1.0, largest))
    return -limit, limit


def _stacked(count: int, seconds: float, title: str) -> "tuple[Figure, np.ndarray]":
    """Return a figure and its axes for waves one below the other, that last so many seconds."""
    # Margins in inches, by hand: a layout engine draws everything twice.
    width, height = min(16, 7 + 0.6 * seconds), 2.1 * count + 1.1
    figure = new_figure(width, height)
    figure.suptitle(title, y=1 - 0.12 / height, parse_math=False)
    rows = figure.subplots(count, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(
        left=0.95 / width,
        right=1 - 0.15 / width,
        bottom=0.85 / height,
        top=1 - 0.6 / height,
        hspace=0.2,
    )
    return figure, rows


def _save_stacked(figure: "Figure", rows: np.ndarray, path: Path, time: str = TIME) -> None:
    rows[-1].set_xlabel(time, parse_math=False)
    legend_below(figure)
    save_figure(figure, path)


def legend_below(figure: "Figure", columns: int | None = None) -> None:
    """Say below all of a figure's panels what they show, each thing once, and on no curve.

    Args:
        figure: Drawn already; without a layout engine, with room at its foot.
        columns: How many entries stand side by side: all of them by default.
    """
    named = entries(figure.axes)
    place = "lower center" if figure.get_layout_engine() is None else "outside lower center"
    columns = columns or len(named)
    figure.legend(named.values(), named.keys(), loc=place, ncols=columns, handlelength=3)


def entries(panels) -> dict:
    """Return what panels show, `{label: handle}` for a legend, each thing once."""
    named = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    return named


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure to a PNG file, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, pil_kwargs={"compress_level": 3})
