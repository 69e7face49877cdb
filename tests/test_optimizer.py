"""Muon, against its formula in float64: there each step only changes singular values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sinlstm_jax import InputError, Stage, adam

RATE, BETA = 0.02, 0.95  # Muon's usual decay
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of Jordan et al., 2024
SHAPES = {"hidden_kernel": (6, 24), "input_kernel": (1, 24), "hidden_bias": (24,)}


def gradients(steps):
    rng = np.random.default_rng(0)
    return [{name: rng.normal(size=shape) for name, shape in SHAPES.items()} for _ in range(steps)]


def updates(optimizer, steps):
    """Return what an optimizer adds to weights, step by step, which stay as they are."""
    rng = np.random.default_rng(1)
    weights = {"cell": {name: jnp.float32(rng.normal(size=x)) for name, x in SHAPES.items()}}
    state, found = optimizer.init(weights), []
    for gradient in gradients(steps):
        gradient = {"cell": jax.tree.map(jnp.float32, gradient)}
        update, state = jax.jit(optimizer.update)(gradient, state, weights)
        found.append(update["cell"])
    return found


def orthogonal(matrix):
    """Return what five steps of Newton and Schulz make of a matrix: of its singular values."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.linalg.norm(matrix)
    a, b, c = COEFFICIENTS
    for _ in range(5):
        values = a * values + b * values**3 + c * values**5
    return left * values @ right


@pytest.mark.parametrize("fraction", [1.0, 0.1])
def test_muon_by_hand(fraction):
    momentum, warmup, iterations = 0.0, 2 * (fraction < 1), 5
    schedule = {"warmup": warmup, "final_fraction": fraction, "iterations": iterations}
    found = updates(adam(0.1, 1e-8, **schedule, muon_learning_rate=RATE), 5)
    for t, (gradient, update) in enumerate(zip(gradients(5), found, strict=True), 1):
        gradient = gradient["hidden_kernel"]
        momentum = BETA * momentum + (1 - BETA) * gradient
        # The momentum as it will be after one more step with this gradient.
        ahead = BETA * momentum / (1 - BETA ** (t + 1)) + (1 - BETA) * gradient / (1 - BETA**t)
        cosine = (1 + np.cos(np.pi * (t - 1 - warmup) / (iterations - warmup))) / 2
        rate = RATE * (fraction + (1 - fraction) * cosine)
        if t <= warmup:
            rate = RATE * (t - 1) / warmup
        expected = -rate * np.sqrt(24 / 6) * orthogonal(ahead)
        np.testing.assert_allclose(update["hidden_kernel"], expected, atol=2e-5 * RATE)


def test_where_muon_trains_the_hidden_kernel_adam_trains_all_else():
    settings = {"b1": 0.8, "b2": 0.9, "nesterov": True, "warmup": 2, "final_fraction": 0.1}
    settings |= {"iterations": 6}
    alone = updates(adam(0.1, 0.02, **settings), 5)
    beside = updates(adam(0.1, 0.02, **settings, muon_learning_rate=RATE), 5)
    for one, other in zip(alone, beside, strict=True):
        for name in ("input_kernel", "hidden_bias"):
            np.testing.assert_array_equal(one[name], other[name])


def test_muon_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    # PyTorch has weights as [out, in], and iterates in bfloat16, of 8 bits.
    weight = torch.nn.Parameter(torch.zeros(24, 6))
    theirs = torch.optim.Muon([weight], lr=RATE, weight_decay=0.0, momentum=BETA)
    (update,) = updates(adam(0.1, 1e-8, muon_learning_rate=RATE), 1)
    weight.grad = torch.tensor(gradients(1)[0]["hidden_kernel"].T, dtype=torch.float32)
    theirs.step()
    off = weight.detach().numpy().T - update["hidden_kernel"]
    assert np.linalg.norm(off, 2) < 0.02 * np.linalg.norm(update["hidden_kernel"], 2)


def test_a_stage_hands_its_rate_to_muon():
    stage = Stage(5, 10, muon_learning_rate=RATE)
    assert stage.describe().endswith("epsilon 0.02, muon learning rate 0.02")
    own, expected = (
        updates(each, 1) for each in (stage.optimizer(), adam(0.001, 0.02, muon_learning_rate=RATE))
    )
    jax.tree.map(np.testing.assert_array_equal, own, expected)


def test_weights_without_such_a_matrix_are_refused():
    with pytest.raises(InputError, match=r"^muon_learning_rate is given, and no array"):
        adam(0.1, 1e-8, muon_learning_rate=RATE).init({"cell": {"kernel": jnp.zeros((3, 3))}})
