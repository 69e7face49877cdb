"""What training lowers: the mean squared error, or, where the spread is learnt, a likelihood."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float

# A batch for training: inputs, targets and, where not all count alike, what each target counts.
Batch = tuple[Float[Array | np.ndarray, "time batch 1"], ...]


def loss_of(
    weights: dict, error_floor: float | None, beta: float = 0.0
) -> Callable[..., Float[Array, ""]]:
    """Return what training lowers for such weights, of (structure, weights, frozen, batch)."""
    if error_floor is None or not has_spread(weights):
        return mean_squared_error
    return partial(negative_log_likelihood, error_floor=error_floor, beta=beta)


def has_spread(weights: dict) -> bool:
    """Tell whether weights are of a model that forecasts its spread."""
    return weights["output"]["kernel"].shape[-1] > 1


def mean_squared_error(
    structure: nnx.GraphDef, weights: dict, frozen: dict, batch: Batch
) -> Float[Array, ""]:
    """Return the mean squared error over the whole window, past and future.

    Where a batch has weights, it is the weighted mean. A spread that is forecast, too, is left out.
    """
    inputs, targets, *counted = batch
    predictions = nnx.merge(structure, weights, frozen)(inputs)
    if predictions.shape[-1] > 1:
        predictions = predictions[..., :1]
    return _mean(jnp.square(predictions - targets), *counted)


def negative_log_likelihood(
    structure: nnx.GraphDef,
    weights: dict,
    frozen: dict,
    batch: Batch,
    error_floor: float,
    beta: float = 0.0,
) -> Float[Array, ""]:
    """Return the mean of -log N(target; forecast, spread^2 + error_floor), less its constant.

    The floor is a squared error, in the targets' units: what is forecast better than that gains
    little, and cannot drown the rest (Nix and Weigend, 1994, with a bound). Of a model that
    forecasts its spread, `[time, batch, 2]`. Each term is weighed by its variance to the power
    `beta`, taken as a constant: at 1 the forecast follows the gradient of its squared error
    (Seitzer et al., On the Pitfalls of Heteroscedastic Uncertainty Estimation, 2022).

    With a `beta`, spreads below the floor are learnt, too: the gradient is that of
    -log N(target; forecast, spread^2), each term weighed by spread^2 / (spread^2 + error_floor),
    taken as a constant, besides. The forecast's is the same either way, and the spread's leads its
    square to the squared error that is to be expected.
    """
    inputs, targets, *counted = batch
    predictions = nnx.merge(structure, weights, frozen)(inputs)
    forecast, spread = jnp.split(predictions, 2, axis=-1)
    square, floored = jnp.square(forecast - targets), jnp.square(spread) + error_floor
    terms = (square / floored + jnp.log(floored)) / 2
    if beta:
        terms = jax.lax.stop_gradient(floored**beta) * _below_the_floor_too(
            terms, square, spread, floored
        )
    return _mean(terms, *counted)


def _below_the_floor_too(terms: Array, square: Array, spread: Array, floored: Array) -> Array:
    """Return the terms of a likelihood with a gradient that learns spreads below its floor."""
    floored = jax.lax.stop_gradient(floored)
    pull = jax.lax.stop_gradient((jnp.square(spread) - square) / floored)  # d term / d log(spread)
    log_spread = jnp.log(jnp.maximum(spread, jnp.finfo(spread.dtype).tiny))
    moving = square / floored / 2 + pull * log_spread
    return moving + jax.lax.stop_gradient(terms - moving)


def _mean(terms: Array, counted: Array | np.ndarray | None = None) -> Float[Array, ""]:
    """Return the mean of terms, by what each counts."""
    if counted is None:
        return jnp.mean(terms)
    return jnp.sum(counted * terms) / jnp.maximum(jnp.sum(counted), jnp.finfo(counted.dtype).tiny)
