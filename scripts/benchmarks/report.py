"""What is told of the measurements in words: lines of progress, and the tables."""

from ..publish.results import markdown
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
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    cores = f"{machine['cores']} core" + "s" * (machine["cores"] > 1)
    lines = [
        f"Measured on {machine['cpu']}, {cores} {'used, pinned' if machine['pinned'] else 'used'}"
        f" ({machine['cores_there']} there), computing on {machine['device']}, with {versions}."
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
    rows = [
        [
            window,
            *(_time(result["seconds"][side]) for side in sides),
            *(_ratios(result, sides)),
        ]
        for window, result in figures["training_iteration"].items()
    ]
    return markdown(["window", *sides, *_ratio_header(sides)], rows)


def _parts(figures: dict) -> str:
    names = ["layer", "data", "Adam"]
    rows = [
        [
            window,
            *(_time(result["parts"][name]) for name in names),
            _time(result["parts_together"]),
            _time(result["seconds"][figures["ours"]]),
            _ratio(result["ratio_to_parts"]),
        ]
        for window, result in figures["training_iteration"].items()
    ]
    return markdown(["window", *names, "together", "iteration", "iteration / together"], rows)


def _curriculum(figures: dict, sides: list[str]) -> str:
    extrapolated = figures["extrapolated_curriculum"]
    rows = [
        [f"{side}, iterations alone, extrapolated", f"{extrapolated[side]:.1f}", "", ""]
        for side in sides
    ]
    run = figures.get("whole_curriculum", {"seconds": {}})
    for kind, name in (
        ("PyTorch", "PyTorch, run"),
        ("cold", "ours, run, cold caches"),
        ("warm", "ours, run, warm caches"),
    ):
        if kind in run["seconds"]:
            ratio = run["ratios_to_pytorch"].get(kind)
            beside = figures["beside_training"][kind]
            rows.append(
                [
                    name,
                    f"{run['seconds'][kind]:.1f}",
                    f"{beside:.1f}",
                    f"{ratio:.2f}" if ratio else "",
                ]
            )
    header = ["", "seconds", "of them beside iterations", "times faster than PyTorch"]
    return markdown(header, rows)


def _rollout(figures: dict, sides: list[str]) -> str:
    rows = []
    for result in figures["rollout"]:
        steps, cells = result["steps"], []
        for side in sides:
            measured = result["steps_measured"][side]
            note = f", on {measured} steps" if measured < steps else ""
            cells.append(_time(result["seconds"][side], note))
        rows.append([str(result["batch_size"]), str(steps), *cells, *_ratios(result, sides)])
    return markdown(["batch", "steps", *sides, *_ratio_header(sides)], rows)


def _streaming(figures: dict, sides: list[str]) -> str:
    result = figures["streaming_step"]
    cells = [_time(result["seconds"][side]) for side in sides]
    return markdown([*sides, *_ratio_header(sides)], [[*cells, *_ratios(result, sides)]])


def _replicates(figures: dict) -> str:
    by_count = figures["replicates"]["seconds"]
    sides = list(next(iter(by_count.values())))
    rows = [
        [count, *(f"{1 / seconds[side].median:.0f}" for side in sides)]
        for count, seconds in by_count.items()
    ]
    return markdown(
        ["replicates", *(f"{side}: replicates x iterations / s" for side in sides)], rows
    )


def _start(figures: dict, sides: list[str]) -> str:
    rows = []
    for side in sides:
        start = figures["start_up"][side]
        line = "PyTorch" if side == "PyTorch" else "ours" if side == figures["ours"] else None
        first = figures["first_line"]["seconds"].get(line)
        rows.append(
            [
                side,
                _time(start["import"]),
                _time(start["first_iteration"]),
                _time(first) if first else "",
                f"{start['peak_bytes'].median / 1e6:.0f} MB",
            ]
        )
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


def _ratio_header(sides: list[str]) -> list[str]:
    if "PyTorch" not in sides:
        return []
    return [f"PyTorch / {side}" for side in sides if side != "PyTorch"]


def _ratios(result: dict, sides: list[str]) -> list[str]:
    ratios = result["ratios_to_pytorch"]
    return [_ratio(ratios[side]) for side in sides if side in ratios]
