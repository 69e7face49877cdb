"""The named recipes, which of their models ship, and what the tutorial prints for its own."""

from dataclasses import replace
from functools import partial

from .errors import InputError
from .recipe import Recipe, Stage
from .signals.observation import Observation

DEFAULT_SEED = 0x1010  # the tutorial's
# Recipes whose models ship with the package, of DEFAULT_SEED; the first one where none is named.
SHIPPED = ("sensor", "curriculum", "tuned", "long")

# NAdam with its usual epsilon, clipped, along a cosine to 1 %.
_tuned_stage = partial(
    Stage, epsilon=1e-8, nesterov=True, clip_norm=0.1, warmup=200, final_fraction=0.01
)
_later_stage = partial(_tuned_stage, b1=0.99, b2=0.99)
_muon_stage = partial(_later_stage, muon_learning_rate=0.01)
_first_stage = _tuned_stage(50, 16000, 0.04, b1=0.95, b2=0.95, warmup=1000)

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
            "tuned",
            "holds its phase; no more steps than the tutorial's curriculum",
            (
                _first_stage,
                _later_stage(100, 5000, 0.01, warmup=500, undo_above=0.01),
                _later_stage(400, 6000, 0.01, warmup=500, undo_above=0.01),
                _later_stage(800, 2000, 0.005, undo_above=0.05),
                _later_stage(1500, 1700, 0.003, undo_above=0.05),
                _later_stage(2500, 1500, 0.002, undo_above=0.05),
            ),
            display_every=400,
        ),
        Recipe(
            "fast",
            "better than the tutorial's curriculum, in a seventh of its steps",
            (
                _tuned_stage(50, 4000, 0.06, b1=0.95, b2=0.95, warmup=1000),
                _tuned_stage(100, 2500, 0.03, b1=0.97, b2=0.97),
                _later_stage(400, 2200, 0.01),
            ),
            display_every=400,
        ),
        Recipe(
            "noisy",
            "continues noisy waves with gaps; no more steps than the tutorial's curriculum",
            (
                _tuned_stage(50, 14000, 0.04, b1=0.95, b2=0.95, warmup=1000),
                _later_stage(100, 5000, 0.01, warmup=500, undo_above=0.02),
                _later_stage(400, 9000, 0.01, warmup=500, undo_above=0.05),
                # Else what noise makes unavoidable drowns what clean waves could still gain.
                _later_stage(400, 5000, 0.005, error_floor=0.003, undo_above=0.012),
                _later_stage(800, 2400, 0.004, error_floor=0.003, undo_above=0.02),
                _later_stage(1500, 1700, 0.0025, error_floor=0.003, undo_above=0.03),
            ),
            display_every=400,
            observation=Observation(
                noise=(0.0, 0.2), missing=(0.0, 0.5), noise_power=1.5, missing_power=1.6
            ),
        ),
        Recipe(
            "sensor",
            "for samples in any units, with noise and gaps, after 20 to 300 of them",
            (
                # One short past, all of it, first: pasts of every length are learnt from there.
                _muon_stage(50, 8000, 0.04, b1=0.95, b2=0.95, warmup=1000, past=100),
                _muon_stage(100, 2500, 0.01, past=100, undo_above=0.1),
                _muon_stage(400, 4000, 0.01, past=100, undo_above=0.3),
                _muon_stage(100, 4000, 0.005, error_floor=0.01, undo_above=-0.9),
                _muon_stage(400, 38000, 0.004, error_floor=0.003, warmup=500, undo_above=-1.2),
                _muon_stage(
                    400,
                    8000,
                    0.001,
                    error_floor=0.00003,
                    beta=0.1,
                    undo_above=-0.6,
                    muon_learning_rate=0.0025,
                ),
            ),
            display_every=400,
            past=300,
            hidden_size=64,
            observation=Observation(
                noise=(0.0, 0.2),
                missing=(0.0, 0.5),
                gap=(0, 60),
                shortest_past=20,
                missing_power=1.6,
            ),
            network="SensorLSTM",
        ),
        Recipe(
            "long",
            "holds its phase for 10,000 steps",
            (
                # How well the first stage ends decides all, and is luck: the best of ten.
                _first_stage,
                *[replace(_first_stage, afresh=True)] * 9,
                _later_stage(100, 5000, 0.01, warmup=500, undo_above=0.01),
                _later_stage(400, 20000, 0.01, warmup=500, undo_above=0.01),
                _later_stage(800, 5000, 0.005, warmup=500, undo_above=0.01),
                _later_stage(1500, 3000, 0.003, undo_above=0.01),
                _later_stage(2500, 2500, 0.002, undo_above=0.01),
                _later_stage(5000, 2000, 0.001, undo_above=0.01),
                _later_stage(10000, 1000, 0.0005, undo_above=0.05),
            ),
            display_every=400,
            hidden_size=24,
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
