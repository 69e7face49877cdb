"""What is told of the figures: lines of progress, the bars, and what is published."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from sinlstm_jax.plots import save_figure

from ..pages import fill_in, listed, markdown, write_json

FLAT = 1.1  # times: what does not grow
SAME = 1.25  # times: compilations, of which there are few repeats
STYLES = {  # colour, marker, line
    "fused": ("tab:red", "o", "-"),
    "scan": ("tab:blue", "s", "--"),
    "PyTorch": ("0.35", "^", "-."),
    "nnx.RNN": ("tab:green", "D", ":"),
}


def duration(seconds: float) -> str:
    """Return seconds with three digits, in the unit that suits."""
    unit, scale = _unit(seconds)
    return f"{_digits(seconds / scale)} {unit}"


def _unit(seconds: float) -> tuple[str, float]:
    return next((unit for unit in (("s", 1.0), ("ms", 1e-3)) if seconds >= unit[1]), ("µs", 1e-6))


def _digits(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def progress_line(what: str, result: dict) -> str:
    """Return a line on what was just measured."""
    line = f"{what}: " + ", ".join(
        f"{name} {duration(times['median'])}" for name, times in result["seconds"].items()
    )
    if result.get("ratio_to_pytorch"):
        line += f" ({result['ratio_to_pytorch']:.2f} times faster than PyTorch)"
    return line


def judge(figures: dict) -> list[dict]:
    """Return every bar: what, the wanted figure, whether more is better, the measured figure.

    What was not measured is null, and so is whether its bar is reached.
    """
    faster = "times faster than PyTorch"
    rows = []

    def bar(what: str, wanted: float, measured: float | None, at_least: bool = False) -> None:
        reached = None
        if measured is not None:
            reached = measured >= wanted if at_least else measured <= wanted
        row = {"bar": what, "wanted": wanted, "at_least": at_least}
        rows.append(row | {"measured": measured, "reached": reached})

    for window, result in figures["training_iteration"].items():
        what, wanted = f"training iteration, window {window}", 6 if int(window) <= 300 else 5.5
        bar(f"{what}: {faster}", wanted, result["ratio_to_pytorch"], True)
        bar(f"{what}: over layer, data and Adam alone", 1.3, result["ratio_to_parts"]["median"])
    ratios = figures.get("whole_curriculum", {}).get("ratios_to_pytorch", {})
    for caches, times, seconds in (("cold", 5, 10), ("warm", 6, 4)):
        what = f"whole curriculum, {caches} caches"
        bar(f"{what}: {faster}", times, ratios.get(caches), True)
        beside = figures["beside_training"].get(caches)
        bar(f"{what}: seconds beside iterations", seconds, beside)
    rollouts = {(r["batch_size"], r["steps"]): r for r in figures["rollout"]}
    one = rollouts[1, 1500]["ratio_to_pytorch"]
    bar(f"rollout of one series, 1500 steps: {faster}", 250, one, True)
    short, long = (rollouts[1, n]["seconds"][figures["ours"]] for n in (1000, 1_000_000))
    what = "rollout of one series: a step of 1,000,000 over a step of 1000"
    bar(what, FLAT, long["median"] / short["median"])
    to_scan = rollouts[1024, 1500].get("ratio_to_scan", {}).get("median")
    bar("rollout of 1024 series: times faster than the scan", 5, to_scan, True)
    bar(f"streaming step: {faster}", 2.5, figures["streaming_step"]["ratio_to_pytorch"], True)
    to_shortest = figures["compilation"]["longest_to_shortest"]["median"]
    bar("compilation: the longest window's over the shortest's", SAME, to_shortest)
    return rows


def publish(root: Path, figures: dict) -> None:
    """Write benchmarks.json, the tables in benchmarks.md and the README, and the picture."""
    docs = root / "docs"
    write_json(docs / "benchmarks.json", figures)
    fill_in(docs / "benchmarks.md", tables(figures))
    fill_in(root / "README.md", {"speed": summary(figures)})
    plot_cost(docs / "images" / "benchmark-cost.png", figures)


def summary(figures: dict) -> str:
    """Return the README's table: how many times faster than PyTorch."""
    rows = [
        [f"training iteration, window {window}", result["ratio_to_pytorch"]]
        for window, result in figures["training_iteration"].items()
    ]
    rows += [
        [f"rollout of {r['batch_size']} series, {r['steps']} steps", r["ratio_to_pytorch"]]
        for r in figures["rollout"]
        if r["steps"] == 1500
    ]
    rows.append(["one streaming step, from Python", figures["streaming_step"]["ratio_to_pytorch"]])
    header = ["", "times faster than PyTorch"]
    return markdown(header, [[what, _digits(ratio)] for what, ratio in rows if ratio])


def tables(figures: dict) -> dict[str, str]:
    """Return the tables of docs/benchmarks.md by name, in Markdown."""
    streaming = figures["streaming_step"]
    sides = list(streaming["seconds"])
    beside = sides + [f"PyTorch / {side}" for side in streaming["ratios_to_pytorch"]]
    windows = figures["training_iteration"].items()
    training = [[window, *_beside(result)] for window, result in windows]
    rollout = [[r["batch_size"], r["steps"], *_beside(r)] for r in figures["rollout"]]
    compilation = figures["compilation"]["seconds"]
    return {
        "machine": _machine(figures),
        "bars": _bars(figures["bars"]),
        "training": markdown(["window", *beside], training),
        "parts": _parts(figures),
        "curriculum": _curriculum(figures),
        "rollout": markdown(["batch", "steps", *beside], rollout),
        "streaming": markdown(beside, [_beside(streaming)]),
        "replicates": _replicates(figures["replicates"]["seconds"]),
        "start": _start(figures, sides),
        "compilation": markdown(
            ["window", *compilation], [["compilation", *map(_time, compilation.values())]]
        ),
    }


