"""Run by test_replicates.py in a process with 8 virtual devices: FOLDER COUNT..."""

import sys

import jax
from rich.console import Console
from tiny import tiny_recipe

from sinlstm_jax import Stage, run
from sinlstm_jax.runs.replicates import replicate_mesh

folder, counts = sys.argv[1], [int(count) for count in sys.argv[2:]]
assert jax.device_count() == 8
assert replicate_mesh(1) is None  # the others would only compute the same once more
for count in counts:
    out = f"{folder}/{count}"
    description = run(
        tiny_recipe(Stage(3, 20)), 7, out, replicates=count, console=Console(quiet=True)
    )
    print(count, description["device"])
