"""What is published: docs/study.json, and tables and pictures made of it alone."""

import json

import numpy as np
from scipy.stats import binomtest

from ..pages import DOCS, IMAGES, ROOT, fill_in, markdown, torch_runs, write_json
from .bars import as_array, bars
from .noise_report import changes_table, plot_bands, sensor_tables, spoilt_table
from .pasts import references
from .pictures import plot_ablations, plot_budgets, plot_losses, plot_seeds

RECIPES = ("short-window", "long-window", "curriculum", "tuned", "fast")
DRAWN = RECIPES  # whose losses are drawn, by iterations; of the others they are weighed
OURS = ("noisy", "sensor", "long")  # recipes that may not have been trained yet
CURVES = ("iterations", "steps", "curve")
# What results hold for each seed.
PER_SEED = "seeds undone failed average_loss errors robustness by_past held curve".split()
INTERVALS = ("0 to 400", "400 to 900", "900 to 1500", "1500 to 5000")
LONG_INTERVALS = (*INTERVALS, "5000 to 10000")
SHORTER = "sensor x 0.25"  # a quarter of it: what single changes to it are compared with
LONGER = "tuned, longer"  # four times as long, to horizon 5000, and the input bias trained
TO_5000 = "long, to 5000"  # without its last stage, at 10,000 steps
FOLLOWS = 0.05  # mean squared error below which a forecast is said to follow its wave
BEST_OF_THE_ORIGINAL = 0.047  # on the horizon-400 stage: the best of seven runs


def publish(results: dict[str, dict], names: list[str]) -> None:
    """Write everything; `results` is, by variant, what study.py joined.

    Of the other variants in `names`, what docs/study.json has is kept, and so are other seeds of a
    recipe that did not change, unless its losses are drawn.
    """
    kept, study = read_study(), {}
    new = {name: _condensed(result, name in DRAWN) for name, result in results.items()}
    for name in names:
        parts = [part[name] for part in (kept, new) if name in part]
        others = [[part.get(what) for part in parts] for what in ("trained", "stages")]
        told = [pair for pair in others if None not in pair]  # older ones tell of stages alone
        if len(parts) == 2 and (name in DRAWN or any(kept != new for kept, new in told)):
            del parts[0]
        if parts:
            study[name] = joined(parts)
    write_json(DOCS / "study.json", study, indent=None)
    publish_pages(read_study())


def read_study() -> dict:
    """Return what docs/study.json has, by variant."""
    return json.loads((DOCS / "study.json").read_text())


def read_references() -> dict:
    """Return what docs/limits.json has, the limit and the fit; computed if it is not there."""
    path = DOCS / "limits.json"
    if not path.exists():
        write_json(path, references())
    return json.loads(path.read_text())


def joined(parts: list[dict]) -> dict:
    """Join groups of a variant's seeds: what there is for each seed is strung together.

    Of a seed that is in several of them, the first one's.
    """
    merged = dict(parts[0])
    if len(parts) == 1:
        return merged
    for name in set(PER_SEED) & set(merged):
        merged[name], seen = [], set()
        for part in parts:
            fresh = [row for row, seed in enumerate(part["seeds"]) if seed not in seen]
            merged[name] += [part[name][row] for row in fresh]
            seen.update(part["seeds"])
    return merged


def publish_pages(study: dict) -> None:
    """Write the tables and pictures."""
    budgets, ablations = by_budget(study), beside_bases(study)
    names = [*RECIPES, *(name for name in OURS if name in study)]
    limits = read_references() if "sensor" in study else None
    tables = {
        "study": table(study, names),
        "bars": bars(study, limits),
        "spoilt": spoilt_table(without(study, SHORTER, TO_5000)),
        "budgets": budget_table(budgets),
        "longer": longer_table(study[LONGER]),
        "long": long_table({name: study[name] for name in ("long", TO_5000) if name in study}),
        "ablations": table(ablations, ablations),
    }
    if limits is not None:
        tables["sensor"] = sensor_tables(study["sensor"], limits)
        changes = {name: study[name] for name in study if name.startswith(SHORTER)}
        tables["sensor-changes"] = changes_table(changes, limits)
        plot_bands(IMAGES / "study-bands.png", study["sensor"])
    fill_in(DOCS / "results.md", tables)
    fill_in(ROOT / "README.md", {"summary": summary(study, original())})
    plot_losses(IMAGES / "study-losses.png", {name: study[name] for name in RECIPES})
    plot_seeds(IMAGES / "study-errors.png", {name: study[name] for name in names}, INTERVALS)
    trained = {**budgets, "curriculum": study["curriculum"]}
    plot_budgets(IMAGES / "study-budgets.png", trained, BEST_OF_THE_ORIGINAL)
    plot_ablations(IMAGES / "study-ablations.png", ablations, INTERVALS[:2])


def _condensed(result: dict, drawn: bool) -> dict:
    """Return a result with four digits, and of the curve only what is drawn, if it is."""
    figures = {"average_loss", "errors", "robustness", "by_past", "held"} & set(result)
    condensed = result | {name: _rounded(result[name]) for name in figures}
    if drawn:
        curves = np.array(result["curve"], float)
        condensed["curve"] = _rounded(np.nanquantile(curves, [0.1, 0.5, 0.9], axis=0).tolist())
        return condensed
    return {name: value for name, value in condensed.items() if name not in CURVES}


def _rounded(tree):
    if isinstance(tree, list):
        return [_rounded(value) for value in tree]
    return float(f"{tree:.4g}") if np.isfinite(tree) else None


