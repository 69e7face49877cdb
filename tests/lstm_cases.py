"""LSTMs of any shape, everything that a layer computes from them, and how far apart two are."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from sinlstm_jax.kernel.layer import fused_lstm, fused_predict
from sinlstm_jax.lstm import LSTMCarry, LSTMWeights, lstm_scan, readout

SHAPES = (  # hidden, inputs, batch, steps: vectors and groups that are full, and others
    (1, 1, 1, 1),
    (8, 2, 5, 9),
    (15, 1, 23, 40),
    (33, 5, 4, 8),
    (65, 1, 11, 9),
    (128, 2, 6, 17),
    (130, 20, 3, 8),
    (200, 1, 23, 5),
    (256, 1, 5, 10),
    (64, 64, 23, 17),
)
OUTPUTS = (1, 3)  # of the linear layer that predictions are read through


def draw(seed, hidden, inputs, batch, steps, replicates=()):
    """Return fresh weights, a carry and inputs, float32, with leading replicate axes."""
    rng = np.random.default_rng(seed)
    bound = hidden**-0.5

    def uniform(*shape):
        return rng.uniform(-bound, bound, (*replicates, *shape)).astype(np.float32)

    def normal(*shape):
        return rng.normal(size=(*replicates, *shape)).astype(np.float32)

    weights = LSTMWeights(
        uniform(inputs, 4 * hidden), uniform(hidden, 4 * hidden), uniform(4 * hidden)
    )
    weights.bias[..., hidden : 2 * hidden] = 1
    carry = LSTMCarry(normal(batch, hidden) / 2, normal(batch, hidden))
    return jax.tree.map(jnp.asarray, (weights, carry, normal(steps, batch, inputs)))


def named(case):
    """Return the arrays of a case by their names."""
    weights, carry, inputs = case
    return weights._asdict() | carry._asdict() | {"inputs": inputs}


def replaced(case, **arrays):
    """Return a case with other arrays."""
    *weights, hidden, cell, inputs = (named(case) | arrays).values()
    return LSTMWeights(*weights), LSTMCarry(hidden, cell), inputs


def part(tree, *index):
    """Return the same part of all arrays of a pytree."""
    return jax.tree.map(lambda x: x[index], tree)


def results(layer, weights, carry, inputs):
    """Return a layer's final carry and outputs, and gradients of a sum that weighs them all."""

    def weigh(results):
        return sum(jnp.sum(x * jnp.cos(jnp.arange(x.size).reshape(x.shape))) for x in results)

    def total(*operands):
        carry, hidden = layer(*operands)
        return weigh((*carry, hidden)), (carry, hidden)

    gradients, outputs = jax.grad(total, argnums=(0, 1, 2), has_aux=True)(weights, carry, inputs)
    return {"outputs": outputs, "gradients": gradients}


@cache
def results_of(layer):
    """Return `results` of a layer, compiled once per shape."""
    return jax.jit(partial(results, layer))


def readout_of(weights, outputs=1):
    """Return a linear layer of fitting size."""
    return weights.hidden_kernel[..., :outputs], weights.bias[..., :outputs]


def fused(case):
    """Return all that the kernel computes from a case."""
    weights, carry, inputs = case
    predicted = [
        fused_predict(weights, *readout_of(weights, outputs), carry, inputs, len(inputs))
        for outputs in OUTPUTS
    ]
    return results_of(fused_lstm)(*case) | {"predicted": predicted}


def by_scan(case):
    """Return what `fused` should."""
    results = results_of(lstm_scan)(*case)
    carry, hidden = results["outputs"]
    predicted = [(carry, readout(*readout_of(case[0], outputs), hidden)) for outputs in OUTPUTS]
    return results | {"predicted": predicted}


def cases():
    """Return a case of each of SHAPES, and one with numbers that may be the end of a vector."""
    drawn = [draw(seed, *shape) for seed, shape in enumerate(SHAPES)]
    *_, inputs = drawn[-1]
    inputs = inputs.at[3, 2, 0].set(-1e30).at[2, 1, 0].set(jnp.inf).at[1, 0, 0].set(jnp.nan)
    return [*drawn, replaced(drawn[-1], inputs=inputs)]


def distance(ours, theirs) -> float:
    """Return how far two arrays are apart at most, relative to the largest entry of the second.

    Where one has NaN or an infinity, the other must have it too.
    """
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    assert ours.shape == theirs.shape
    finite = np.isfinite(theirs)
    np.testing.assert_array_equal(ours[~finite], theirs[~finite])
    np.testing.assert_array_equal(np.isfinite(ours), finite)
    scale = np.abs(theirs[finite]).max(initial=0)
    return float(np.abs(ours[finite] - theirs[finite]).max(initial=0) / (scale or 1))


def assert_close(ours, theirs, bound):
    """Check `distance` of all arrays of two pytrees."""
    (paths, structure), (others, same) = map(jax.tree.flatten_with_path, (ours, theirs))
    assert structure == same
    for (path, array), (_, other) in zip(paths, others, strict=True):
        far = distance(array, other)
        assert far <= bound, f"{jax.tree_util.keystr(path)} is {far} off, the bound is {bound}"


def assert_same_bits(ours, theirs):
    """Check that all arrays of two pytrees are equal, NaN where NaN is."""
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
