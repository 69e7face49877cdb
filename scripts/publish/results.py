"""Repeat every published figure: train all seeds, then write the tables, pictures and weights.

Seeds that are complete under --runs are not trained again. What is written: docs/results.md and
its pictures, docs/images, and the weights that ship with the package, also as
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
from sinlstm_jax.commands.shared import keep_compiled_programs
from sinlstm_jax.curriculum import run
from sinlstm_jax.evaluation.tables import error
from sinlstm_jax.model import SineLSTM
from sinlstm_jax.palette import BASELINES, FORECAST
from sinlstm_jax.playground import shipped_data, write_page
from sinlstm_jax.plots import Forecast, legend_below, plot_forecasts, save_figure
from sinlstm_jax.recipes import DEFAULT_SEED, RECIPES, SHIPPED, TUTORIAL_FIGURES
from sinlstm_jax.rollout import rollout, rollout_with_spread
from sinlstm_jax.runs.loading import load_model
from sinlstm_jax.runs.pictures import LONG_TEST_STEPS
from sinlstm_jax.runs.pretrained import FOLDER, save_pretrained
from sinlstm_jax.sensor import BAND, SensorLSTM, reach_of
from sinlstm_jax.signals.signal import SAMPLING_RATE
from sinlstm_jax.signals.tutorial import generate_sample

from ..pages import DOCS, IMAGES, ROOT, fill_in, listed, markdown, torch_runs

RECIPE = RECIPES["curriculum"]
COMPARED = {  # after noise and gaps, in a picture
    "curriculum": "the tutorial's curriculum",
    "tuned": "tuned: the same network, trained better, on clean waves, too",
    "sensor": "sensor: trained on noise and gaps, in any units; it says how sure it is",
}
PICTURES = (  # of the default run
    "long-term.png",
    "stage-1-horizon-50-stepwise.png",
    "stage-4-horizon-400-stepwise.png",
    "stage-4-horizon-400-loss.png",
)


@dataclass(frozen=True)
class Options:
    """Train the curriculum recipe with several seeds and publish what came of it."""

    runs: Path = ROOT / "runs"
    """Folder of the runs."""
    seeds: tuple[int, ...] = (DEFAULT_SEED, 1, 2, 3, 4, 5)
    """Seeds to train; the first one's pictures are shown."""


def main(options: Options) -> None:
    """Train what is not there yet, then write everything that is published."""
    first = options.seeds[0]

    def folder(name: str, seed: int = first) -> Path:
        return options.runs / f"{name}-{seed}"

    runs = [run(RECIPE, seed, folder(RECIPE.name, seed)) for seed in options.seeds]
    singles = ("short-window", "long-window", *(name for name in SHIPPED if name != RECIPE.name))
    short, long, *_ = (run(RECIPES[name], first, folder(name)) for name in singles)
    shown = folder(RECIPE.name)

    publish_losses(runs, [short, long])
    for name in PICTURES:
        shutil.copy(shown / name, IMAGES / name)
    models = {name: load_model(folder(name)) for name in SHIPPED}
    plot_held_phase(IMAGES / "continued.png", models["curriculum"], models["tuned"])
    plot_spoilt(IMAGES / "spoilt.png", {title: models[name] for name, title in COMPARED.items()})
    for name, model in models.items():
        save_pretrained(model, ROOT / "sinlstm_jax" / FOLDER / f"{name}.npz")
    write_page(shipped_data(shown), DOCS / "playground.html")
    publish_evaluation(options.runs)


def publish_losses(runs: list[dict], singles: list[dict]) -> None:
    """Write the losses of every seed, and beside the first one's those of the single windows."""
    original = original_averages()
    ours = {
        run["seed"]: [figures["replicates"][0]["average_loss"] for figures in run["figures"]]
        for run in runs
    }
    tables = {
        "machine": f"Computed on {runs[0]['device']} with {listed(runs[0]['versions'])}.",
        "spread": spread_table(original, ours),
        "seeds": seeds_table(original, ours),
        "stages": stages_table(runs[0], *singles),
    }
    fill_in(DOCS / "results.md", tables)
    plot_spread(IMAGES / "spread.png", original, ours)


def plot_held_phase(path: Path, curriculum: SineLSTM, tuned: SineLSTM) -> None:
    """Draw how one wave goes on after each of two recipes, for docs/results.md."""
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


def plot_spoilt(path: Path, models: dict[str, SineLSTM]) -> None:
    """Draw how models go on after a noisy history with gaps, for the README."""
    frequency, past, horizon, noise = 1.3, RECIPE.past, 400, 0.1
    rng = np.random.default_rng(DEFAULT_SEED)
    truth = np.sin(2 * np.pi * frequency * np.arange(past + horizon) / SAMPLING_RATE + 1)
    history = truth[:past] + noise * rng.standard_normal(past)
    history[rng.random(past) < 0.2] = np.nan
    history[55:70] = np.nan
    forecasts = []
    for title, model in models.items():
        values, edges = rollout(model, history, horizon), {}
        if isinstance(model, SensorLSTM):
            values, spread = rollout_with_spread(model, history, horizon)
            reach = reach_of(model, BAND) * np.asarray(spread)[:, 0, 0]
            values = np.asarray(values)[:, 0, 0]
            edges = {"low": values - reach, "high": values + reach, "band": BAND}
        forecasts.append(Forecast(title, truth, np.ravel(values), history, **edges))
    title = "A noisy second with gaps, continued for 4 seconds"
    plot_forecasts(path, forecasts, past, title)


