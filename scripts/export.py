"""Export a model for programs without this package: `sinlstm export`."""

from sinlstm_jax.cli import export_main

if __name__ == "__main__":
    export_main()
