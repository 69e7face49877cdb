"""What scripts/study.py publishes: docs/study.json, and tables and pictures made of it alone."""

import csv
import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sinlstm_jax.files import replacing
from sinlstm_jax.plots import save_figure

from ..publish.results import replace_between

RECIPES = ("short-window", "long-window", "curriculum", "tuned", "fast")
INTERVALS = ("0 to 400", "400 to 900", "900 to 1500", "1500 to 5000")
LONGER = "tuned, longer"  # four times as long, to horizon 5000, and the input bias trained
FOLLOWS = 0.05  # mean squared error below which a forecast is said to follow its wave
BEST_OF_THE_ORIGINAL = 0.047  # on the horizon-400 stage: the best of seven runs
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", "-")


def publish(root: Path, results: dict[str, dict]) -> None:
    """Write everything; `results` is, by variant, what scripts/study.py joined."""
    study = {name: _condensed(result) for name, result in results.items()}
    with replacing(root / "docs" / "study.json") as temporary:
        temporary.write_text(json.dumps(study) + "\n")
    study = json.loads((root / "docs" / "study.json").read_text())
    page, images = root / "docs" / "results.md", root / "docs" / "images"
    recipes = [name for name in RECIPES if name in study]
    replace_between(page, "study", table(study, recipes))
    replace_between(page, "bars", bars(study))
    replace_between(root / "README.md", "bars", bars(study))
    replace_between(root / "README.md", "summary", summary(study, original(root)))
    plot_losses(images / "study-losses.png", study)
    plot_seeds(images / "study-errors.png", study, recipes, INTERVALS)
    if budgets := by_budget(study):
        replace_between(page, "budgets", budget_table(budgets))
        plot_budgets(images / "study-budgets.png", budgets, study.get("curriculum"))
    if LONGER in study:
        replace_between(page, "longer", longer_table(study))
    if ablations := beside_bases(study):
        replace_between(page, "ablations", table(ablations, ablations))
        plot_seeds(images / "study-ablations.png", ablations, list(ablations), INTERVALS[:2])


def _condensed(result: dict) -> dict:
    """Return a result with four digits, and of the curve only what is drawn."""
    curve = np.array(result["curve"], float)
    quantiles = np.nanquantile(curve, [0.1, 0.5, 0.9], axis=0)
    return {**result, **_rounded({k: result[k] for k in ("average_loss", "errors")})} | {
        "curve": _rounded(quantiles.tolist())
    }


