"""`sinlstm curriculum`: train a recipe."""

import textwrap
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..errors import InputError, positive_integer
from ..recipe import Recipe
from ..recipes import DEFAULT_SEED, RECIPES
from ..runs.interruption import Interruption
from .shared import (
    Device,
    Quiet,
    computing_on,
    import_jax,
    named_recipe,
    optional,
    plain_console,
    printing_console,
)

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class CurriculumOptions:
    """Train a recipe stage by stage, keep its checkpoints, and draw what it learnt.

    The same command on the same --out resumes where it stopped; Ctrl-C and SIGTERM save it first.
    """

    recipe: Annotated[str | None, optional("NAME", "curriculum")] = None
    """What to train; --list-recipes shows what there is. MODULE:NAME is a Recipe of your own."""
    recipe_file: Annotated[Path | None, optional("FILE")] = None
    """TOML file with a recipe of your own, as --list-recipes --format toml prints them."""
    seed: int = DEFAULT_SEED
    """Decides initial weights, training data and the waves of the pictures."""
    replicates: int = 1
    """How many seeds to train at once, counted up from SEED, on all devices there are."""
    out: Annotated[Path | None, optional("PATH", "runs/RECIPE-SEED")] = None
    """Folder of the run."""
    checkpoint_every: int = 2500
    """Iterations between checkpoints within a stage."""
    display_every: Annotated[int | None, optional("INT", "the recipe's")] = None
    """Iterations between printed losses, and what averages are over."""
    hidden_size: Annotated[int | None, optional("INT", "the recipe's")] = None
    """Units of the LSTM."""
    batch_size: Annotated[int | None, optional("INT", "the recipe's")] = None
    """Windows per iteration."""
    device: Device = None
    implementation: Literal["auto", "scan", "fused"] = "auto"
    """What computes the LSTM: a scan in JAX, the fused kernel for CPU, or the fastest there is."""
    quiet: Quiet = False
    tensorboard: tyro.conf.FlagCreatePairsOff[bool] = False
    """Leave losses for TensorBoard in OUT/tensorboard, too; needs tensorboardX."""
    coordinator: Annotated[str | None, optional("HOST:PORT")] = None
    """Address of the first of several processes that share the replicates."""
    processes: Annotated[int | None, optional("INT")] = None
    """How many processes there are; each is given the same command but for its index."""
    process_index: Annotated[int | None, optional("INT")] = None
    """Which of them this one is, from 0 on."""
    list_recipes: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the recipes, or the one that is given, and stop."""
    format: Literal["text", "toml"] = "text"
    """How to print them; in TOML, one of them is what --recipe-file takes."""

    def execute(self) -> None:
        """Do what was asked for."""
        if self.list_recipes:
            self._list_recipes()
            return
        if self.format != "text":
            raise InputError(
                f"--format is {self.format}: give --list-recipes, too, or leave it out"
            )
        with Interruption() as interruption:
            self._train(interruption)

    def _recipe(self) -> Recipe:
        """Return the recipe that is asked for."""
        if self.recipe_file is None:
            return named_recipe("curriculum" if self.recipe is None else self.recipe)
        if self.recipe is not None:
            raise InputError(
                f"--recipe is {self.recipe!r}, and --recipe-file {str(self.recipe_file)!r}: give "
                "one of them"
            )
        from ..recipe_files import read_recipe

        return read_recipe(self.recipe_file)

    def _list_recipes(self) -> None:
        all_of_them = self.recipe is None and self.recipe_file is None
        recipes = [*RECIPES.values()] if all_of_them else [self._recipe()]
        if self.format == "text":
            print_recipes(recipes, plain_console())
            return
        from ..recipe_files import recipe_in_toml

        print("\n".join(map(recipe_in_toml, recipes)), end="")

    def _train(self, interruption: Interruption) -> None:
        sizes = {
            name: getattr(self, name) for name in ("hidden_size", "batch_size", "display_every")
        }
        recipe = replace(self._recipe(), **{name: x for name, x in sizes.items() if x is not None})
        positive_integer("--replicates", self.replicates)
        import_jax()
        from ..curriculum import run
        from ..runs.processes import join
        from ..runs.record import RunRecord
        from ..runs.replicates import give_each_core_a_device
        from ..runs.report import closing_table

        if self.replicates > 1 and self.processes is None:
            give_each_core_a_device(self.replicates)
        join(self.coordinator, self.processes, self.process_index)
        console = printing_console(quiet=self.quiet)
        out = self.out or Path("runs") / f"{recipe.name}-{self.seed}"
        with computing_on(self.device):
            description = run(
                recipe,
                self.seed,
                out,
                replicates=self.replicates,
                checkpoint_every=self.checkpoint_every,
                implementation=self.implementation,
                tensorboard=self.tensorboard,
                console=console,
                stop_signal=interruption,
            )
        console.print(closing_table(RunRecord.from_json(description)))
        console.print(f"Checkpoints, pictures, metrics.csv and run.json are in {out}")


def print_recipes(recipes: list[Recipe], console: "Console") -> None:
    """Print recipes and their stages."""
    for recipe in recipes:
        console.print(f"{recipe.name}: {recipe.summary}")
        stages = [stage.describe() for stage in recipe.stages]
        for words in (recipe.describe_network(), recipe.describe_signal(), *stages):
            console.print(textwrap.fill(words, 80, initial_indent="  ", subsequent_indent="    "))
