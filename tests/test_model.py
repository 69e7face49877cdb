import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
from flax import nnx

from sinlstm_jax import (
    FrozenBias,
    InputError,
    LSTMCarry,
    LSTMCell,
    SensorLSTM,
    SineLSTM,
    sample_batch,
    stepper,
)
from sinlstm_jax.loss import mean_squared_error
from sinlstm_jax.model import split_model
from sinlstm_jax.recipes import RECIPES
from sinlstm_jax.runs.replicates import fresh_models


@pytest.fixture
def model(implementation):
    """A model whose frozen bias is not zero, so that a lost bias shows."""
    model = SineLSTM(5, rngs=nnx.Rngs(3), implementation=implementation)
    model.cell.input_bias[...] = jnp.linspace(-0.5, 0.5, 20)
    return model


@pytest.fixture
def reference(model):
    return reference_lstm.arrays(*split_model(model)[1:])


def test_forward_pass_is_that_of_a_float64_lstm(model, reference):
    inputs, _ = sample_batch(jax.random.key(0), 4, 60, 40)
    predictions = model(inputs)
    assert predictions.shape == (100, 4, 1)
    assert predictions.dtype == jnp.float32
    np.testing.assert_allclose(predictions, reference_lstm.forward(reference, inputs), atol=1e-6)


def test_loss_and_gradients_are_those_of_a_float64_lstm(model, reference):
    batch = sample_batch(jax.random.key(1), 3, 20, 10)
    structure, weights, frozen = split_model(model)
    loss, gradients = jax.value_and_grad(mean_squared_error, argnums=1)(
        structure, weights, frozen, batch
    )
    np.testing.assert_allclose(loss, reference_lstm.loss(reference, *batch), rtol=1e-6)
    named = reference_lstm.arrays(gradients, frozen)
    for name in ("w_ih", "w_hh", "b_hh", "w_out", "b_out"):
        expected = reference_lstm.gradient(reference, *batch, name)
        np.testing.assert_allclose(named[name], expected, atol=1e-6, rtol=1e-4, err_msg=name)


def test_initial_weights_are_drawn_as_pytorch_draws_them():
    hidden_size = 200
    _, weights, frozen = split_model(SineLSTM(hidden_size, rngs=nnx.Rngs(0)))
    bound = 1 / np.sqrt(hidden_size)
    cell = weights["cell"]
    forget = np.arange(4 * hidden_size) // hidden_size == 1
    np.testing.assert_array_equal(cell["hidden_bias"][forget], 1)
    np.testing.assert_array_equal(frozen["cell"]["input_bias"], np.zeros(4 * hidden_size))
    drawn = {
        "input_kernel": cell["input_kernel"],
        "hidden_kernel": cell["hidden_kernel"],
        "hidden_bias": cell["hidden_bias"][~forget],
        "output kernel": weights["output"]["kernel"],
    }
    for name, array in drawn.items():
        unit = np.sort(np.asarray(array, np.float64).ravel()) / bound
        assert -1 <= unit[0] and unit[-1] < 1, name
        distance = np.abs(unit - np.linspace(-1, 1, unit.size)).max() / 2
        assert distance < 1.95 / np.sqrt(unit.size), name  # Kolmogorov-Smirnov, as in signals
    assert abs(weights["output"]["bias"][0]) <= bound


def test_a_forget_bias_is_what_the_gate_begins_with_and_changes_nothing_else():
    plain, longer = (
        split_model(SineLSTM(6, rngs=nnx.Rngs(1), **given))[1:]
        for given in ({}, {"forget_bias": 3})
    )
    gates = np.array(plain[0]["cell"]["hidden_bias"]).reshape(4, 6)
    gates[1] = 3
    plain[0]["cell"]["hidden_bias"] = gates.ravel()
    jax.tree.map(np.testing.assert_array_equal, longer, plain)
    with pytest.raises(InputError, match=r"^forget_bias is inf: give a finite number"):
        SineLSTM(6, forget_bias=np.inf)


