"""What docs/porting.md says about Flax and JAX themselves, and that its links hold."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from sinlstm_jax import LSTMCell, SineLSTM, adam, generate_sample

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "porting.md").read_text()


def test_flax_carries_cell_state_first_and_ours_last():
    inputs = jnp.ones((2, 1))
    flax_cell = nnx.LSTMCell(1, 3, rngs=nnx.Rngs(0))
    carry, output = flax_cell(flax_cell.initialize_carry((2, 1), nnx.Rngs(0)), inputs)
    np.testing.assert_array_equal(carry[1], output)  # (c, h)
    our_cell = LSTMCell(1, 3, rngs=nnx.Rngs(0))
    carry, output = our_cell(our_cell.initialize_carry((2, 1)), inputs)
    np.testing.assert_array_equal(carry[0], output)  # (h, c)


def test_flax_has_one_bias_and_ours_two():
    def biases(cell):
        leaves = jax.tree.leaves_with_path(nnx.state(cell))
        return sum(x.size for path, x in leaves if "bias" in jax.tree_util.keystr(path))

    gates = 4 * 3
    assert biases(nnx.LSTMCell(1, 3, rngs=nnx.Rngs(0))) == gates
    assert biases(LSTMCell(1, 3, rngs=nnx.Rngs(0))) == 2 * gates


def test_flax_draws_input_weights_seven_times_wider():
    hidden_size = 15
    flax_cells = [nnx.LSTMCell(1, hidden_size, rngs=nnx.Rngs(seed)) for seed in range(100)]
    wide = np.std([cell.ii.kernel[...] for cell in flax_cells])
    narrow = 1 / np.sqrt(3 * hidden_size)  # of U(-1/sqrt(hidden), 1/sqrt(hidden))
    assert 6 < wide / narrow < 7.5


@pytest.mark.parametrize("gradient", [1e-4, 0.02, 3.0])
def test_epsilon_stands_outside_the_root(gradient):
    """After one step both corrected moments are those of the one gradient."""
    learning_rate, epsilon = 0.001, 0.02
    optimizer = adam(learning_rate, epsilon)
    weight = jnp.zeros(())
    step, _ = optimizer.update(jnp.asarray(gradient), optimizer.init(weight), weight)
    np.testing.assert_allclose(step, -learning_rate * gradient / (gradient + epsilon), rtol=3e-5)
    inside = optax.adam(learning_rate, eps=0, eps_root=epsilon)
    other, _ = inside.update(jnp.asarray(gradient), inside.init(weight), weight)
    assert abs(other / step - 1) > 0.004


def test_masking_an_optimizer_does_not_freeze():
    weights = {"free": jnp.ones(()), "masked": jnp.ones(())}
    masked = optax.masked(optax.sgd(0.1), {"free": True, "masked": False})
    updates, _ = masked.update(weights, masked.init(weights), weights)
    assert updates["masked"] == 1  # the raw gradient passes through


def test_numpy_waves_are_float64_and_ours_float32():
    assert generate_sample(rng=np.random.RandomState(0))[1].dtype == np.float64
    assert {x.dtype for x in jax.tree.leaves(nnx.state(SineLSTM()))} == {np.dtype(np.float32)}


def test_the_pages_links_point_at_the_tests_they_name():
    links = re.findall(r"\[`(test_\w+)`\]\(\.\./tests/(test_\w+\.py)#L(\d+)\)", PAGE)
    assert len(links) >= 12
    for name, file, line in links:
        text = (ROOT / "tests" / file).read_text().splitlines()[int(line) - 1]
        assert text.startswith(f"def {name}("), f"{name} is not at {file}:{line}"
    assert len(links) == PAGE.count("../tests/test_")
