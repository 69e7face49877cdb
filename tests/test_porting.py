"""What docs/porting.md says about Flax and JAX themselves, and that its links hold."""

import re
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch_equations
from flax import nnx
from porting_page import PAGE, another_network

from sinlstm_jax import LSTMCell, SineLSTM, adam, generate_sample

ROOT = Path(__file__).parents[1]
BOTH_LAYERS = ("l0", "l0_reverse", "l1", "l1_reverse")


def waves(features, steps=12, batch=3):
    """Return inputs `[time, batch, feature]`, float32."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(steps, batch, features)).astype(np.float32)


def test_flaxs_lstm_cell_is_pytorchs_in_eight_layers():
    weights, inputs = torch_equations.draw(4, 2, 3), waves(2)
    cell = nnx.LSTMCell(2, 3, rngs=nnx.Rngs(0))
    assert set(nnx.to_pure_dict(nnx.state(cell))) == set("ii if_ ig io hi hf hg ho".split())
    for names, name in (("ii if_ ig io", "weight_ih_l0"), ("hi hf hg ho", "weight_hh_l0")):
        for layer, part in zip(names.split(), np.split(weights[name].T, 4, axis=1), strict=True):
            getattr(cell, layer).kernel[...] = part
    biases = np.split(weights["bias_ih_l0"] + weights["bias_hh_l0"], 4)
    for layer, part in zip("hi hf hg ho".split(), biases, strict=True):
        getattr(cell, layer).bias[...] = part
    (c, h), outputs = nnx.RNN(cell, time_major=True, return_carry=True)(inputs)
    expected, last_h, last_c = torch_equations.lstm(weights, inputs)
    for ours, theirs in ((outputs, expected), (h, last_h), (c, last_c)):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


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


@pytest.mark.slow
def test_flax_draws_input_weights_seven_times_wider():
    hidden_size = 15
    flax_cells = [nnx.LSTMCell(1, hidden_size, rngs=nnx.Rngs(seed)) for seed in range(100)]
    wide = np.std([cell.ii.kernel[...] for cell in flax_cells])
    narrow = 1 / np.sqrt(3 * hidden_size)  # of U(-1/sqrt(hidden), 1/sqrt(hidden))
    assert 6 < wide / narrow < 7.5


def test_flax_draws_orthogonal_hidden_kernels_and_zero_biases():
    cell = nnx.LSTMCell(1, 15, rngs=nnx.Rngs(0))
    for layer in (cell.hi, cell.hf, cell.hg, cell.ho):
        kernel = np.asarray(layer.kernel[...], np.float64)
        np.testing.assert_allclose(kernel @ kernel.T, np.eye(15), atol=1e-5)
        assert not layer.bias[...].any()


@pytest.mark.parametrize("gradient", [1e-4, 0.02, 3.0])
def test_epsilon_stands_outside_the_root(gradient):
    """After one step both corrected moments are those of the one gradient."""
    learning_rate, epsilon = 0.001, 0.02
    optimizer = adam(learning_rate, epsilon)
    weight = jnp.zeros(())
    step, _ = optimizer.update(jnp.asarray(gradient), optimizer.init(weight), weight)
    np.testing.assert_allclose(step, -learning_rate * gradient / (gradient + epsilon), rtol=1e-5)
    inside = optax.adam(learning_rate, eps=0, eps_root=epsilon)
    other, _ = inside.update(jnp.asarray(gradient), inside.init(weight), weight)
    assert abs(other / step - 1) > 0.004


def test_optax_corrects_the_bias_in_float32_and_first_steps_are_shorter():
    """Of equal gradients every step is one learning rate, but for rounding and the epsilon."""
    optimizer = adam(1.0, 1e-30)
    weight = jnp.zeros(())
    state, shorter = optimizer.init(weight), []
    for _ in range(1000):
        step, state = optimizer.update(jnp.ones(()), state, weight)
        shorter.append(1 + float(step))
    assert 6.4e-6 < shorter[0] < 7e-6  # 1 - float32(0.999) is 1.3e-5 too small, and its root enters
    assert 9.5e-6 < shorter[1] < 1.05e-5
    assert np.abs(shorter).max() < 1.2e-5


def test_masking_an_optimizer_does_not_freeze():
    weights = {"free": jnp.ones(()), "masked": jnp.ones(())}
    masked = optax.masked(optax.sgd(0.1), {"free": True, "masked": False})
    updates, _ = masked.update(weights, masked.init(weights), weights)
    assert updates["masked"] == 1  # the raw gradient passes through


def test_numpy_waves_are_float64_and_ours_float32():
    assert generate_sample(rng=np.random.RandomState(0))[1].dtype == np.float64
    assert {x.dtype for x in jax.tree.leaves(nnx.state(SineLSTM()))} == {np.dtype(np.float32)}


def test_float64_is_cut_without_x64_and_only_a_request_for_it_warns():
    assert jnp.asarray(np.ones(3)).dtype == np.float32
    with pytest.warns(UserWarning, match="dtype float64.* is not available"):
        assert jnp.asarray(np.ones(3), jnp.float64).dtype == np.float32


def test_flaxs_rnn_is_batch_major_unless_told():
    cell, inputs = nnx.LSTMCell(2, 3, rngs=nnx.Rngs(0)), waves(2)
    time_major = nnx.RNN(cell, time_major=True)(inputs)
    np.testing.assert_allclose(nnx.RNN(cell)(inputs.swapaxes(0, 1)), time_major.swapaxes(0, 1))


def test_the_pages_layers_are_pytorchs_equations():
    inputs = waves(6)
    weights = torch_equations.draw(4, 6, 3, BOTH_LAYERS)
    expected = inputs
    for layer in ("l0", "l1"):
        expected, *_ = torch_equations.bidirectional_lstm(weights, expected, layer)
    outputs = another_network(weights=weights, inputs=inputs)["outputs"]
    np.testing.assert_allclose(outputs, expected, atol=2e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_pages_gru_is_pytorchs_equations(dtype):
    inputs = waves(6).astype(dtype)
    weights = torch_equations.draw(3, 6, 4)
    expected, last = torch_equations.gru(weights, inputs)
    with jax.enable_x64(dtype == "float64"):
        cell = page()["gru_cell"]({name: array.astype(dtype) for name, array in weights.items()})
        h, outputs = nnx.RNN(cell, time_major=True, return_carry=True)(inputs)
    assert outputs.dtype == dtype
    bound = 2e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(outputs, expected, atol=bound)
    np.testing.assert_allclose(h, last, atol=bound)


def test_a_gru_with_its_biases_added_up_is_another():
    """Flax's stock cell has the one bias of the inputs, which the reset gate does not scale."""
    inputs, weights = waves(6), torch_equations.draw(3, 6, 4)
    cell = nnx.GRUCell(6, 4, rngs=nnx.Rngs(0))
    assert cell.dense_i.bias.shape == (3 * 4,) and cell.dense_h.bias is None
    cell.dense_i.kernel[...] = weights["weight_ih_l0"].T
    cell.dense_h.kernel[...] = weights["weight_hh_l0"].T
    cell.dense_i.bias[...] = weights["bias_ih_l0"] + weights["bias_hh_l0"]
    outputs = nnx.RNN(cell, time_major=True)(inputs)
    assert np.abs(outputs - torch_equations.gru(weights, inputs)[0]).max() > 0.02
    # It is PyTorch's only where b_hn is zero, or sits with the inputs.
    summed = weights | {
        "bias_ih_l0": weights["bias_ih_l0"] + weights["bias_hh_l0"],
        "bias_hh_l0": np.zeros(12),
    }
    np.testing.assert_allclose(outputs, torch_equations.gru(summed, inputs)[0], atol=2e-6)


