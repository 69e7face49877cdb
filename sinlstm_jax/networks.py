"""The networks there are, by name: made with fresh weights, taken apart and put together."""

from functools import partial

import jax
from flax import nnx
from flax.nnx.nn import dtypes
from jaxtyping import Array, Key

from .errors import InputError, shown
from .lstm import PRECISION
from .model import FrozenBias, LSTMCell, SineLSTM, split_model
from .sensor import SensorLSTM

NETWORKS = {network.__name__: network for network in (SineLSTM, SensorLSTM)}  # as of recipe.py
CELL_WEIGHTS = ("input_kernel", "hidden_kernel", "hidden_bias")
OUTPUT_WEIGHTS = ("kernel", "bias")
# What Flax's linear layer computes with, as SineLSTM makes it.
OUTPUT_SETTINGS = {
    "precision": PRECISION,
    "dtype": None,
    "preferred_element_type": None,
    "dot_general": jax.lax.dot_general,
    "promote_dtype": dtypes.promote_dtype,
}


def network_named(name: str) -> type[SineLSTM]:
    """Return the class of a network, or raise InputError with the names there are."""
    if name not in NETWORKS:
        raise InputError(f"network is {shown(name)}: give one of {', '.join(NETWORKS)}")
    return NETWORKS[name]


def network_of(weights: dict) -> type[SineLSTM]:
    """Return the class of the network that weights are of, as its output layer tells."""
    outputs = weights["output"]["kernel"].shape[-1]
    return next(network for network in NETWORKS.values() if network.outputs == outputs)


def initial_model(
    hidden_size: int,
    key: Key[Array, ""],
    implementation: str = "auto",
    network: type[SineLSTM] = SineLSTM,
    forget_bias: float = 1.0,
) -> SineLSTM:
    """Return a fresh model, its weights drawn in one compiled program; arguments as SineLSTM's."""
    model = nnx.eval_shape(lambda: network(hidden_size, implementation=implementation))
    return nnx.merge(nnx.graphdef(model), *_initial_arrays(key, hidden_size, network, forget_bias))


@partial(jax.jit, static_argnames=("hidden_size", "network", "forget_bias"))
def _initial_arrays(
    key: Key[Array, ""], hidden_size: int, network, forget_bias: float
) -> tuple[dict, dict]:
    settings = {"forget_bias": forget_bias, "implementation": "scan"}
    return split_model(network(hidden_size, rngs=nnx.Rngs(key), **settings))[1:]


def abstract_model(hidden_size: int, network: type[SineLSTM] = SineLSTM):
    """Return `split_model` of a model of that size, with shapes in place of arrays."""
    return split_model(nnx.eval_shape(lambda: network(hidden_size)))


def take_apart(model: SineLSTM) -> tuple[nnx.GraphDef | str, tuple]:
    """Return (structure, arrays), of which `put_together` makes the model again.

    For what is called often: Flax takes a model apart in 0.2 ms. One of NETWORKS is told by its
    implementation, and its arrays are read as they lie there; others go through Flax.
    """
    if not _is_as_made(model):
        structure, state = nnx.split(model)
        return structure, (state,)
    cell, output = model.cell, model.output
    weights = {
        "cell": {name: getattr(cell, name).get_raw_value() for name in CELL_WEIGHTS},
        "output": {name: getattr(output, name).get_raw_value() for name in OUTPUT_WEIGHTS},
    }
    frozen = {"cell": {"input_bias": cell.input_bias.get_raw_value()}}
    return model.implementation, (weights, frozen)


def put_together(structure: nnx.GraphDef | str, arrays: tuple) -> SineLSTM:
    """Return a model of what `take_apart` returned; to be called where a program is traced."""
    if isinstance(structure, str):
        network, size = network_of(arrays[0]), arrays[0]["output"]["kernel"].shape[0]
        model = nnx.eval_shape(lambda: network(size, implementation="scan"))
        model.implementation = structure
        structure = nnx.graphdef(model)
    return nnx.merge(structure, *arrays)


def _is_as_made(model: SineLSTM) -> bool:
    """Tell whether a model's parts and variables are as made here, with no hooks of Flax."""
    cell, output = model.cell, model.output
    known = type(model) in NETWORKS.values()
    if not known or (type(cell), type(output)) != (LSTMCell, nnx.Linear):
        return False
    variables = [getattr(cell, name) for name in (*CELL_WEIGHTS, "input_bias")]
    variables += [getattr(output, name) for name in OUTPUT_WEIGHTS]
    return vars(output).items() >= OUTPUT_SETTINGS.items() and all(
        type(variable) in (nnx.Param, FrozenBias) and "on_get_value" not in variable.get_metadata()
        for variable in variables
    )
