"""What the playground's page has to compute: JAX's scan in float64, on the page's own weights."""

import base64

import jax
import jax.numpy as jnp
import numpy as np

from sinlstm_jax.lstm import LSTMCarry, LSTMWeights, lstm_scan, readout


def arrays_in(weights):
    """Return a stage's weights of the page as float32 arrays, in the shapes of the model's."""
    arrays = jax.tree.map(lambda text: np.frombuffer(base64.b64decode(text), "<f4"), weights)
    cell, output = arrays["cell"], arrays["output"]
    size = cell["input_kernel"].size // 4
    cell["input_kernel"] = cell["input_kernel"].reshape(1, 4 * size)
    cell["hidden_kernel"] = cell["hidden_kernel"].reshape(size, 4 * size)
    output["kernel"] = output["kernel"].reshape(size, -1)
    return arrays


def float64_rollout(weights, inputs):
    """Return predictions `[time, wave]` and hidden states `[time, wave, hidden]`, float64.

    Weights are a stage's of the page, inputs `[time, wave]`.
    """
    with jax.enable_x64(True):
        arrays = jax.tree.map(lambda array: jnp.asarray(array, jnp.float64), arrays_in(weights))
        cell, output = arrays["cell"], arrays["output"]
        bias = cell["input_bias"] + cell["hidden_bias"]
        layer = LSTMWeights(cell["input_kernel"], cell["hidden_kernel"], bias)
        zeros = jnp.zeros((inputs.shape[1], cell["hidden_kernel"].shape[0]))
        inputs = jnp.asarray(inputs, jnp.float64)[:, :, None]
        _, hidden = lstm_scan(layer, LSTMCarry(zeros, zeros), inputs)
        assert hidden.dtype == jnp.float64
        predictions = readout(output["kernel"], output["bias"], hidden)
        return np.asarray(predictions)[:, :, 0], np.asarray(hidden)