def test_a_reversed_rnn_answers_last_step_first_unless_keep_order():
    inputs, weights = waves(6), torch_equations.draw(4, 6, 3)
    expected = torch_equations.lstm(weights, inputs[::-1])[0][::-1]
    cell = page()["lstm_cell"](weights)
    rnn = nnx.RNN(cell, time_major=True, reverse=True)
    np.testing.assert_allclose(rnn(inputs, keep_order=True), expected, atol=2e-6)
    np.testing.assert_allclose(rnn(inputs)[::-1], expected, atol=2e-6)


def test_a_projection_folds_into_the_hidden_kernel():
    inputs, weights = waves(6), torch_equations.draw(4, 6, 5, projection=2)
    expected, *_ = torch_equations.lstm(weights, inputs)
    np.testing.assert_allclose(folded_projection(weights, inputs), expected, atol=2e-6)


def folded_projection(weights, inputs):
    """Return the outputs of an LSTM with `proj_size`, from a stock cell without one."""
    folded = weights | {"weight_hh_l0": weights["weight_hh_l0"] @ weights["weight_hr_l0"]}
    rnn = nnx.RNN(page()["lstm_cell"](folded), time_major=True)
    return rnn(inputs) @ weights["weight_hr_l0"].T


def test_seq_lengths_end_the_carry_and_turn_at_the_end_but_mask_no_output():
    inputs, lengths = waves(6), np.array([7, 12, 9])  # in no order
    weights = torch_equations.draw(4, 6, 3, BOTH_LAYERS[:2])
    rnn = page()["bidirectional"](weights)
    carries, outputs = rnn(inputs, seq_lengths=jnp.asarray(lengths), return_carry=True)
    for b, length in enumerate(lengths):
        alone = torch_equations.bidirectional_lstm(weights, inputs[:length, b : b + 1])
        np.testing.assert_allclose(outputs[:length, b], alone[0][:, 0], atol=2e-6)
        for way, (c, h) in enumerate(carries):
            np.testing.assert_allclose(h[b], alone[1][way, 0], atol=2e-6)
            np.testing.assert_allclose(c[b], alone[2][way, 0], atol=2e-6)
        assert np.abs(outputs[length:, b]).min(initial=1) > 0  # PyTorch has zeros there


def test_stock_cells_take_their_precision_from_outside():
    def precisions():
        cell = nnx.OptimizedLSTMCell(2, 3, rngs=nnx.Rngs(0))
        program = jax.make_jaxpr(cell)((jnp.zeros((1, 3)), jnp.zeros((1, 3))), jnp.zeros((1, 2)))
        products = [e for e in program.eqns if e.primitive.name == "dot_general"]
        assert len(products) == 2
        return {product.params["precision"] for product in products}

    assert precisions() == {None}
    with jax.default_matmul_precision("highest"):
        assert precisions() == {(jax.lax.Precision.HIGHEST,) * 2}


@cache
def page():
    """Return the names of the page's code on another network, run on some weights."""
    return another_network(
        weights=torch_equations.draw(4, 6, 3, BOTH_LAYERS), inputs=jnp.asarray(waves(6))
    )


def test_the_pages_links_point_at_the_tests_they_name():
    links = re.findall(r"\[`(test_\w+)`\]\(\.\./tests/([\w/]+\.py)#L(\d+)\)", PAGE)
    assert len(links) >= 12
    for name, file, line in links:
        text = (ROOT / "tests" / file).read_text().splitlines()[int(line) - 1]
        assert text.startswith(f"def {name}("), f"{name} is not at {file}:{line}"
    assert len(links) == PAGE.count("](../tests/")
