"""Write a page to play with a run's models: `sinlstm playground`."""

from sinlstm_jax.cli import playground_main

if __name__ == "__main__":
    playground_main()
