"""Repeat every published figure: train all seeds, then write the tables, pictures and weights.

Seeds that are complete under --runs are not trained again. What is written: docs/results.md and
its picture, the README's table, docs/images, and the weights that ship with the package, also as
a page to play with, docs/playground.html.
"""

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from matplotlib.figure import Figure

from sinlstm_jax.commands import EvaluateOptions
from sinlstm_jax.commands.main import tidy_exit
from sinlstm_jax.commands.shared import SHIPPED
from sinlstm_jax.curriculum import run
from sinlstm_jax.evaluation.tables import error
from sinlstm_jax.model import SineLSTM
from sinlstm_jax.playground import run_data, write_page
from sinlstm_jax.plots import Forecast, plot_forecasts
from sinlstm_jax.recipes import DEFAULT_SEED, RECIPES, TUTORIAL_FIGURES
from sinlstm_jax.rollout import rollout
from sinlstm_jax.runs.loading import load_model, save_pretrained
from sinlstm_jax.runs.pictures import LONG_TEST_STEPS
from sinlstm_jax.signals import generate_sample

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
RECIPE = RECIPES["curriculum"]


@dataclass(frozen=True)
class Options:
    """Train the curriculum recipe with several seeds and publish what came of it."""

    runs: Path = ROOT / "runs"
    """Folder of the runs."""
    seeds: tuple[int, ...] = (DEFAULT_SEED, 1, 2, 3, 4, 5)
    """Seeds to train; the first one is the README's."""


def main(options: Options) -> None:
    """Train what is not there yet, then write everything that is published."""
    folders = [options.runs / f"{RECIPE.name}-{seed}" for seed in options.seeds]
    runs = [run(RECIPE, seed, out) for seed, out in zip(options.seeds, folders, strict=True)]
    singles = [
        run(RECIPES[name], options.seeds[0], options.runs / f"{name}-{options.seeds[0]}")
        for name in ("short-window", "long-window")
    ]
    original = read_torch_runs()
    ours = {
        run["seed"]: [figures["replicates"][0]["average_loss"] for figures in run["figures"]]
        for run in runs
    }

    replace_between(ROOT / "README.md", "stages", stages_table(runs[0]))
    replace_between(ROOT / "docs" / "results.md", "machine", machine_line(runs[0]))
    replace_between(ROOT / "docs" / "results.md", "spread", spread_table(original, ours))
    replace_between(ROOT / "docs" / "results.md", "seeds", seeds_table(original, ours))
    replace_between(ROOT / "docs" / "results.md", "stages", stages_table(runs[0], *singles))
    plot_spread(IMAGES / "spread.png", original, ours)
    for name in (
        "long-term.png",
        "stage-1-horizon-50-stepwise.png",
        "stage-4-horizon-400-stepwise.png",
        "stage-4-horizon-400-loss.png",
    ):
        shutil.copy(folders[0] / name, IMAGES / name)
    tuned = options.runs / f"tuned-{options.seeds[0]}"
    run(RECIPES["tuned"], options.seeds[0], tuned)
    plot_held_phase(IMAGES / "continued.png", load_model(folders[0]), load_model(tuned))
    save_pretrained(load_model(folders[0]), ROOT / "sinlstm_jax" / "pretrained" / "curriculum.npz")
    write_page(run_data(folders[0]), ROOT / "docs" / "playground.html")
    publish_evaluation(options.runs)


def plot_held_phase(path: Path, curriculum: SineLSTM, tuned: SineLSTM) -> None:
    """Draw how one wave goes on after each of two recipes, for the README."""
    frequency, past = 2.1337, RECIPE.past
    _, observed, _, after = generate_sample(
        frequency, predict=LONG_TEST_STEPS, samples=past, rng=np.random.default_rng(DEFAULT_SEED)
    )
    truth = np.concatenate([observed[0], after[0]])
    forecasts = [
        Forecast(title, truth, np.asarray(rollout(model, observed[0], LONG_TEST_STEPS))[:, 0, 0])
        for title, model in (
            ("trained by the tutorial's curriculum", curriculum),
            ("trained by our recipe tuned, the same network for as many steps", tuned),
        )
    ]
    title = f"{frequency} Hz, observed for one second, then continued for 15 without any input"
    plot_forecasts(path, forecasts, past, title)


def publish_evaluation(runs: Path) -> None:
    """Evaluate the model that ships, for docs/evaluation.md and the README."""
    EvaluateOptions((SHIPPED,), out=runs / "evaluation").execute()
    folder = runs / "evaluation" / SHIPPED
    for name in ("error.png", "frequency.png", "phase.png"):
        shutil.copy(folder / name, IMAGES / f"evaluation-{name}")
    replace_between(ROOT / "docs" / "evaluation.md", "errors", evaluation_table(folder))


