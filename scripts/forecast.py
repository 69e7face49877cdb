"""Continue samples from standard input or a CSV file: `sinlstm forecast`."""

from sinlstm_jax.cli import forecast_main

if __name__ == "__main__":
    forecast_main()
