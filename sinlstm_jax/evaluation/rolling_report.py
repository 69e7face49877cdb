"""What forecasts from rolling origins tell: a table, a CSV file, pictures."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich import box
from rich.table import Table

from ..files import replacing
from ..palette import FORECAST, GUIDE, OBSERVED, PALE, TRUTH, WIDE
from ..plots import drawing, legend_below, new_figure, save_figure
from ..sensor import BAND
from .plots import STYLES
from .rolling import Origins, Rolled, Yardstick, ends_of

DRAWN = 3  # origins that forecasts are drawn from
BEFORE = 1.0  # horizons of what was observed that are drawn before the first of them
UNDER = "mean of the past"


class Backtest(NamedTuple):
    """Forecasters of one series, by name."""

    column: str
    values: np.ndarray  # [time], in the series' units, NaN where missing
    origins: Origins
    yardstick: Yardstick
    models: dict[str, Rolled]
    baselines: dict[str, Rolled]


def tables(backtest: Backtest) -> list[Table]:
    """Return errors of all forecasters: RMSE in the series' units, and MASE."""
    origins, period = backtest.origins, backtest.yardstick.period
    before = "the value before" if period == 1 else f"the value {period} steps before"
    titles = (
        f"{backtest.column}: root mean squared error, in its units, over the first steps of "
        f"{len(origins.first)} forecasts\n({len(origins.history)} steps observed each time)",
        f"Mean absolute scaled error: 1 is that of {before}, over what was not held out",
    )
    found = [Table(title=title, box=box.SIMPLE, title_justify="left") for title in titles]
    for each in found:
        each.add_column("")
        for end in ends_of(len(origins.truth)):
            each.add_column(str(end), justify="right")
    for name, each in (backtest.models | backtest.baselines).items():
        found[0].add_row(name, *(f"{x:.3g}" for x in each.root_square))
        found[1].add_row(name, *(f"{x:.2f}" for x in each.absolute / _or_nan(backtest)))
    return found


def _or_nan(backtest: Backtest) -> float:
    """Return what MASE divides by, NaN where a series repeats itself without an error."""
    return backtest.yardstick.error or np.nan


def said_of_bands(backtest: Backtest) -> list[str]:
    """Say how much the bands hold, a line for each model that has some."""
    return [
        f"{name}: {each.held(backtest.origins.truth):.0%} of the samples, noise and all, lie in "
        f"its bands of {BAND:.0%}"
        for name, each in backtest.models.items()
        if each.low is not None
    ]


def write_errors(path: Path, name: str, backtest: Backtest) -> None:
    """Write the errors of a model, and of the baselines, to a CSV file, whole or not at all."""
    ends = ends_of(len(backtest.origins.truth))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["forecaster", "first_step", "last_step", "mae", "rmse", "mase"])
        for who, each in {name: backtest.models[name], **backtest.baselines}.items():
            for end, absolute, root in zip(ends, each.absolute, each.root_square, strict=True):
                row = [who, 0, end, absolute, root, absolute / _or_nan(backtest)]
                writer.writerow(row)


@drawing
def plot_errors(path: Path, name: str, backtest: Backtest) -> None:
    """Draw the error over the forecast step of a model and of the baselines."""
    figure = new_figure(8, 4.5, "constrained")
    axes = figure.subplots()
    steps = np.arange(1, len(backtest.origins.truth) + 1)
    axes.plot(steps, backtest.models[name].over_steps, color=FORECAST, linewidth=2, label=name)
    for who, each in backtest.baselines.items():
        dashes, colour = STYLES.get(who, (":", GUIDE))
        axes.plot(steps, each.over_steps, linestyle=dashes, color=colour, linewidth=1.2, label=who)
    most = 1.5 * max(
        np.nanmax(backtest.models[name].over_steps), np.nanmax(backtest.baselines[UNDER].over_steps)
    )
    axes.set(
        xlabel="forecast step",
        ylabel="RMSE, in the units of the file",
        xlim=(1, len(steps)),
        ylim=(0, most if most > 0 else 1),
    )
    axes.set_title(
        f"{backtest.column}, forecast from {len(backtest.origins.first)} origins",
        parse_math=False,
    )
    legend_below(figure, 3)
    save_figure(figure, path)


@drawing
def plot_forecasts(path: Path, name: str, backtest: Backtest) -> None:
    """Draw the held-out end of a series, and forecasts of it that follow each other."""
    origins, found = backtest.origins, backtest.models[name]
    horizon = len(origins.truth)
    wanted = origins.first[-1] - horizon * np.arange(DRAWN)[::-1]
    chosen = sorted({int(np.argmin(np.abs(origins.first - each))) for each in wanted})
    begin = max(0, origins.first[chosen[0]] - round(BEFORE * horizon))
    figure = new_figure(12, 3.6, "constrained")
    axes = figure.subplots()
    steps, first = np.arange(begin, len(backtest.values)), origins.first[chosen[0]]
    before, came = steps[steps < first], steps[steps >= first - 1]
    axes.plot(before, backtest.values[before], color=OBSERVED, linewidth=1, label="observed")
    axes.plot(came, backtest.values[came], color=TRUTH, zorder=1.5, label="how it went on", **WIDE)
    for i in chosen:
        after = origins.first[i] + np.arange(horizon)
        label = name if i == chosen[0] else None
        axes.plot(after, found.forecasts[:, i], color=FORECAST, linewidth=1.2, label=label)
        if found.low is not None and found.high is not None:
            band = f"{BAND:.0%} band" if label else None
            axes.fill_between(
                after, found.low[:, i], found.high[:, i], color=FORECAST, alpha=PALE, linewidth=0,
                label=band,
            )  # fmt: skip
        axes.axvline(origins.first[i], color=GUIDE, linewidth=1, linestyle=":")
    low, high = np.nanmin(backtest.values[begin:]), np.nanmax(backtest.values[begin:])
    margin = 0.25 * (high - low) or 1.0
    axes.set(xlabel="step", ylabel="in the units of the file", ylim=(low - margin, high + margin))
    axes.set_xlim(begin, len(backtest.values))
    axes.set_title(
        f"{backtest.column}, and forecasts of it from each dotted line on", parse_math=False
    )
    legend_below(figure)
    save_figure(figure, path)
