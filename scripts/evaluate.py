"""Measure trained models beside baselines: `sinlstm evaluate`."""

from sinlstm_jax.cli import evaluate_main

if __name__ == "__main__":
    evaluate_main()
