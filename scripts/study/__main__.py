"""`python -m scripts.study`: train every variant over its seeds, and publish what came of it."""

import tyro

from sinlstm_jax.commands.main import tidy_exit

from .study import Options, main

if __name__ == "__main__":
    with tidy_exit():
        main(tyro.cli(Options))
