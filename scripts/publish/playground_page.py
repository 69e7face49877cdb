"""Make docs/playground.html: the models that ship, side by side, on a page to play with.

The earlier stages of the tutorial's curriculum are those of its run, which is trained, in two
minutes, if it is not there.
"""

from dataclasses import dataclass
from pathlib import Path

import tyro

from sinlstm_jax.commands.main import tidy_exit
from sinlstm_jax.curriculum import run
from sinlstm_jax.playground import shipped_data, write_page
from sinlstm_jax.recipes import DEFAULT_SEED, RECIPES

from ..pages import DOCS, ROOT


@dataclass(frozen=True)
class Options:
    """Make the page of the models that ship."""

    runs: Path = ROOT / "runs"
    """Folder of the runs."""
    out: Path = DOCS / "playground.html"
    """The page."""


def main(options: Options) -> None:
    """Train the curriculum if it is not there yet, and write the page."""
    folder = options.runs / f"curriculum-{DEFAULT_SEED}"
    run(RECIPES["curriculum"], DEFAULT_SEED, folder)
    write_page(shipped_data(folder), options.out)


if __name__ == "__main__":
    with tidy_exit():
        main(tyro.cli(Options))
