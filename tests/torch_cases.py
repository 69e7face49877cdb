"""The comparisons with PyTorch, shared by the golden fixtures and the live ones."""

import itertools
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from sinlstm_jax import (
    SineLSTM,
    adam,
    init_state,
    params_from_torch,
    sample_batches,
    train_stage,
)
from sinlstm_jax.formats.torch_weights import arrays_to_torch
from sinlstm_jax.loss import mean_squared_error
from sinlstm_jax.model import split_model

DATA = Path(__file__).parent / "data" / "torch_fixtures.npz"
PAST = 100
WINDOWS = (150, 200, 300, 500)
BATCH_SIZES = (1, 20)
DTYPES = ("float32", "float64")
SIDES = (("float32", "scan"), ("float32", "fused"), ("float64", "scan"))  # dtype, implementation
ITERATIONS = 200


class Setting(NamedTuple):
    """One of the tutorial's two settings of training."""

    horizon: int
    learning_rate: float
    epsilon: float


SETTINGS = (Setting(50, 0.001, 0.02), Setting(400, 0.0005, 0.04))


class Distances(NamedTuple):
    """How far apart the two sides are, or may be."""

    outputs: float  # absolute
    loss: float  # relative
    gradients: float  # relative to an array's largest entry
    weights: float = 0.0  # after ITERATIONS of Adam, absolute, like their losses


FRESH = {"float32": Distances(1e-6, 1e-6, 1e-5, 1e-5), "float64": Distances(*[1e-12] * 4)}
TRAINED = {"float32": Distances(*[1e-4] * 3), "float64": Distances(*[1e-10] * 3)}  # of one pass


@cache
def fixtures() -> dict[str, np.ndarray]:
    """Return what PyTorch computed when tests/data was made."""
    return dict(np.load(DATA))


def fixture(prefix: str) -> dict[str, np.ndarray]:
    """Return the arrays under `prefix/`, by the rest of their names."""
    start = prefix + "/"
    return {n.removeprefix(start): array for n, array in fixtures().items() if n.startswith(start)}


def seeds(prefix: str) -> list[int]:
    """Return the seeds of the fixtures under `prefix/`."""
    return sorted({int(name.split("/")[1]) for name in fixtures() if name.startswith(prefix + "/")})


def golden_pass(seed: int, window: int, batch_size: int, dtype: str, implementation: str):
    """Return how far one pass with a seed's fresh weights is from its fixture: Distances."""
    expected = fixture(f"pass/{seed}/{window}/{batch_size}/{dtype}")
    batch = batch_for(seed, window, batch_size, dtype)
    return pass_distances(fixture(f"initial/{seed}"), batch, expected, dtype, implementation)


def golden_trained_pass(window: int, batch_size: int, dtype: str, implementation: str):
    """Return how far one pass with the trained weights is from its fixture: Distances."""
    expected = fixture(f"trained pass/{window}/{batch_size}/{dtype}")
    batch = batch_for(0, window, batch_size, dtype)
    return pass_distances(fixture("trained"), batch, expected, dtype, implementation)


def golden_training(seed: int, setting: Setting, dtype: str, implementation: str) -> float:
    """Return how far ITERATIONS of Adam are from their fixture."""
    return training_distance(
        fixture(f"initial/{seed}"),
        batches_for(seed, setting, dtype),
        setting,
        fixture(f"adam/{seed}/{setting.horizon}/{dtype}"),
        dtype,
        implementation,
    )


def passes():
    """Return all cases of one pass: (window, batch size, dtype)."""
    return list(itertools.product(WINDOWS, BATCH_SIZES, DTYPES))


def passes_of_sides():
    """Return all cases of one pass by one of SIDES: (window, batch size, dtype, implementation)."""
    return [(*sizes, *side) for *sizes, side in itertools.product(WINDOWS, BATCH_SIZES, SIDES)]


def batch_for(seed: int, window: int, batch_size: int, dtype: str):
    """Return the batch of a case, (inputs, targets)."""
    rng = np.random.RandomState([seed, window, batch_size])
    return next(sample_batches(rng, batch_size, PAST, window - PAST, dtype))


def batches_for(seed: int, setting: Setting, dtype: str):
    """Return the tutorial's own batch stream."""
    return sample_batches(np.random.RandomState(seed), 20, PAST, setting.horizon, dtype)


def model_of(weights: dict, dtype: str, implementation: str) -> SineLSTM:
    """Return a model of one side."""
    model = params_from_torch({name: value.astype(dtype) for name, value in weights.items()})
    model.implementation = implementation
    return model


# Compiled once per shape, not once per seed.
_loss_and_gradients = jax.jit(
    jax.value_and_grad(mean_squared_error, argnums=1), static_argnames="structure"
)


@partial(jax.jit, static_argnames="structure")
def _predictions(structure, weights, frozen, inputs):
    return nnx.merge(structure, weights, frozen)(inputs)


def pass_distances(
    weights: dict, batch, expected: dict, dtype: str, implementation: str
) -> Distances:
    """Compare outputs, loss and gradients of one pass."""
    with jax.enable_x64(dtype == "float64"):
        parts = split_model(model_of(weights, dtype, implementation))
        loss, gradients = _loss_and_gradients(*parts, batch)
        named = arrays_to_torch(gradients, parts[-1])
    outputs = outputs_of(weights, batch, dtype, implementation)
    assert outputs.dtype == loss.dtype == dtype
    del named["lstm.bias_ih_l0"]  # frozen: PyTorch has no gradient there, and neither have we
    assert set(named) | {"outputs", "loss"} == set(expected)
    return Distances(
        distance(outputs, expected["outputs"]),
        distance(loss, expected["loss"]) / abs(expected["loss"]),
        max(distance(named[n], expected[n]) / np.abs(expected[n]).max() for n in named),
    )


def distance(ours, theirs) -> float:
    """Return the largest absolute difference of two arrays of one shape."""
    assert np.shape(ours) == np.shape(theirs)
    return float(np.abs(np.asarray(ours) - theirs).max())


def outputs_of(weights: dict, batch, dtype: str, implementation: str) -> np.ndarray:
    """Return our predictions for a batch's inputs."""
    with jax.enable_x64(dtype == "float64"):
        parts = split_model(model_of(weights, dtype, implementation))
        return np.asarray(_predictions(*parts, batch[0]))


def train(
    weights: dict, batches, iterations: int, setting: Setting, dtype: str, implementation: str
):
    """Return (losses, final weights by PyTorch's names) of our training on given batches."""
    with jax.enable_x64(dtype == "float64"):
        model = model_of(weights, dtype, implementation)
        optimizer = adam(setting.learning_rate, setting.epsilon)
        (state,) = train_stage(
            init_state(model, optimizer, iterations),
            batches,
            pause_every=(iterations,),
            structure=split_model(model)[0],
            optimizer=optimizer,
        )
        return np.asarray(state.losses), arrays_to_torch(state.weights, state.frozen)


def training_distance(
    weights: dict, batches, setting, expected: dict, dtype: str, implementation: str
) -> float:
    """Compare losses and final weights of ITERATIONS of Adam."""
    losses, final = train(weights, batches, ITERATIONS, setting, dtype, implementation)
    assert losses.dtype == dtype
    ours = final | {"losses": losses}
    assert set(ours) == set(expected)
    return max(distance(ours[name], expected[name]) for name in ours)


def assert_within(distances: Distances, bounds: Distances) -> None:
    """Check distances against their bounds, FRESH's or TRAINED's."""
    for name, value, bound in zip(Distances._fields, distances, bounds, strict=True):
        assert value <= bound, f"{name} are {value} apart, the bound is {bound}"
