"""What tests train: small enough for seconds; how it is stopped, and compared with another run."""

import itertools
import json

import jax
import numpy as np
from rich.console import Console

from sinlstm_jax import Recipe, Stage, load_models
from sinlstm_jax.model import split_model

QUIET = Console(quiet=True)


def tiny_recipe(*stages: Stage, **settings) -> Recipe:
    """Return a recipe of 4 units, by default of two stages, 20 and 30 iterations long."""
    settings = {"display_every": 10, "past": 5, "batch_size": 2, "hidden_size": 4} | settings
    return Recipe(
        "tiny",
        "for tests",
        stages or (Stage(3, 20), Stage(5, 30, muon_learning_rate=0.01)),
        **settings,
    )


def at_look(number: int, action):
    """Return a `stop_signal` that does something when it is called for that time, from 1 on."""
    looks = itertools.count(1)

    def stop_signal() -> int:
        return (next(looks) == number and action()) or 0

    return stop_signal


def weights(path) -> list:
    """Return the arrays of all replicates, trained and frozen, of a run or a checkpoint."""
    return [split_model(model)[1:] for model in load_models(path)]


def described(out) -> dict:
    """Return a run.json without its times."""
    record = json.loads((out / "run.json").read_text())
    for figures in record["figures"]:
        del figures["seconds"]
    return record


def assert_same_run(out, whole):
    """All but the times is the same: weights to the bit, losses, run.json."""
    jax.tree.map(np.testing.assert_array_equal, weights(out), weights(whole))
    assert (out / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert described(out) == described(whole)
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}
