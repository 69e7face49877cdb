"""Who takes part: each side is a class in a module of its own library, imported only as it loads.

A side has some of these methods, each returning work to be timed: `training(setting)`,
`rollout(batch_size, steps)`, `streaming()`. What it cannot do has no method. One that compiles what
it does has `try_out()`, which raises where that fails.
"""

from importlib import import_module
from typing import NamedTuple

EAGER = ("PyTorch", "PyTorch, 1 thread")  # what ratios to PyTorch are to, the faster of them
OURS = ("fused", "scan")
ONE_THREAD = ", 1 thread"  # ends the names of sides that are for several cores only
# Name -> (module, class, its arguments). Tables and pictures keep this order.
SIDES = {
    "fused": ("ours", "Side", "fused"),
    "scan": ("ours", "Side", "scan"),
    "PyTorch": ("pytorch", "Side"),
    "PyTorch, 1 thread": ("pytorch", "Side", 1),
    "PyTorch, LSTMCell": ("pytorch", "Cell"),
    "PyTorch, LSTMCell, 1 thread": ("pytorch", "Cell", 1),
    "PyTorch, one call": ("pytorch", "OneCall"),
    "PyTorch, one call, 1 thread": ("pytorch", "OneCall", 1),
    "PyTorch, compiled": ("torch_compiled", "Side"),
    "PyTorch, compiled, 1 thread": ("torch_compiled", "Side", 1),
    "nnx.RNN": ("flax_nnx", "Side"),
    "ONNX Runtime": ("onnx_runtime", "Side"),
    "NumPy": ("numpy_loop", "Side"),
    "numba": ("numba_loop", "Side"),
}


class Setting(NamedTuple):
    """Sizes of a training iteration; the tutorial's, unless said otherwise."""

    window: int
    hidden_size: int = 15
    batch_size: int = 20
    past: int = 100
    learning_rate: float = 0.001
    epsilon: float = 0.02

    @property
    def horizon(self) -> int:
        return self.window - self.past


def stage_settings(recipe) -> list[Setting]:
    """Return the sizes of a recipe's stages."""
    sizes = (recipe.hidden_size, recipe.batch_size, recipe.past)
    return [
        Setting(recipe.past + stage.horizon, *sizes, stage.learning_rate, stage.epsilon)
        for stage in recipe.stages
    ]


def load_side(name: str):
    """Return a side, or raise ImportError or ValueError where it cannot be had."""
    module, kind, *arguments = SIDES[name]
    return getattr(import_module(f".{module}", __package__), kind)(*arguments)


def load_sides(cores: int) -> tuple[dict, dict[str, str]]:
    """Return (the sides there are by name, why each of the others is missing)."""
    sides, missing = {}, {}
    for name in SIDES:
        if cores == 1 and name.endswith(ONE_THREAD):
            continue  # it is the side without this ending
        try:
            side = load_side(name)
            if hasattr(side, "try_out"):
                side.try_out()
        except Exception as error:  # a compiler's may be any
            missing[name] = str(error).strip().split("\n")[0] or type(error).__name__
        else:
            sides[name] = side
    return sides, missing


def ours_of(names) -> str:
    """Return the implementation that `auto` takes here, given the sides there are."""
    return "fused" if "fused" in names else "scan"