def beside_bases(study: dict) -> dict:
    """Return the ablations, before each group the recipe that was changed, over the same seeds."""
    found = {}
    apart = (LONGER, SHORTER)
    for name in (name for name in study if ", " in name and not name.startswith(apart)):
        base = study.get(name.split(", ")[0], {"seeds": []})
        if not set(study[name]["seeds"]) <= set(base["seeds"]):
            continue  # the base is not there yet, or was changed
        rows = [base["seeds"].index(seed) for seed in study[name]["seeds"]]
        same = {k: [base[k][i] for i in rows] for k in ("seeds", "errors", "average_loss")}
        found.setdefault(name.split(", ")[0], base | same)
        found[name] = study[name]
    return found


def without(study: dict, *beginnings: str) -> dict:
    """Return a study but for the variants whose names begin so."""
    return {name: result for name, result in study.items() if not name.startswith(beginnings)}


def by_budget(study: dict) -> dict:
    """Return `fast` and its shortened forms, shortest first."""
    names = [name for name in study if name == "fast" or name.startswith("fast x ")]
    return {name: study[name] for name in sorted(names, key=lambda name: _steps(study[name]))}


def budget_table(budgets: dict) -> str:
    """Lay out what `fast` reaches at horizon 400 with fewer iterations."""
    rows = []
    for name, result in budgets.items():
        losses = _last_losses(result)
        figures = [f"{np.median(losses):.2g}", f"{losses.max():.2g}"]
        reached = rate(losses <= BEST_OF_THE_ORIGINAL)
        rows.append([name, f"{_steps(result) / 1e6:.2f}", *figures, reached])
    best = f"at most {BEST_OF_THE_ORIGINAL}"
    return markdown(["", "steps, millions", "median loss", "worst", best], rows)


def longer_table(result: dict) -> str:
    """Lay out every seed of what was trained longest, up to 10,000 forecast steps."""
    losses = as_array(result["average_loss"])[:, result["horizons"].index(400)]
    rows = []
    for seed, loss, errors in zip(result["seeds"], losses, as_array(result["errors"]), strict=True):
        follows = "yes" if (errors < FOLLOWS).all() else "no"
        rows.append([seed, f"{loss:.2g}", *(f"{error:.2g}" for error in errors), follows])
    header = ["seed", "loss at horizon 400", *LONG_INTERVALS, "follows all the way"]
    return markdown(header, rows)


def long_table(study: dict) -> str:
    """Lay out what holds 10,000 steps, with and without the last stage, over all their seeds."""
    rows = []
    for name, result in study.items():
        errors, seeds = as_array(result["errors"]), result["seeds"]
        cells = [f"{seeds[0]} to {seeds[-1]}", f"{_steps(result) / 1e6:.1f}"]
        cells += map(_median_and_worst, errors.T)
        rows.append([name, *cells, rate((errors < FOLLOWS).all(axis=1))])
    header = ["", "seeds", "steps, millions", *LONG_INTERVALS, "follow all the way"]
    return markdown(header, rows)


def table(study: dict, names) -> str:
    """Lay out variants: what they cost, how they end, and how many of their seeds follow."""
    rows = []
    for name in names:
        errors = as_array(study[name]["errors"])
        weighed = "error floor" in study[name]["stages"][-1]  # not what others are measured by
        loss = "" if weighed else _median_and_worst(_last_losses(study[name]))
        cells = [f"{_steps(study[name]) / 1e6:.1f}", loss]
        cells += map(_median_and_worst, errors.T[: len(INTERVALS)])
        follow = [rate(errors[:, 0] < FOLLOWS), rate((errors[:, :3] < FOLLOWS).all(axis=1))]
        rows.append([name, *cells, *follow])
    header = ["", "steps, millions", "loss of the last stage", *INTERVALS]
    return markdown([*header, "follow for 400 steps", "follow to 1500"], rows)


def original() -> np.ndarray:
    """Return the rollout errors of the original's runs, of their last stage: [seed, interval]."""
    columns = [f"mse_{interval.replace(' to ', '_')}" for interval in INTERVALS[:3]]
    last = (row for row in torch_runs() if row["stage"] == "3")
    return np.array([[row[column] for column in columns] for row in last], float)


def summary(study: dict, original: np.ndarray) -> str:
    """Lay out the original beside its port and the better recipes, in few lines."""
    names = ("curriculum", "tuned", "fast")
    sides = [original, *(as_array(study[name]["errors"]) for name in names)]
    million = [f"{_steps(study[name]) / 1e6:.1f}" for name in names]
    rows = [["seeds", *map(len, sides)], ["time steps trained on, millions", "15.1", *million]]
    for number, interval in enumerate(INTERVALS[:3]):
        medians = [f"{np.median(errors[:, number]):.2g}" for errors in sides]
        rows.append([f"median error, forecast steps {interval}", *medians])
    follow = [(errors[:, :3] < FOLLOWS).all(axis=1).sum() for errors in sides]
    rows.append(["seeds that follow the wave to step 1500", *follow])
    return markdown(["", "PyTorch original", *(f"`{name}`" for name in names)], rows)


def rate(successes: np.ndarray) -> str:
    """Return a success rate with its 95 % confidence interval (Wilson's)."""
    number, count = int(successes.sum()), len(successes)
    low, high = binomtest(number, count).proportion_ci(method="wilson")
    return f"{number} of {count} ({low:.0%} to {high:.0%})"


def _median_and_worst(values: np.ndarray) -> str:
    """Return both; a seed that failed counts as the worst there is."""
    return f"{np.median(values):.2g}, worst {values.max():.2g}"


def _steps(result: dict) -> int:
    return result["iteration_steps"]


def _last_losses(result: dict) -> np.ndarray:
    return as_array(result["average_loss"])[:, -1]
