"""Who takes part: each side is a module with a class Side, which imports its library."""

from importlib import import_module
from typing import NamedTuple

# Name -> (module, implementation). Tables and pictures keep this order.
SIDES = {
    "fused": ("ours", "fused"),
    "scan": ("ours", "scan"),
    "PyTorch": ("pytorch", None),
    "nnx.RNN": ("flax_nnx", None),
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


def load_side(name: str):
    """Return a side, or raise ModuleNotFoundError or ValueError where it cannot be had."""
    module, implementation = SIDES[name]
    side = import_module(f".{module}", __package__).Side
    return side(implementation) if implementation else side()


def load_sides() -> tuple[dict, dict[str, str]]:
    """Return (the sides there are by name, why each of the others is missing)."""
    sides, missing = {}, {}
    for name in SIDES:
        try:
            sides[name] = load_side(name)
        except (ModuleNotFoundError, ValueError) as error:
            missing[name] = str(error)
    return sides, missing


def ours_of(names) -> str:
    """Return the implementation that `auto` takes here, given the sides there are."""
    return "fused" if "fused" in names else "scan"