def publish_evaluation(runs: Path) -> None:
    """Evaluate the tutorial's model and the one for sensors, for docs/evaluation.md."""
    tables = {}
    for prefix, name, pictures in (
        ("", RECIPE.name, ("error", "frequency", "phase", "robustness")),
        ("sensor-", "sensor", ("reliability",)),
    ):
        EvaluateOptions((name,), out=runs / "evaluation", past=RECIPE.past).execute()
        folder = runs / "evaluation" / name
        for picture in pictures:
            shutil.copy(folder / f"{picture}.png", IMAGES / f"evaluation-{picture}.png")
        tables[f"{prefix}errors"] = evaluation_table(folder)
        tables[f"{prefix}robustness"] = robustness_table(folder)
    fill_in(DOCS / "evaluation.md", tables)


def evaluation_table(folder: Path) -> str:
    """Return the errors of an evaluation by forecast interval, from its errors.csv."""
    header, errors = {"steps": None}, {}
    with (folder / "errors.csv").open() as file:
        for row in csv.DictReader(file):
            if row["waves"] == "held-out":
                header[f"{row['first_step']} to {row['last_step']}"] = None
                errors.setdefault(row["forecaster"], []).append(float(row["mean"]))
    return markdown([*header], [[name, *map(error, values)] for name, values in errors.items()])


def robustness_table(folder: Path) -> str:
    """Return the errors of an evaluation after noise and gaps, from its robustness.csv."""
    header, errors = {"history": None}, {}
    with (folder / "robustness.csv").open() as file:
        for row in csv.DictReader(file):
            noise, missing = float(row["noise"]), float(row["missing"])
            name = f"noise {noise:g}" if noise else f"{100 * missing:g} % missing"
            header[name if noise or missing else "clean"] = None
            errors.setdefault(row["forecaster"], []).append(float(row["mean_0_400"]))
    return markdown([*header], [[name, *map(error, values)] for name, values in errors.items()])


def original_averages() -> dict[int, list[float]]:
    """Return the original's average loss per stage, by seed."""
    averages = {}
    for row in torch_runs():
        averages.setdefault(int(row["seed"]), []).append(float(row["avg_loss"]))
    return averages


def stages_table(*runs: dict) -> str:
    """Return figures per stage beside the tutorial's printed ones; of several runs, each named."""
    named, rows = len(runs) > 1, []
    for description in runs:
        printed = TUTORIAL_FIGURES[description["recipe"]]
        for figures, theirs in zip(description["figures"], printed, strict=True):
            (ours,) = figures["replicates"]
            losses = (ours["final_loss"], ours["average_loss"], *theirs)
            row = [figures["horizon"], figures["iterations"], f"{figures['seconds']:.0f}"]
            row += [f"{loss:.4f}" for loss in losses]
            rows.append([description["recipe"], *row] if named else row)
    header = ["recipe"] * named + ["horizon", "iterations", "seconds", "final loss", "average loss"]
    return markdown([*header, "tutorial: final", "tutorial: average"], rows)


def spread_table(original: dict, ours: dict) -> str:
    """Return the range of both sides' stage averages, and whether they overlap."""
    rows = []
    for index, stage in enumerate(RECIPE.stages):
        sides = [[run[index] for run in side.values()] for side in (original, ours)]
        overlap = max(map(min, sides)) <= min(map(max, sides))
        row = [stage.horizon]
        for side in sides:
            row += [f"{min(side):.4f} to {max(side):.4f}", f"{np.median(side):.4f}"]
        rows.append([*row, "yes" if overlap else "no"])
    return markdown(["horizon", "original", "median", "port", "median", "overlap"], rows)


def seeds_table(original: dict, ours: dict) -> str:
    """Return every run's stage averages."""
    rows = [
        [side, seed, *(f"{average:.4f}" for average in averages)]
        for side, runs in (("original", original), ("port", ours))
        for seed, averages in runs.items()
    ]
    return markdown(["side", "seed", *(f"horizon {s.horizon}" for s in RECIPE.stages)], rows)


def plot_spread(path: Path, original: dict, ours: dict) -> None:
    """Draw every run's stage averages, the two sides next to each other."""
    figure = Figure(figsize=(7, 4.3), layout="constrained")
    axes = figure.subplots()
    stages = np.arange(len(RECIPE.stages))
    for shift, marker, colour, label, runs in (
        (-0.12, "o", BASELINES[0], "PyTorch original", original),
        (0.12, "^", FORECAST, "this port", ours),
    ):
        places, averages = np.tile(stages + shift, len(runs)), np.ravel([*runs.values()])
        axes.plot(places, averages, marker, color=colour, alpha=0.8, label=label)
    axes.set_xticks(stages, [str(stage.horizon) for stage in RECIPE.stages])
    axes.set(xlabel="horizon of the stage (steps)", yscale="log")
    axes.set_ylabel("mean squared error,\naverage of the last 400 iterations")
    axes.set_title("Where each stage ends: one mark per seed")
    axes.grid(axis="y", alpha=0.3)
    legend_below(figure)
    save_figure(figure, path)


if __name__ == "__main__":
    with tidy_exit():
        keep_compiled_programs()
        main(tyro.cli(Options))
