"""The scan, which is the definition, against an LSTM in float64."""

import jax
import jax.numpy as jnp
import lstm_cases
import numpy as np
import pytest
import reference_lstm

from sinlstm_jax.lstm import lstm_scan, lstm_step, readout


def reference_of(weights):
    names = zip(("w_ih", "w_hh", "b_hh"), weights, strict=True)
    return {name: np.asarray(x, np.float64) for name, x in names} | {
        "b_ih": np.zeros(1).repeat(weights.bias.size)
    }


@pytest.mark.parametrize(
    ("hidden", "inputs", "batch", "steps"), [(1, 1, 1, 1), (15, 1, 20, 40), (64, 8, 3, 20)]
)
def test_the_scan_is_a_float64_lstm_from_any_carry(hidden, inputs, batch, steps):
    weights, carry, window = lstm_cases.draw(0, hidden, inputs, batch, steps)
    last, outputs = lstm_scan(weights, carry, window)
    start = (np.asarray(x, np.float64) for x in carry)
    h, c = reference_lstm.states(reference_of(weights), window, *start)
    lstm_cases.assert_close((outputs, *last), (h, h[-1], c[-1]), 1e-6)


def test_the_scans_gradients_are_a_float64_lstms():
    weights, carry, window = lstm_cases.draw(0, 5, 2, 3, 8)
    gradients = jax.grad(
        lambda weights, carry, window: sum(
            jnp.sum(jnp.sin(x)) for x in jax.tree.leaves(lstm_scan(weights, carry, window))
        ),
        argnums=(0, 1, 2),
    )(weights, carry, window)
    ours = dict(zip(("w_ih", "w_hh", "b_hh"), gradients[0], strict=True))
    ours |= {"h": gradients[1].hidden, "c": gradients[1].cell, "x": gradients[2]}
    values = reference_of(weights) | {"h": carry.hidden, "c": carry.cell, "x": window}
    values = {name: np.asarray(x, np.float64) for name, x in values.items()}

    def total(v):
        h, c = reference_lstm.states(v, v["x"], v["h"], v["c"])
        return np.sin(h).sum() + np.sin(h[-1]).sum() + np.sin(c[-1]).sum()

    for name, gradient in ours.items():
        slopes = np.empty(gradient.shape)
        for index in np.ndindex(*slopes.shape):
            step = np.zeros(slopes.shape)
            step[index] = 1e-6
            high, low = (total(values | {name: values[name] + s * step}) for s in (1, -1))
            slopes[index] = (high - low) / 2e-6
        assert lstm_cases.distance(gradient, slopes) <= 1e-6, name


def test_the_scan_is_one_step_after_the_other():
    weights, carry, window = lstm_cases.draw(0, 6, 1, 3, 4)
    last, outputs = lstm_scan(weights, carry, window)
    for x, output in zip(window, outputs, strict=True):
        carry, hidden = lstm_step(weights, carry, x)
        np.testing.assert_allclose(hidden, output, atol=1e-6)
    lstm_cases.assert_close(carry, last, 1e-6)


def test_the_readout_is_linear():
    kernel, bias = jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([10.0, 20.0])
    hidden = jnp.array([[1.0, 0.0], [0.5, -1.0]])
    np.testing.assert_array_equal(readout(kernel, bias, hidden), [[11, 22], [7.5, 17]])
