"""`python -m scripts.study`: train every variant over its seeds, and publish what came of it."""

import tyro

from sinlstm_jax.commands.main import tidy_exit
from sinlstm_jax.commands.shared import keep_compiled_programs

from .study import Options, main

if __name__ == "__main__":
    with tidy_exit():
        keep_compiled_programs()
        main(tyro.cli(Options))