def _machine(figures: dict) -> str:
    machine = figures["machine"]
    cores = f"{machine['cores']} core" + "s" * (machine["cores"] > 1)
    lines = [
        f"Measured on {machine['cpu']}, {cores} {'used, pinned' if machine['pinned'] else 'used'}"
        f" ({machine['cores_there']} there), computing on {machine['device']}, "
        f"with {listed(figures['versions'])}."
    ]
    lines += [f"Left out: {name} ({reason})." for name, reason in figures["missing"].items()]
    return "\n".join(lines)


def _bars(rows: list[dict]) -> str:
    table = []
    for row in rows:
        wanted = f"{'at least' if row['at_least'] else 'at most'} {row['wanted']:g}"
        measured, verdict = "", "not measured"
        if row["measured"] is not None:
            measured, verdict = _digits(row["measured"]), "reached"
            if not row["reached"]:
                verdict = f"missed by {abs(row['measured'] / row['wanted'] - 1):.1%}"
        table.append([row["bar"], wanted, measured, verdict])
    return markdown(["bar", "wanted", "measured", ""], table)


def _parts(figures: dict) -> str:
    rows = []
    for window, result in figures["training_iteration"].items():
        iteration = result["seconds"][figures["ours"]]
        times = [*result["parts"].values(), result["parts_together"], iteration]
        rows.append([window, *map(_time, times), _ratio(result["ratio_to_parts"])])
    header = ["window", *result["parts"], "together", "iteration", "iteration / together"]
    return markdown(header, rows)


def _curriculum(figures: dict) -> str:
    rows = [
        [f"{side}, iterations alone, extrapolated", f"{seconds:.1f}", "", ""]
        for side, seconds in figures["extrapolated_curriculum"].items()
    ]
    names = {"PyTorch": "PyTorch, run", "cold": "ours, run, cold caches"}
    names["warm"] = "ours, run, warm caches"
    run = figures.get("whole_curriculum", {"seconds": {}})
    for kind in (kind for kind in names if kind in run["seconds"]):
        ratio = run["ratios_to_pytorch"].get(kind)
        seconds = [run["seconds"][kind], figures["beside_training"][kind]]
        cells = [f"{value:.1f}" for value in seconds] + [f"{ratio:.2f}" if ratio else ""]
        rows.append([names[kind], *cells])
    header = ["", "seconds", "of them beside iterations", "times faster than PyTorch"]
    return markdown(header, rows)


def _replicates(by_count: dict) -> str:
    rows = [
        [count, *(f"{1 / times['median']:.0f}" for times in seconds.values())]
        for count, seconds in by_count.items()
    ]
    header = (f"{side}: replicates x iterations / s" for side in next(iter(by_count.values())))
    return markdown(["replicates", *header], rows)


def _start(figures: dict, sides: list[str]) -> str:
    first = dict(figures["first_line"]["seconds"])
    first[figures["ours"]] = first.pop("ours")
    rows = []
    for side in sides:
        start = figures["start_up"][side]
        times = [start["import"], start["first_iteration"], first.get(side)]
        memory = f"{start['peak_bytes']['median'] / 1e6:.0f} MB"
        rows.append([side, *(_time(each) if each else "" for each in times), memory])
    header = ["", "import", "first iteration", "to the first line of progress", "peak memory"]
    return markdown(header, rows)


def _time(times: dict, note: str = "") -> str:
    if times["lowest"] == times["highest"] and not note:  # of one repeat
        return duration(times["median"])
    scale = _unit(times["median"])[1]
    lowest, highest = (_digits(times[end] / scale) for end in ("lowest", "highest"))
    return f"{duration(times['median'])} ({lowest} to {highest}{note})"


def _ratio(ratio: dict) -> str:
    return "{} ({} to {})".format(*(_digits(ratio[x]) for x in ("median", "lowest", "highest")))


def _beside(result: dict) -> list[str]:
    """Return all sides' times, then their ratios to PyTorch's."""
    cells = []
    for side, times in result["seconds"].items():
        measured = result.get("steps_measured", {}).get(side)
        begun = measured is not None and measured < result["steps"]
        cells.append(_time(times, f", on {measured} steps" if begun else ""))
    return cells + [_ratio(ratio) for ratio in result["ratios_to_pytorch"].values()]


def plot_cost(path: Path, figures: dict) -> None:
    """Draw the cost of a training iteration against its sizes."""
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    replicates = figures["replicates"]["seconds"]
    panels = {
        "window (steps)": figures["cost"]["window"],
        "hidden size (units)": figures["cost"]["hidden_size"],
        "batch (series)": figures["cost"]["batch_size"],
        "replicates at once": replicates,
    }
    for axes, (label, by_size) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        sizes = [int(size) for size in by_size]
        for side in next(iter(by_size.values())):
            colour, marker, line = STYLES[side]
            times = [seconds[side].values() for seconds in by_size.values()]
            middle, low, high = np.transpose([[*each] for each in times]) * 1e3
            axes.plot(sizes, middle, line, marker=marker, color=colour, label=side)
            axes.fill_between(sizes, low, high, color=colour, alpha=0.15)
        axes.set(xscale="log", yscale="log", xlabel=label)
        axes.set_xticks(sizes, map(str, sizes))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        per = " and replicate" if by_size is replicates else ""
        axes.set_ylabel(f"time per iteration{per} (ms)")
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, path)