def evaluation_table(folder: Path) -> str:
    """Return the errors of an evaluation by forecast interval, from its errors.csv."""
    with (folder / "errors.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["waves"] == "held-out"]
    errors = {}
    for row in rows:
        errors.setdefault(row["forecaster"], []).append(float(row["mean"]))
    first = [row for row in rows if row["forecaster"] == rows[0]["forecaster"]]
    header = ["steps", *(f"{row['first_step']} to {row['last_step']}" for row in first)]
    return markdown(header, [[name, *map(error, values)] for name, values in errors.items()])


def read_torch_runs() -> dict[int, list[float]]:
    """Return the original's average loss per stage, by seed."""
    averages = {}
    with (ROOT / "docs" / "torch_runs.csv").open() as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            averages.setdefault(int(row["seed"]), []).append(float(row["avg_loss"]))
    return averages


def stages_table(*runs: dict) -> str:
    """Return figures per stage beside the tutorial's printed ones."""
    rows = []
    for description in runs:
        printed = TUTORIAL_FIGURES[description["recipe"]]
        for figures, (final, average) in zip(description["figures"], printed, strict=True):
            (losses,) = figures["replicates"]
            rows.append(
                [
                    *([description["recipe"]] if len(runs) > 1 else []),
                    str(figures["horizon"]),
                    str(figures["iterations"]),
                    f"{figures['seconds']:.0f}",
                    f"{losses['final_loss']:.4f}",
                    f"{losses['average_loss']:.4f}",
                    f"{final:.4f}",
                    f"{average:.4f}",
                ]
            )
    header = ["horizon", "iterations", "seconds", "final loss", "average loss"]
    header += ["tutorial: final", "tutorial: average"]
    return markdown([*(["recipe"] if len(runs) > 1 else []), *header], rows)


def spread_table(original: dict, ours: dict) -> str:
    """Return the range of both sides' stage averages, and whether they overlap."""
    rows = []
    for index, stage in enumerate(RECIPE.stages):
        sides = [sorted(run[index] for run in side.values()) for side in (original, ours)]
        overlap = max(side[0] for side in sides) <= min(side[-1] for side in sides)
        ranges = [f"{side[0]:.4f} to {side[-1]:.4f}" for side in sides]
        medians = [f"{np.median(side):.4f}" for side in sides]
        row = [ranges[0], medians[0], ranges[1], medians[1], "yes" if overlap else "no"]
        rows.append([str(stage.horizon), *row])
    header = ["horizon", "original", "median", "port", "median", "overlap"]
    return markdown(header, rows)


def seeds_table(original: dict, ours: dict) -> str:
    """Return every run's stage averages."""
    rows = [
        [side, str(seed), *(f"{average:.4f}" for average in averages)]
        for side, runs in (("original", original), ("port", ours))
        for seed, averages in runs.items()
    ]
    return markdown(["side", "seed", *(f"horizon {s.horizon}" for s in RECIPE.stages)], rows)


def machine_line(description: dict) -> str:
    """Return what the runs were computed with."""
    versions = ", ".join(f"{name} {version}" for name, version in description["versions"].items())
    return f"Computed on {description['device']} with {versions}."


def plot_spread(path: Path, original: dict, ours: dict) -> None:
    """Draw every run's stage averages, the two sides next to each other."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for shift, marker, colour, label, runs in (
        (-0.12, "o", "tab:gray", "PyTorch original", original),
        (0.12, "^", "tab:red", "this port", ours),
    ):
        for seed, averages in runs.items():
            first = seed == next(iter(runs))
            axes.plot(
                np.arange(len(averages)) + shift,
                averages,
                marker,
                color=colour,
                alpha=0.8,
                label=label if first else None,
            )
    axes.set_xticks(range(len(RECIPE.stages)), [str(stage.horizon) for stage in RECIPE.stages])
    axes.set(xlabel="horizon of the stage (steps)", yscale="log")
    axes.set_ylabel("mean squared error,\naverage of the last 400 iterations")
    axes.legend()
    figure.savefig(path, dpi=110)


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def replace_between(path: Path, name: str, text: str) -> None:
    """Put text between the comments `<!-- name -->` and `<!-- /name -->` of a file."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, rest = path.read_text().split(begin)
    path.write_text(before + begin + text + "\n" + end + rest.split(end)[1])


if __name__ == "__main__":
    with tidy_exit():
        main(tyro.cli(Options))
