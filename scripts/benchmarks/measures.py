"""What is measured in one process, with all sides in it."""

import jax

from .plan import Plan
from .sides import Setting, ours_of
from .timing import alternate, ratio, spread, spreads


def measure(plan: Plan, sides: dict, say) -> dict:
    """Return every figure that needs no process of its own; `say` prints a line of progress."""
    jax.config.update("jax_enable_compilation_cache", False)  # compilations are to be real ones
    return {
        "training_iteration": {
            str(setting.window): training_iteration(plan, sides, setting, say)
            for setting in stage_settings(plan.recipe)
        },
        "rollout": [rollout(plan, sides, *sizes, say) for sizes in plan.rollouts],
        "streaming_step": streaming_step(plan, sides, say),
        "replicates": replicates(plan, sides, say),
        "cost": cost(plan, sides, say),
        "compilation": compilation(plan, sides, say),
    }


def stage_settings(recipe) -> list[Setting]:
    """Return the sizes of a recipe's stages."""
    sizes = (recipe.hidden_size, recipe.batch_size, recipe.past)
    return [
        Setting(recipe.past + stage.horizon, *sizes, stage.learning_rate, stage.epsilon)
        for stage in recipe.stages
    ]


def training_iteration(plan: Plan, sides: dict, setting: Setting, say) -> dict:
    """Return times of an iteration, ratios to PyTorch's, and times of our iteration's parts."""
    ours = ours_of(sides)
    parts = sides[ours].parts(setting)
    works = {name: side.training(setting) for name, side in sides.items()}
    timings = alternate(works | parts, plan.seconds, plan.repeats)
    whole, parts = ({name: timings[name] for name in names} for names in (sides, parts))
    together = [sum(times) for times in zip(*(p.seconds for p in parts.values()), strict=True)]
    result = {
        "seconds": spreads(whole),
        **_beside_pytorch(whole),
        "parts": spreads(parts),
        "parts_together": spread(together),
        "ratio_to_parts": ratio(whole[ours].seconds, together),
    }
    say(f"training iteration, window {setting.window}", result)
    return result


def rollout(plan: Plan, sides: dict, batch_size: int, steps: int, say) -> dict:
    """Return times of a forecast step; a rollout that would take too long is begun, not ended."""
    seconds = plan.rollout_seconds if batch_size * steps > 100_000 else plan.seconds
    works = {name: side.rollout(batch_size, steps) for name, side in sides.items()}
    timings = alternate(works, seconds, plan.repeats)
    result = {
        "batch_size": batch_size,
        "steps": steps,
        "seconds": spreads(timings),
        "steps_measured": {name: min(timing.amount, steps) for name, timing in timings.items()},
        **_beside_pytorch(timings),
    }
    if "fused" in timings:
        result["ratio_to_scan"] = ratio(timings["scan"].seconds, timings["fused"].seconds)
    say(f"rollout step, batch {batch_size}, {steps} steps", result)
    return result


def streaming_step(plan: Plan, sides: dict, say) -> dict:
    """Return times of one step called from Python, from a number to a number."""
    works = {name: side.streaming() for name, side in sides.items()}
    timings = alternate(works, plan.seconds, plan.repeats)
    result = {"seconds": spreads(timings), **_beside_pytorch(timings)}
    say("streaming step", result)
    return result


def replicates(plan: Plan, sides: dict, say) -> dict:
    """Return times of an iteration by replicate, at the recipe's first window."""
    setting = stage_settings(plan.recipe)[0]
    ours = {name: side for name, side in sides.items() if hasattr(side, "replicates")}
    result = {"window": setting.window, "seconds": {}}
    for count in plan.replicates:
        works = {name: side.replicates(setting, count) for name, side in ours.items()}
        seconds = spreads(alternate(works, plan.seconds, plan.repeats))
        result["seconds"][str(count)] = seconds
        say(f"iteration by replicate, {count} at once", {"seconds": seconds})
    return result


def cost(plan: Plan, sides: dict, say) -> dict:
    """Return times of an iteration against its sizes, around the recipe's first setting."""
    settings = stage_settings(plan.recipe)
    windows = {setting.window for setting in settings} | {*plan.windows}

    def measured(size: str, value: int) -> dict:
        setting = settings[0]._replace(**{size: value})
        works = {name: side.training(setting) for name, side in sides.items()}
        seconds = spreads(alternate(works, plan.seconds, plan.repeats))
        say(f"training iteration, {size} {value}", {"seconds": seconds})
        return seconds

    values = {
        "window": sorted(windows) if plan.windows else (),
        "hidden_size": plan.hidden_sizes,
        "batch_size": plan.batch_sizes,
    }
    return {
        size: {str(value): measured(size, value) for value in points}
        for size, points in values.items()
    }


def compilation(plan: Plan, sides: dict, say) -> dict:
    """Return seconds that our training needs to be traced and compiled, by window."""
    ours = sides[ours_of(sides)]
    first = stage_settings(plan.recipe)[0]
    works = {
        str(window): ours.compilation(first._replace(window=window)) for window in plan.compilations
    }
    works[str(plan.compilations[0])].run(1)  # the first of a process takes longer
    timings = alternate(works, plan.seconds, plan.starts)
    shortest, longest = min(plan.compilations), max(plan.compilations)
    result = {
        "seconds": spreads(timings),
        "longest_to_shortest": ratio(timings[str(longest)].seconds, timings[str(shortest)].seconds),
    }
    say("compilation, by window", result)
    return result


def _beside_pytorch(timings: dict) -> dict:
    """Return how many times faster than PyTorch the sides are; null without PyTorch."""
    if "PyTorch" not in timings:
        return {"ratio_to_pytorch": None, "ratios_to_pytorch": {}}
    others = {name: timing.seconds for name, timing in timings.items()}
    theirs = others.pop("PyTorch")
    ratios = {name: ratio(theirs, seconds) for name, seconds in others.items()}
    return {"ratio_to_pytorch": ratios[ours_of(timings)].median, "ratios_to_pytorch": ratios}
