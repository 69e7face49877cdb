"""What the study compares: recipes, single tricks and budgets, with the seeds of each."""

from dataclasses import replace
from typing import NamedTuple

from flax import nnx

from sinlstm_jax import FrozenBias
from sinlstm_jax.recipe import NETWORKS, Recipe
from sinlstm_jax.recipes import RECIPES
from sinlstm_jax.signals.sines import Sines

from .report import LONGER, SHORTER, TO_5000

INTERVALS = ((0, 400), (400, 900), (900, 1500), (1500, 5000))
LONG_INTERVALS = (*INTERVALS, (5000, 10000))
SHARES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8)  # of the iterations of `fast`, to see what it needs
EVERY_BIAS = (nnx.Param, FrozenBias)


class Variant(NamedTuple):
    """A recipe, perhaps with one trick changed, and the seeds it is tried with."""

    name: str
    recipe: Recipe
    seeds: range
    trainable: nnx.filterlib.Filter = nnx.Param
    intervals: tuple[tuple[int, int], ...] = INTERVALS  # of forecast steps


def variants() -> list[Variant]:
    """Return all that is compared: recipes, one change at a time to three of them, budgets.

    And how far `tuned` goes with five times the budget and its input bias trained, and `long`
    without its last stage.
    """
    many, some = range(1, 33), range(1, 17)
    counts = {"fast": many, "curriculum": some, "short-window": some, "long-window": some}
    # Fresh ones where a search knew the results of those before.
    counts |= {"tuned": range(201, 233), "noisy": range(1001, 1033)}
    counts |= {"sensor": range(2301, 2333), "long": range(3201, 3233)}
    found = [Variant(name, RECIPES[name], seeds) for name, seeds in counts.items()]
    found[-1] = found[-1]._replace(intervals=LONG_INTERVALS)
    changes = {
        "fast": {"epsilon 0.02": {"epsilon": 0.02}, "not clipped": {"clip_norm": None}},
        "curriculum": {"epsilon 1e-8": {"epsilon": 1e-8}, "clipped": {"clip_norm": 0.1}},
        "tuned": {},
    }
    for name, of_stages in changes.items():
        base = Variant(name, RECIPES[name], counts[name][:8])
        one = {
            "forget bias 0": {"recipe": replace(base.recipe, forget_bias=0.0)},
            "input bias trained": {"trainable": EVERY_BIAS},
        }
        if of_stages:
            one["no curriculum"] = {"recipe": _without_curriculum(base.recipe)}
        for what, change in of_stages.items():
            one[what] = {"recipe": _changed(base.recipe, **change)}
        found += [base._replace(name=f"{name}, {what}", **change) for what, change in one.items()]
    tuned, fast, noisy = RECIPES["tuned"], RECIPES["fast"], RECIPES["noisy"]
    changed = {
        # What noise makes unavoidable counts in full then: only what is lost is to be undone.
        "not weighed": _changed(noisy, error_floor=None, undo_above=0.3),
        "none missing": replace(noisy, observation=replace(noisy.observation, missing=(0, 0))),
    }
    for what, recipe in changed.items():
        found.append(Variant(f"noisy, {what}", recipe, counts["noisy"][:8]))
    longer = _scaled(tuned, 4).stages
    last = {"horizon": 5000, "iterations": 2500, "learning_rate": 0.001, "warmup": 200}
    longer = replace(tuned, stages=(*longer, replace(longer[-1], **last)))
    found.append(Variant(LONGER, longer, range(401, 409), EVERY_BIAS, LONG_INTERVALS))
    shorter = replace(RECIPES["long"], stages=RECIPES["long"].stages[:-1])
    found.append(Variant(TO_5000, shorter, range(3001, 3033), intervals=LONG_INTERVALS))
    found += _of_sensor()
    return found + [Variant(f"fast x {share}", _scaled(fast, share), many) for share in SHARES]


def _of_sensor() -> list[Variant]:
    """Return a quarter of `sensor`, and it with one change at a time; no stage is undone."""
    base = _changed(_scaled(RECIPES["sensor"], 0.25), undo_above=None)
    shown, any_scale = base.observation, Sines(amplitude=(0.3, 2.0), level=(-1.0, 1.0))
    changed = {
        "Adam alone": _changed(base, muon_learning_rate=None),
        "not weighed": _changed(base, error_floor=None, beta=0.0),
        "none missing": replace(base, observation=replace(shown, missing=(0, 0), gap=(0, 0))),
        "one past": replace(base, observation=replace(shown, shortest_past=None)),
        "24 units": replace(base, hidden_size=24),
        # It has no spread: its errors are weighed by what noise makes unavoidable.
        "not normalised": replace(base, network=NETWORKS[0], signal=any_scale),
    }
    recipes = {SHORTER: base} | {f"{SHORTER}, {what}": each for what, each in changed.items()}
    return [Variant(name, recipe, range(2401, 2405)) for name, recipe in recipes.items()]


def _changed(recipe: Recipe, **change) -> Recipe:
    """Return the recipe with the same change to all its stages."""
    return replace(recipe, stages=tuple(replace(stage, **change) for stage in recipe.stages))


def _scaled(recipe: Recipe, factor: float) -> Recipe:
    """Return the recipe with so many times the iterations of every stage, and of its warm-up."""
    stages = tuple(
        replace(s, iterations=round(factor * s.iterations), warmup=round(factor * s.warmup))
        for s in recipe.stages
    )
    return replace(recipe, stages=stages)


def _without_curriculum(recipe: Recipe) -> Recipe:
    """Return the recipe's last stage alone, as long as all of them take."""
    last = recipe.stages[-1]
    iterations = round(recipe.iteration_steps / (recipe.past + last.horizon))
    return replace(recipe, stages=(replace(last, iterations=iterations),))