def _rounded(tree):
    if isinstance(tree, dict):
        return {name: _rounded(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_rounded(value) for value in tree]
    return float(f"{tree:.4g}") if np.isfinite(tree) else None


def beside_bases(study: dict) -> dict:
    """Return the ablations, before each group the recipe that was changed, over the same seeds."""
    found = {}
    for name in (name for name in study if ", " in name and name != LONGER):
        base = name.split(", ")[0]
        if base not in found:
            rows = [study[base]["seeds"].index(seed) for seed in study[name]["seeds"]]
            same = {
                k: [study[base][k][i] for i in rows] for k in ("seeds", "errors", "average_loss")
            }
            found[base] = study[base] | same
        found[name] = study[name]
    return found


def by_budget(study: dict) -> dict:
    """Return `fast` and its shortened forms, shortest first; none where it was not shortened."""
    names = [name for name in study if name.startswith("fast x ")]
    names += ["fast"] * ("fast" in study and bool(names))
    return {name: study[name] for name in sorted(names, key=lambda name: _steps(study[name]))}


def _steps(result: dict) -> int:
    return result["iteration_steps"]


def budget_table(budgets: dict) -> str:
    """Lay out what `fast` reaches at horizon 400 with fewer iterations."""
    head = ["", "steps, millions", "median loss", "worst", f"at most {BEST_OF_THE_ORIGINAL}"]
    rows = [head, ["---"] * len(head)]
    for name, result in budgets.items():
        losses = _last_losses(result)
        rows.append([
            name,
            f"{_steps(result) / 1e6:.2f}",
            f"{np.median(losses):.2g}",
            f"{losses.max():.2g}",
            rate(losses <= BEST_OF_THE_ORIGINAL),
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def longer_table(study: dict) -> str:
    """Lay out every seed of what was trained longest, up to 10,000 forecast steps."""
    result = study[LONGER]
    rows = [["seed", "loss at horizon 400", *INTERVALS, "5000 to 10000", "follows all the way"]]
    rows.append(["---"] * len(rows[0]))
    column = result["horizons"].index(400)
    losses, errors = _array(result["average_loss"])[:, column], _array(result["errors"])
    for seed, loss, row in zip(result["seeds"], losses, errors, strict=True):
        follows = "yes" if (row < FOLLOWS).all() else "no"
        rows.append([str(seed), f"{loss:.2g}", *(f"{error:.2g}" for error in row), follows])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _last_losses(result: dict) -> np.ndarray:
    return _array(result["average_loss"])[:, -1]


def table(study: dict, names) -> str:
    """Lay out variants: what they cost, how they end, and how many of their seeds follow."""
    head = ["", "steps, millions", "loss of the last stage", *INTERVALS]
    head += ["follow for 400 steps", "follow to 1500"]
    rows = [head, ["---"] * len(head)]
    for name in names:
        result = study[name]
        errors = _array(result["errors"])
        losses = _last_losses(result)
        rows.append([
            name,
            f"{_steps(result) / 1e6:.1f}",
            _spread(losses),
            *(_spread(column) for column in errors.T),
            rate(errors[:, 0] < FOLLOWS),
            rate((errors[:, :3] < FOLLOWS).all(axis=1)),
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def original(root: Path) -> np.ndarray:
    """Return the rollout errors of the original's runs, of their last stage: [seed, interval]."""
    with (root / "docs" / "torch_runs.csv").open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    columns = [f"mse_{interval.replace(' to ', '_')}" for interval in INTERVALS[:3]]
    return np.array([[row[c] for c in columns] for row in rows if row["stage"] == "3"], float)


def summary(study: dict, original: np.ndarray) -> str:
    """Lay out the original beside its port and the better recipes, in few lines."""
    names = [name for name in ("curriculum", "tuned", "fast") if name in study]
    sides = [original, *(_array(study[name]["errors"]) for name in names)]
    million = [f"{study[name]['iteration_steps'] / 1e6:.1f}" for name in names]
    rows = [
        ["", "PyTorch original", *(f"`{name}`" for name in names)],
        ["---"] * (len(names) + 2),
        ["seeds", *(str(len(errors)) for errors in sides)],
        ["time steps trained on, millions", "15.1", *million],
    ]
    for number, interval in enumerate(INTERVALS[:3]):
        errors = [f"{np.median(errors[:, number]):.2g}" for errors in sides]
        rows.append([f"median error, forecast steps {interval}", *errors])
    follow = [int((errors[:, :3] < FOLLOWS).all(axis=1).sum()) for errors in sides]
    rows.append(["seeds that follow the wave to step 1500", *map(str, follow)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def bars(study: dict) -> str:
    """Lay out what was wanted of the recipes `tuned` and `fast`, and what came."""
    wanted = []
    if tuned := study.get("tuned"):
        errors, seeds = _array(tuned["errors"]), len(tuned["seeds"])
        wanted += [
            ("tuned", "iteration-steps, millions", tuned["iteration_steps"] / 1e6, 15.1),
            ("tuned", f"worst of {seeds} seeds, steps 400 to 900", errors[:, 1].max(), 0.01),
            ("tuned", f"worst of {seeds} seeds, steps 900 to 1500", errors[:, 2].max(), 0.02),
            ("tuned", "median, steps 900 to 1500", np.median(errors[:, 2]), 0.001),
            ("tuned", "median, steps 1500 to 5000", np.median(errors[:, 3]), 0.05),
        ]
    if fast := study.get("fast"):
        loss = _array(fast["average_loss"])[:, fast["horizons"].index(400)]
        worst = f"worst of {len(loss)} seeds, loss of the horizon-400 stage"
        wanted += [
            ("fast", "iteration-steps, millions", fast["iteration_steps"] / 1e6, 15.1 / 5),
            ("fast", worst, loss.max(), 0.02),
        ]
    rows = ["| recipe | figure | wanted at most | came out | |", "| --- | --- | --- | --- | --- |"]
    for recipe, figure, value, limit in wanted:
        met = "met" if value <= limit else "**missed**"
        rows.append(f"| `{recipe}` | {figure} | {limit:.3g} | {value:.3g} | {met} |")
    return "\n".join(rows)


def rate(successes: np.ndarray) -> str:
    """Return a success rate with its 95 % confidence interval (Wilson's)."""
    number, count, z = int(successes.sum()), len(successes), 1.96
    share = number / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    low, high = max(0, middle - half), min(1, middle + half)
    return f"{number} of {count} ({low:.0%} to {high:.0%})"


def _spread(values: np.ndarray) -> str:
    """Return median and worst; a seed that failed counts as the worst there is."""
    return f"{np.median(values):.2g}, worst {values.max():.2g}"


def _array(rows) -> np.ndarray:
    """Return figures as an array; what was not finite as infinity."""
    values = np.array(rows, float)
    return np.where(np.isnan(values), np.inf, values)


def plot_losses(path: Path, study: dict) -> None:
    """Draw the recipes' loss bands, against iterations and against the LSTM's steps."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, unit, label in zip(
        panels, ("iterations", "steps"), ("iterations", "time steps of the LSTM"), strict=True
    ):
        for number, (name, line) in enumerate(zip(RECIPES, LINES, strict=True)):
            if name not in study:
                continue
            low, middle, high = np.array(study[name]["curve"], float)
            x, color = np.array(study[name][unit]), f"C{number}"
            axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
            style = {"linestyle": line, "marker": MARKERS[number], "markevery": 0.08}
            axes.plot(x, middle, color=color, linewidth=1.6, markersize=4, label=name, **style)
        axes.set(xlabel=label, yscale="log")
        axes.set_xscale("log")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("loss (mean squared error over the window)")
    panels[0].legend()
    figure.suptitle("Median and 10 to 90 % of the seeds; every stage starts at a longer horizon")
    save_figure(figure, path)


def plot_budgets(path: Path, budgets: dict, curriculum: dict | None) -> None:
    """Draw each seed's loss at horizon 400 over the steps trained, beside `curriculum`'s."""
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    axes = figure.subplots()
    sides = [("fast, shortened", "o", list(budgets.values()))]
    if curriculum is not None:
        sides.append(("curriculum", "s", [curriculum]))
    for number, (label, marker, results) in enumerate(sides):
        for result in results:
            losses = np.minimum(_last_losses(result), 10)  # what failed stands at the edge
            spread = np.linspace(-0.02, 0.02, losses.size)
            steps = _steps(result) * (1 + spread)
            axes.plot(steps, losses, marker, color=f"C{number}", markersize=3.5, alpha=0.6)
            width = _steps(result) * np.array([0.96, 1.04])
            axes.plot(width, [np.median(losses)] * 2, "k-", linewidth=2)
        axes.plot([], [], marker, color=f"C{number}", label=label)
    axes.plot([], [], "k-", linewidth=2, label="median")
    axes.axhline(BEST_OF_THE_ORIGINAL, color="0.4", linestyle="--", label="best of the original")
    axes.set(xscale="log", yscale="log", xlabel="time steps of the LSTM, all stages")
    axes.set_ylabel("average loss at horizon 400")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    axes.set_title("How little training suffices: one mark per seed")
    save_figure(figure, path)


def plot_seeds(path: Path, study: dict, names, intervals) -> None:
    """Draw every seed's error, a row per variant and a panel per interval of forecast steps."""
    height = 1.2 + 0.42 * len(names)
    figure = Figure(figsize=(3.2 + 2.7 * len(intervals), height), layout="constrained")
    panels = figure.subplots(1, len(intervals), sharey=True, squeeze=False)[0]
    for number, (axes, interval) in enumerate(zip(panels, intervals, strict=True)):
        for row, name in enumerate(names):
            values = _array(study[name]["errors"])[:, number]
            values = np.minimum(values, 10)  # what failed stands at the edge
            jitter = (np.arange(values.size) / values.size - 0.5) * 0.6
            marker = MARKERS[row % len(MARKERS)]
            axes.plot(values, row + jitter, marker, color=f"C{row % 10}", markersize=3.5, alpha=0.7)
            axes.plot([np.median(values)] * 2, [row - 0.4, row + 0.4], "k-", linewidth=2)
        axes.axvline(0.5, color="0.5", linestyle=":")
        axes.set(xscale="log", title=f"steps {interval}", xlabel="mean squared error")
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    figure.suptitle("One mark per seed; bar: median; dotted: answering 0")
    save_figure(figure, path)
