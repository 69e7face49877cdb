"""Several networks as one that answers with the mean of their answers."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from flax import nnx

from .errors import InputError, positive_number
from .model import SineLSTM, lstm_model, split_model
from .networks import abstract_model
from .sensor import with_spread

GATES = 4


def ensemble_of(models: Sequence[SineLSTM]) -> SineLSTM:
    """Return one network that answers with the mean of several networks' answers.

    Its units are those of all of them side by side, none of which sees another's: the kernels of
    the carry stand along a diagonal. So it is a network as any other, for all that takes one. Of
    SensorLSTMs the forecast is the mean, and each part of the spread the geometric mean.

    Args:
      models: networks of one class and dtype; their sizes may differ.

    Raises:
      InputError: there are none, they are of several classes, or one has another cell than ours.
    """
    if not models:
        raise InputError("there are no models: give at least one")
    networks = {type(lstm_model(model)) for model in models}
    if len(networks) > 1:
        names = " and ".join(sorted(each.__name__ for each in networks))
        raise InputError(f"the models are of {names}: give those of one class")
    parts = [split_model(model)[1:] for model in models]
    weights, frozen = zip(*parts, strict=True)
    size = sum(model.hidden_size for model in models)
    cells = [each["cell"] for each in weights]
    outputs = [each["output"] for each in weights]
    joined = {
        "cell": {
            "input_kernel": _side_by_side([each["input_kernel"] for each in cells]),
            "hidden_kernel": _along_a_diagonal([each["hidden_kernel"] for each in cells]),
            "hidden_bias": _side_by_side([each["hidden_bias"] for each in cells]),
        },
        "output": {
            "kernel": jnp.concatenate([each["kernel"] for each in outputs]) / len(models),
            "bias": sum(each["bias"] for each in outputs) / len(models),
        },
    }
    biases = {"cell": {"input_bias": _side_by_side([x["cell"]["input_bias"] for x in frozen])}}
    structure, _, _ = abstract_model(size, networks.pop())
    return nnx.merge(structure, joined, biases)


def widened(model: SineLSTM, factor: float) -> SineLSTM:
    """Return a SensorLSTM whose spread is so many times as wide.

    Raises:
      InputError: the model does not say how sure it is, or factor is not a finite number above 0.
    """
    factor = positive_number("factor", factor)
    structure, weights, frozen = split_model(with_spread(model))
    bias = weights["output"]["bias"]
    weights["output"]["bias"] = bias.at[1:].add(float(np.log(factor)))  # it answers with logs
    return nnx.merge(structure, weights, frozen)


def _side_by_side(arrays):
    """Join gates, `[..., 4 * hidden]` each: all input gates first, as the equations split them."""
    parts = [array.reshape(*array.shape[:-1], GATES, -1) for array in arrays]
    joined = jnp.concatenate(parts, axis=-1)
    return joined.reshape(*joined.shape[:-2], -1)


def _along_a_diagonal(kernels):
    """Join kernels `[hidden, 4 * hidden]`, with zeros from one network's units to another's."""
    sizes = [kernel.shape[0] for kernel in kernels]
    rows = [
        _side_by_side(
            [kernel if j == i else jnp.zeros((sizes[i], GATES * sizes[j]), kernel.dtype)
             for j in range(len(kernels))]
        )
        for i, kernel in enumerate(kernels)
    ]  # fmt: skip
    return jnp.concatenate(rows)
