"""What is told of the measurements in words: lines of progress, and the tables."""

from ..pages import listed, markdown
from .timing import Spread


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
        f"{name} {duration(times.median)}" for name, times in result["seconds"].items()
    )
    if result.get("ratio_to_pytorch"):
        line += f" ({result['ratio_to_pytorch']:.2f} times faster than PyTorch)"
    return line


def tables(figures: dict) -> dict[str, str]:
    """Return the tables of docs/benchmarks.md by name, in Markdown."""
    sides = list(figures["streaming_step"]["seconds"])
    return {
        "machine": _machine(figures),
        "bars": _bars(figures["bars"]),
        "training": _training(figures, sides),
        "parts": _parts(figures),
        "curriculum": _curriculum(figures, sides),
        "rollout": _rollout(figures, sides),
        "streaming": _streaming(figures, sides),
        "replicates": _replicates(figures),
        "start": _start(figures, sides),
        "compilation": _compilation(figures),
    }


def summary(figures: dict) -> str:
    """Return the README's table: how many times faster than PyTorch."""
    rows = [
        [f"training iteration, window {window}", result["ratio_to_pytorch"]]
        for window, result in figures["training_iteration"].items()
    ]
    rows += [
        [f"rollout of {r['batch_size']} series, {r['steps']} steps", r["ratio_to_pytorch"]]
        for r in figures["rollout"]
        if r["steps"] == 1500 and r.get("ratio_to_pytorch")
    ]
    rows.append(["one streaming step, from Python", figures["streaming_step"]["ratio_to_pytorch"]])
    header = ["", "times faster than PyTorch"]
    return markdown(header, [[what, _digits(ratio)] for what, ratio in rows if ratio])


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


def _training(figures: dict, sides: list[str]) -> str:
    windows = figures["training_iteration"].items()
    rows = [[window, *_beside(result, sides)] for window, result in windows]
    return markdown(["window", *_header(sides)], rows)


def _parts(figures: dict) -> str:
    names = ["layer", "data", "Adam"]
    rows = []
    for window, result in figures["training_iteration"].items():
        times = [*(result["parts"][name] for name in names), result["parts_together"]]
        times.append(result["seconds"][figures["ours"]])
        rows.append([window, *map(_time, times), _ratio(result["ratio_to_parts"])])
    return markdown(["window", *names, "together", "iteration", "iteration / together"], rows)


def _curriculum(figures: dict, sides: list[str]) -> str:
    extrapolated = figures["extrapolated_curriculum"]
    rows = [
        [f"{side}, iterations alone, extrapolated", f"{extrapolated[side]:.1f}", "", ""]
        for side in sides
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


def _rollout(figures: dict, sides: list[str]) -> str:
    rows = [[r["batch_size"], r["steps"], *_beside(r, sides)] for r in figures["rollout"]]
    return markdown(["batch", "steps", *_header(sides)], rows)


def _streaming(figures: dict, sides: list[str]) -> str:
    return markdown(_header(sides), [_beside(figures["streaming_step"], sides)])


def _replicates(figures: dict) -> str:
    by_count = figures["replicates"]["seconds"]
    sides = list(next(iter(by_count.values())))
    rows = [
        [count, *(f"{1 / seconds[side].median:.0f}" for side in sides)]
        for count, seconds in by_count.items()
    ]
    header = (f"{side}: replicates x iterations / s" for side in sides)
    return markdown(["replicates", *header], rows)


def _start(figures: dict, sides: list[str]) -> str:
    rows = []
    for side in sides:
        start = figures["start_up"][side]
        line = "PyTorch" if side == "PyTorch" else "ours" if side == figures["ours"] else None
        first = figures["first_line"]["seconds"].get(line)
        times = [_time(start[what]) for what in ("import", "first_iteration")]
        times.append(_time(first) if first else "")
        rows.append([side, *times, f"{start['peak_bytes'].median / 1e6:.0f} MB"])
    header = ["", "import", "first iteration", "to the first line of progress", "peak memory"]
    return markdown(header, rows)


def _compilation(figures: dict) -> str:
    seconds = figures["compilation"]["seconds"]
    return markdown(["window", *seconds], [["compilation", *map(_time, seconds.values())]])


def _time(times: Spread, note: str = "") -> str:
    if times.lowest == times.highest and not note:  # of one repeat
        return duration(times.median)
    scale = _unit(times.median)[1]
    lowest, highest = (_digits(value / scale) for value in (times.lowest, times.highest))
    return f"{duration(times.median)} ({lowest} to {highest}{note})"


def _ratio(ratio: Spread) -> str:
    return "{} ({} to {})".format(*map(_digits, (ratio.median, ratio.lowest, ratio.highest)))


def _header(sides: list[str]) -> list[str]:
    others = [side for side in sides if side != "PyTorch"]
    return [*sides, *(f"PyTorch / {side}" for side in others if "PyTorch" in sides)]


def _beside(result: dict, sides: list[str]) -> list[str]:
    """Return all sides' times, then their ratios to PyTorch's: the cells below `_header`."""
    notes = dict.fromkeys(sides, "")
    for side, measured in result.get("steps_measured", {}).items():
        notes[side] = f", on {measured} steps" if measured < result["steps"] else ""
    times = [_time(result["seconds"][side], notes[side]) for side in sides]
    ratios = result["ratios_to_pytorch"]
    return times + [_ratio(ratios[side]) for side in sides if side in ratios]
