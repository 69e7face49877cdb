"""The models that ship with the package, by the names of their recipes."""

from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.traverse_util import flatten_dict, unflatten_dict

from ..errors import InputError, shown
from ..model import SineLSTM, split_model
from ..networks import abstract_model, network_of
from ..recipes import SHIPPED

FOLDER = "pretrained"  # of the package


def load_pretrained(name: str = SHIPPED[0]) -> SineLSTM:
    """Load a model that ships with the package: of a recipe, with the default seed.

    Args:
      name: the recipe's; of those in `SHIPPED`, the first one if not given.

    Raises:
      InputError: no such model ships.
    """
    if name not in SHIPPED:
        raise InputError(
            f"name is {shown(name)}: give one of {', '.join(SHIPPED)}, or load_model a folder"
        )
    with resources.files("sinlstm_jax").joinpath(FOLDER, f"{name}.npz").open("rb") as file:
        trees = unflatten_dict(jax.tree.map(jnp.asarray, dict(np.load(file))), sep="/")
    weights = trees["weights"]
    size = weights["cell"]["hidden_kernel"].shape[0]
    structure, *_ = abstract_model(size, network_of(weights))
    return nnx.merge(structure, weights, trees["frozen"])


def save_pretrained(model: SineLSTM, path: str | Path) -> None:
    """Write a model's arrays to an .npz file, under names such as `weights/cell/hidden_bias`."""
    _, weights, frozen = split_model(model)
    arrays = flatten_dict({"weights": weights, "frozen": frozen}, sep="/")
    np.savez(path, **arrays)  # pyright: ignore  (it fears an array called allow_pickle)
