"""Stage, Recipe, the named recipes, and what the tutorial prints for its own."""

from dataclasses import dataclass
from itertools import accumulate

from .errors import InputError, positive_integer, positive_number

DEFAULT_SEED = 0x1010  # the tutorial's


@dataclass(frozen=True)
class Stage:
    """Training at one horizon, with a fresh optimizer."""

    horizon: int  # steps forecast beyond the past
    iterations: int
    learning_rate: float = 0.001
    epsilon: float = 0.02  # Adam's

    def __post_init__(self):
        positive_integer("horizon", self.horizon)
        positive_integer("iterations", self.iterations)
        positive_number("learning_rate", self.learning_rate)
        positive_number("epsilon", self.epsilon)


@dataclass(frozen=True)
class Recipe:
    """Stages trained one after the other, each from the weights of the one before."""

    name: str
    summary: str
    stages: tuple[Stage, ...]
    display_every: int  # iterations between two printed lines, and what averages are over
    past: int = 100  # steps observed
    batch_size: int = 20
    hidden_size: int = 15

    def __post_init__(self):
        for name in ("display_every", "past", "batch_size", "hidden_size"):
            positive_integer(name, getattr(self, name))
        if not self.stages:
            raise InputError(f"stages is {self.stages!r}: give at least one Stage")

    @property
    def ends(self) -> list[int]:
        """Iterations done at the end of each stage, counted from the start of the run."""
        return list(accumulate(stage.iterations for stage in self.stages))


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "curriculum",
            "fine-tunes over growing horizons; the tutorial's third experiment",
            (
                Stage(50, 10000),
                Stage(100, 6000),
                Stage(200, 8000),
                Stage(400, 20000, learning_rate=0.0005, epsilon=0.04),
            ),
            display_every=400,
        ),
        Recipe(
            "short-window",
            "one short horizon; the tutorial's first experiment",
            (Stage(50, 6000),),
            display_every=200,
        ),
        Recipe(
            "long-window",
            "one long horizon from scratch; the tutorial's second experiment",
            (Stage(200, 20000),),
            display_every=800,
        ),
        Recipe(
            "smoke",
            "two tiny stages, to see that everything works",
            (Stage(10, 200), Stage(20, 100)),
            display_every=50,
        ),
    )
}

# (final loss, final average) that the tutorial prints at the end of each stage.
TUTORIAL_FIGURES = {
    "short-window": ((0.113662, 0.0937160),),
    "long-window": ((0.302981, 0.308761),),
    "curriculum": (
        (0.0185049, 0.0180234),
        (0.0214709, 0.0196239),
        (0.0168929, 0.0448204),
        (0.0664830, 0.0775012),
    ),
}


def find_recipe(name: str) -> Recipe:
    """Return a named recipe, or raise InputError with the names there are."""
    if name not in RECIPES:
        raise InputError(f"--recipe is {name!r}: give one of {', '.join(RECIPES)}")
    return RECIPES[name]
