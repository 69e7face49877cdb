"""The recipe that tests train: small enough for seconds, with all that a recipe has."""

from sinlstm_jax import Recipe, Stage


def tiny_recipe(*stages: Stage, **settings) -> Recipe:
    """Return a recipe of 4 units, by default of two stages, 20 and 30 iterations long."""
    settings = {"display_every": 10, "past": 5, "batch_size": 2, "hidden_size": 4} | settings
    return Recipe("tiny", "for tests", stages or (Stage(3, 20), Stage(5, 30)), **settings)
