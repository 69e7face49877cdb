"""What is published of public recordings: a table and a picture in docs/recordings.md."""

import numpy as np

from sinlstm_jax.evaluation.rolling import Rolled
from sinlstm_jax.palette import FORECAST, GUIDE, OBSERVED, PALE, TRUTH, WIDE
from sinlstm_jax.plots import legend_below, new_figure, save_figure
from sinlstm_jax.sensor import BAND

from ..pages import DOCS, IMAGES, fill_in, markdown
from .beside import PEERS, Task
from .public import RECORDINGS

OURS = "sinlstm train"
CHEAP = ("last value", "seasonal naive", "sine fit", "linear prediction")
BEFORE = 1.0  # horizons of what came before that are drawn
NAMES = {"NHITS": "N-HiTS"}


def publish(found: dict, drawn: dict[str, tuple[Task, Rolled]]) -> None:
    """Write the tables, and draw the picture."""
    tables = {
        "recordings-what": what_table(found),
        "recordings": errors_table(found),
        "recording-times": times_table(found),
    }
    fill_in(DOCS / "recordings.md", tables)
    plot(drawn)


def what_table(found: dict) -> str:
    """Return what the recordings are, and the commands."""
    rows = []
    for each in RECORDINGS:
        figures = found[each.name]
        command = f"sinlstm train {each.name}.csv {each.options}".strip()
        period = "-" if figures["period"] == 1 else figures["period"]
        package = f"{each.package.split('==')[0]} ({each.licence})"
        rows.append([f"`{command}`", each.what, package, figures["steps"], period, figures["past"]])
    return markdown(["", "", "of", "steps", "period", "observed"], rows)


def errors_table(found: dict) -> str:
    """Return the errors of all, the lowest of each recording in bold."""
    columns = [OURS, *CHEAP, *PEERS]
    rows = []
    for name, figures in found.items():
        scores = figures["mase"]
        best = min(scores[each] for each in columns if each in scores)
        row = [f"`{name}`", figures["horizon"]]
        for each in columns:
            score = f"{scores[each]:.2f}" if each in scores else "-"
            row.append(f"**{score}**" if scores.get(each) == best else score)
        rows.append([*row, f"{figures['held']:.0%}"])
    header = ["", "steps", *(NAMES.get(each, each) for each in columns), f"in {BAND:.0%} bands"]
    return markdown(header, rows)


def times_table(found: dict) -> str:
    """Return the seconds that training took."""
    columns = [OURS, *PEERS]
    rows = [
        [f"`{name}`"] + [_seconds(figures["seconds"].get(each)) for each in columns]
        for name, figures in found.items()
    ]
    return markdown(["", *(NAMES.get(each, each) for each in columns)], rows)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}"


def plot(drawn: dict[str, tuple[Task, Rolled]]) -> None:
    """Draw the last forecast of each recording, with its band."""
    what = {each.name: each.what for each in RECORDINGS}
    figure = new_figure(12, 2.1 * ((len(drawn) + 1) // 2), "constrained")
    panels = figure.subplots((len(drawn) + 1) // 2, 2, squeeze=False).ravel()
    for axes, (name, (task, ours)) in zip(panels, drawn.items(), strict=False):
        first, horizon = task.origins.first[-1], len(task.origins.truth)
        begin = first - min(task.past, round(BEFORE * max(horizon, task.past)))
        steps, after = np.arange(begin, first + horizon), first + np.arange(horizon)
        before, came = steps[steps < first], steps[steps >= first - 1]
        axes.plot(before, task.values[before], color=OBSERVED, linewidth=1, label="observed")
        axes.plot(came, task.values[came], color=TRUTH, zorder=1.5, label="how it went on", **WIDE)
        axes.plot(after, ours.forecasts[:, -1], color=FORECAST, linewidth=1.2, label="forecast")
        shaded = {"color": FORECAST, "alpha": PALE, "linewidth": 0}
        band = f"{BAND:.0%} band"
        axes.fill_between(after, ours.low[:, -1], ours.high[:, -1], **shaded, label=band)
        axes.axvline(first, color=GUIDE, linewidth=0.8, linestyle=":")
        axes.set_title(f"{name}: {what[name]}", fontsize="small", loc="left")
        axes.set_xlim(begin, first + horizon - 1)
        axes.tick_params(labelsize="small")
    for axes in panels[-2:]:
        axes.set_xlabel("step", fontsize="small")
    legend_below(figure)
    save_figure(figure, IMAGES / "recordings.png")
