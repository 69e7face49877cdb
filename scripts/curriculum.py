"""Train a recipe stage by stage: the same as `sinlstm curriculum`."""

import sys

from sinlstm_jax.commands.main import main

if __name__ == "__main__":
    main(["curriculum", *sys.argv[1:]])
