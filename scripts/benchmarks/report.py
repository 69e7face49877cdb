"""What is told of the figures: lines of progress, tables, and what is published."""

from pathlib import Path

from ..pages import fill_in, listed, markdown, write_json
from .picture import plot_cost


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
        line += f" ({result['ratio_to_pytorch']:.2f} times faster than PyTorch"
        if result["fastest_other"] != result["baseline"]:
            line += f", {result['ratio_to_fastest']:.2f} times than {result['fastest_other']}"
        line += ")"
    return line


def publish(root: Path, figures: dict) -> None:
    """Write benchmarks.json, the tables in benchmarks.md, and the picture."""
    docs = root / "docs"
    write_json(docs / "benchmarks.json", figures)
    fill_in(docs / "benchmarks.md", {"speed": summary(figures), **tables(figures)})
    plot_cost(docs / "images" / "benchmark-cost.png", figures)


def summary(figures: dict) -> str:
    """Return the short table: how many times faster than PyTorch, and than the fastest other."""
    results = [
        (f"training iteration, window {window}", result)
        for window, result in figures["training_iteration"].items()
    ]
    results += [
        (f"rollout of {r['batch_size']} series, {r['steps']} steps", r)
        for r in figures["rollout"]
        if r["steps"] == 1500
    ]
    results.append(("one streaming step, from Python", figures["streaming_step"]))
    rows = [
        [what, _digits(r["ratio_to_pytorch"]), _digits(r["ratio_to_fastest"]), r["fastest_other"]]
        for what, r in results
        if r["ratio_to_pytorch"]
    ]
    header = ["times faster than PyTorch", "than the fastest other", "which is"]
    return markdown(["", *header], rows)


def tables(figures: dict) -> dict[str, str]:
    """Return the tables of docs/benchmarks.md by name, in Markdown."""
    streaming = figures["streaming_step"]
    beside = ["side", "time", "times faster than PyTorch", "time / ours"]
    training = [
        [window, *row]
        for window, result in figures["training_iteration"].items()
        for row in _beside(result)
    ]
    sizes = [[*r["sizes"], *row] for r in figures["sizes"] for row in _beside(r)]
    rollout = [
        [r["batch_size"], r["steps"], *row] for r in figures["rollout"] for row in _beside(r)
    ]
    compilation = figures["compilation"]["seconds"]
    return {
        "machine": _machine(figures),
        "bars": _bars(figures["bars"]),
        "training": markdown(["window", *beside], training),
        "parts": _parts(figures),
        "sizes": markdown(["window", "units", "batch", *beside], sizes),
        "curriculum": _curriculum(figures),
        "rollout": markdown(["batch", "steps", *beside], rollout),
        "streaming": markdown(beside, _beside(streaming)),
        "replicates": _replicates(figures["replicates"]["seconds"]),
        "start": _start(figures),
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
        beside = figures["beside_training"].get(kind)
        cells = [beside and f"{beside:.1f}", ratio and f"{ratio:.2f}"]
        rows.append([names[kind], f"{run['seconds'][kind]:.1f}", *(cell or "" for cell in cells)])
    header = ["", "seconds", "of them beside iterations", "times faster than PyTorch"]
    return markdown(header, rows)


def _replicates(by_count: dict) -> str:
    rows = [
        [count, *(f"{1 / times['median']:.0f}" for times in seconds.values())]
        for count, seconds in by_count.items()
    ]
    header = (f"{side}: replicates x iterations / s" for side in next(iter(by_count.values())))
    return markdown(["replicates", *header], rows)


def _start(figures: dict) -> str:
    first = dict(figures["first_line"]["seconds"])
    first[figures["ours"]] = first.pop("ours")
    rows = []
    for side, start in figures["start_up"].items():
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


def _beside(result: dict) -> list[list[str]]:
    """Return a row per side: its time, and the ratios to PyTorch's and to ours."""
    fastest = f"{result['fastest_other']}, the fastest other"
    rows = []
    for side, times in result["seconds"].items():
        measured = result.get("steps_measured", {}).get(side)
        begun = measured is not None and measured < result["steps"]
        ratios = (result[kind].get(side) for kind in ("ratios_to_pytorch", "ratios_to_ours"))
        name = fastest if side == result["fastest_other"] else side
        time = _time(times, f", on {measured} steps" if begun else "")
        rows.append([name, time, *(_ratio(ratio) if ratio else "" for ratio in ratios)])
    return rows