def test_a_recipes_models_begin_with_its_forget_bias():
    sensor = RECIPES["sensor"]
    for recipe, bias in ((replace(sensor, forget_bias=3), 3), (sensor, 1)):
        (model,) = fresh_models(recipe, [1], "scan")
        gates = np.asarray(model.cell.hidden_bias).reshape(4, recipe.hidden_size)
        np.testing.assert_array_equal(gates[1], bias)


def test_output_bias_has_the_spread_of_the_weights():
    draws = [SineLSTM(4, rngs=nnx.Rngs(seed)).output.bias[0] for seed in range(200)]
    assert 0.45 < np.max(draws) <= 0.5
    assert -0.5 <= np.min(draws) < -0.45


def test_weights_follow_the_seed():
    first, again, other = (
        SineLSTM(rngs=nnx.Rngs(seed)).cell.hidden_kernel[...] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_frozen_bias_is_no_parameter():
    assert not issubclass(FrozenBias, nnx.Param)
    _, weights, frozen = split_model(SineLSTM())
    assert jax.tree.map(jnp.shape, frozen) == {"cell": {"input_bias": (60,)}}
    assert jax.tree.map(jnp.shape, weights) == {
        "cell": {"hidden_bias": (60,), "hidden_kernel": (15, 60), "input_kernel": (1, 60)},
        "output": {"bias": (1,), "kernel": (15, 1)},
    }


def test_the_cell_works_inside_flax_rnn():
    cell = LSTMCell(2, 3, rngs=nnx.Rngs(0))
    inputs = jax.random.normal(jax.random.key(0), (7, 4, 2))
    carry, outputs = nnx.RNN(cell, time_major=True, return_carry=True)(inputs)
    expected_carry = LSTMCarry(jnp.zeros((4, 3)), jnp.zeros((4, 3)))
    for step, x in enumerate(inputs):
        expected_carry, expected = cell(expected_carry, x)
        np.testing.assert_allclose(outputs[step], expected, atol=1e-6)
    assert isinstance(carry, LSTMCarry)
    np.testing.assert_allclose(carry.cell, expected_carry.cell, atol=1e-6)


def test_matrix_products_ask_for_full_precision(model):
    jaxpr = jax.make_jaxpr(lambda x: model.step(model.initial_carry(2), x))(jnp.zeros((2, 1)))
    products = [e for e in jaxpr.jaxpr.eqns if e.primitive.name == "dot_general"]
    assert len(products) == 3
    highest = jax.lax.Precision.HIGHEST
    assert all(e.params["precision"] == (highest, highest) for e in products)


@pytest.mark.parametrize("hidden_size", [0, -3, 1.5, True])
def test_bad_hidden_sizes_are_named(hidden_size):
    with pytest.raises(InputError, match=f"^hidden_size is {hidden_size}"):
        SineLSTM(hidden_size)


@pytest.mark.parametrize("network", [SineLSTM, SensorLSTM])
@pytest.mark.parametrize("shape", [(), (6,), (6, 2), (6, 2, 2), (6, 2, 1, 1)])
def test_a_window_of_another_shape_is_named_with_the_way_out(network, shape):
    complaint = rf"^inputs have shape {re.escape(str(shape))}: give \[time, batch, 1\], such as x\."
    with pytest.raises(InputError, match=complaint):
        network(3)(np.zeros(shape, np.float32))


@pytest.mark.parametrize("network", [SineLSTM, SensorLSTM])
@pytest.mark.parametrize("implementation", ["scan", "auto"])
def test_inputs_of_a_wider_dtype_than_the_weights_are_named_on_one_line(network, implementation):
    model = network(3, implementation=implementation)
    narrow = model(np.zeros((6, 2, 1), np.float32))
    complaint = r"^inputs are float64, and the model's weights float32: give inputs.astype\('float3"
    with jax.enable_x64(True):
        window = np.zeros((6, 2, 1))
        with pytest.raises(InputError, match=complaint):
            model(window)
        with pytest.raises(InputError, match=complaint):
            stepper(model)(model.initial_carry(2), window[0])
        np.testing.assert_array_equal(model(window.astype("float32")), narrow)
    with pytest.raises(
        InputError, match=r"have shape \(2,\): give \[batch, 1\], such as x.reshape"
    ):
        stepper(model)(model.initial_carry(2), np.zeros(2, np.float32))
