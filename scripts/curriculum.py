"""Train a recipe stage by stage: the same as `sinlstm curriculum`."""

from sinlstm_jax.commands.main import curriculum_main

if __name__ == "__main__":
    curriculum_main()
