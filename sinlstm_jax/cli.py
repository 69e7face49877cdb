"""The command line: the `sinlstm` subcommands, which the scripts also run."""

import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import jax
import tyro
from rich.console import Console
from rich.table import Table

import sinlstm_jax

from .convert import convert
from .curriculum import run
from .errors import InputError
from .recipes import DEFAULT_SEED, RECIPES, TUTORIAL_FIGURES, find_recipe


@dataclass(frozen=True)
class CurriculumOptions:
    """Train a recipe stage by stage, keep its checkpoints, and draw what it learnt.

    The same command on the same --out goes on where it stopped.
    """

    recipe: str = "curriculum"
    """What to train; --list-recipes shows what there is."""
    seed: int = DEFAULT_SEED
    """Decides initial weights, training data and the waves of the pictures."""
    out: Path | None = None
    """Folder of the run. Default: runs/RECIPE-SEED."""
    checkpoint_every: int = 1000
    """Iterations between checkpoints within a stage."""
    display_every: int | None = None
    """Iterations between printed losses, and what averages are over. Default: the recipe's."""
    hidden_size: int = 15
    """Units of the LSTM."""
    batch_size: int = 20
    """Waves per iteration."""
    device: Literal["cpu", "gpu", "tpu"] | None = None
    """Where to compute. Default: what JAX prefers."""
    list_recipes: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the recipes and stop."""

    def execute(self) -> None:
        """Do what was asked for."""
        console = Console(highlight=False, markup=False, soft_wrap=True)
        if self.list_recipes:
            print_recipes(console)
            return
        recipe = replace(
            find_recipe(self.recipe), hidden_size=self.hidden_size, batch_size=self.batch_size
        )
        if self.display_every is not None:
            recipe = replace(recipe, display_every=self.display_every)
        out = self.out or Path("runs") / f"{recipe.name}-{self.seed}"
        with computing_on(self.device):
            description = run(
                recipe, self.seed, out, checkpoint_every=self.checkpoint_every, console=console
            )
        console.print(closing_table(description))
        console.print(f"Checkpoints, pictures, metrics.csv and run.json are in {out}")


@dataclass(frozen=True)
class ConvertOptions:
    """Convert a model between PyTorch (.pt), safetensors (.safetensors) and our checkpoints.

    Formats are told by name: what ends otherwise is a folder, a run's or one checkpoint's to read
    from, a new one to write to. Nothing is overwritten.
    """

    source: tyro.conf.Positional[Path]
    """What to read."""
    target: tyro.conf.Positional[Path]
    """What to write."""

    def execute(self) -> None:
        """Do what was asked for."""
        model = convert(self.source, self.target)
        print(f"{self.target}: {model.hidden_size} hidden units, from {self.source}")


@contextlib.contextmanager
def computing_on(platform: str | None):
    """Make a platform JAX's default, or raise InputError if it is not there."""
    if platform is None:
        yield
        return
    try:
        device = jax.devices(platform)[0]
    except RuntimeError:
        raise InputError(
            f"--device is {platform!r}, but JAX finds only {jax.default_backend()!r} here: "
            "leave --device out, or install JAX for it"
        ) from None
    with jax.default_device(device):
        yield


def print_recipes(console: Console) -> None:
    """Print the named recipes and their stages."""
    for recipe in RECIPES.values():
        console.print(f"{recipe.name}: {recipe.summary}")
        for stage in recipe.stages:
            console.print(
                f"  horizon {stage.horizon:3d}, {stage.iterations:5d} iterations, "
                f"learning rate {stage.learning_rate:g}, epsilon {stage.epsilon:g}"
            )


def closing_table(description: dict) -> Table:
    """Lay out a run's figures beside those that the tutorial prints for its own run."""
    averaged_over = description["figures"][0]["averaged_over"]
    table = Table(title=f"{description['recipe']}, seed {description['seed']}")
    columns = ["horizon", "iterations", "seconds", "final\nloss", f"average\nof {averaged_over}"]
    tutorial = _tutorial_figures(description)
    if any(tutorial):
        columns += ["tutorial's\nfinal", "tutorial's\naverage"]
    for column in columns:
        table.add_column(column, justify="right")
    for figures, printed in zip(description["figures"], tutorial, strict=True):
        losses = (figures["final_loss"], figures["average_loss"], *printed)
        table.add_row(
            str(figures["horizon"]),
            str(figures["iterations"]),
            f"{figures['seconds']:.0f}",
            *(f"{loss:.4f}" for loss in losses),
        )
    return table


def _tutorial_figures(description: dict) -> tuple:
    """Return what the tutorial prints for each stage: nothing for a run that it does not have."""
    recipe = RECIPES[description["recipe"]]
    its_own = all(
        description[size] == getattr(recipe, size) for size in ("hidden_size", "batch_size")
    )
    nothing = ((),) * len(recipe.stages)
    return TUTORIAL_FIGURES.get(recipe.name, nothing) if its_own else nothing


def main() -> None:
    """Run the subcommand that the command line names."""
    with tidy_exit():
        tyro.extras.subcommand_cli_from_dict(
            {"curriculum": CurriculumOptions, "convert": ConvertOptions},
            prog="sinlstm",
            description=sinlstm_jax.__doc__,
        ).execute()


def curriculum_main() -> None:
    """Run `sinlstm curriculum` without naming it."""
    with tidy_exit():
        tyro.cli(CurriculumOptions).execute()


def convert_main() -> None:
    """Run `sinlstm convert` without naming it."""
    with tidy_exit():
        tyro.cli(ConvertOptions).execute()


@contextlib.contextmanager
def tidy_exit():
    """Turn bad input into one line and exit code 2, and Ctrl-C into 130, without a traceback."""
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from the latest checkpoint", file=sys.stderr)
        sys.exit(130)
