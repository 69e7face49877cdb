"""The comparisons with PyTorch, shared by the golden fixtures and the live ones."""

import itertools
from typing import NamedTuple

import jax
import numpy as np

from sinlstm_jax import adam, init_state, params_from_torch, sample_batches, train_stage
from sinlstm_jax.model import split_model
from sinlstm_jax.torch_weights import arrays_to_torch
from sinlstm_jax.training import mean_squared_error

PAST = 100
WINDOWS = (150, 200, 300, 500)
BATCH_SIZES = (1, 20)
DTYPES = ("float32", "float64")
ITERATIONS = 200


class Setting(NamedTuple):
    """One of the tutorial's two settings of training."""

    horizon: int
    learning_rate: float
    epsilon: float


SETTINGS = (Setting(50, 0.001, 0.02), Setting(400, 0.0005, 0.04))


class Bounds(NamedTuple):
    """How far apart the two sides may be."""

    outputs: float  # absolute
    loss: float  # relative
    gradients: float  # relative to an array's largest entry
    weights: float  # absolute, after ITERATIONS of Adam


FRESH = {"float32": Bounds(1e-6, 1e-6, 1e-5, 1e-5), "float64": Bounds(*[1e-12] * 4)}
TRAINED = {"float32": 1e-4, "float64": 1e-10}  # outputs, absolute


def passes():
    """Return all cases of one pass: (window, batch size, dtype)."""
    return list(itertools.product(WINDOWS, BATCH_SIZES, DTYPES))


def batch_for(seed: int, window: int, batch_size: int, dtype: str):
    """Return the batch of a case, (inputs, targets)."""
    rng = np.random.RandomState([seed, window, batch_size])
    return next(sample_batches(rng, batch_size, PAST, window - PAST, dtype))


def batches_for(seed: int, setting: Setting, dtype: str):
    """Return the tutorial's own batch stream."""
    return sample_batches(np.random.RandomState(seed), 20, PAST, setting.horizon, dtype)


def cast(weights: dict, dtype: str) -> dict:
    return {name: value.astype(dtype) for name, value in weights.items()}


def compare_pass(weights: dict, batch, expected: dict, dtype: str) -> None:
    """Check outputs, loss and gradients from fresh weights."""
    bounds = FRESH[dtype]
    with jax.enable_x64(dtype == "float64"):
        structure, trainable, frozen = split_model(params_from_torch(cast(weights, dtype)))
        loss, gradients = jax.jit(
            jax.value_and_grad(mean_squared_error, argnums=1), static_argnums=0
        )(structure, trainable, frozen, batch)
        outputs = outputs_of(weights, batch, dtype)
        assert outputs.dtype == loss.dtype == dtype
    np.testing.assert_allclose(outputs, expected["outputs"], rtol=0, atol=bounds.outputs)
    np.testing.assert_allclose(loss, expected["loss"], rtol=bounds.loss)
    named = arrays_to_torch(gradients, frozen)
    del named["lstm.bias_ih_l0"]  # frozen: PyTorch has no gradient there, and neither have we
    for name, gradient in named.items():
        largest = np.abs(expected[name]).max()
        np.testing.assert_allclose(
            gradient, expected[name], rtol=0, atol=bounds.gradients * largest, err_msg=name
        )


def outputs_of(weights: dict, batch, dtype: str) -> np.ndarray:
    """Return our predictions for a batch's inputs."""
    with jax.enable_x64(dtype == "float64"):
        model = params_from_torch(cast(weights, dtype))
        return np.asarray(model(jax.numpy.asarray(batch[0])))


def train(weights: dict, batches, iterations: int, setting: Setting, dtype: str):
    """Return (losses, final weights by PyTorch's names) of our training on given batches."""
    with jax.enable_x64(dtype == "float64"):
        model = params_from_torch(cast(weights, dtype))
        optimizer = adam(setting.learning_rate, setting.epsilon)
        (state,) = train_stage(
            init_state(model, optimizer, iterations),
            batches,
            pause_every=(iterations,),
            structure=split_model(model)[0],
            optimizer=optimizer,
        )
        return np.asarray(state.losses), arrays_to_torch(state.weights, state.frozen)


def compare_training(weights, batches, setting, expected_losses, expected_weights, dtype) -> None:
    """Check losses and weights of ITERATIONS of Adam from fresh weights."""
    bounds = FRESH[dtype]
    losses, final = train(weights, batches, ITERATIONS, setting, dtype)
    assert losses.dtype == dtype
    np.testing.assert_allclose(losses, expected_losses, rtol=0, atol=bounds.weights)
    for name, value in final.items():
        np.testing.assert_allclose(
            value, expected_weights[name], rtol=0, atol=bounds.weights, err_msg=name
        )
