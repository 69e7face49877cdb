"""The LSTM's equations on plain arrays: one step, and the scan over a window.

They are the definition: whatever else computes an LSTM here is tested against them.
Equations: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

# float32 means float32: by default JAX multiplies matrices in TF32 or bfloat16 on GPU and TPU.
PRECISION = jax.lax.Precision.HIGHEST


class LSTMCarry(NamedTuple):
    """State of an LSTM between two steps, each `[..., hidden]`, of the weights' dtype.

    Unpacks as (hidden, cell), PyTorch's (h, c); Flax's own cells have it the other way round.
    """

    hidden: jax.Array
    cell: jax.Array


class LSTMWeights(NamedTuple):
    """Weights of an LSTM layer; gates in the order i, f, g, o, each `hidden` wide."""

    input_kernel: jax.Array  # [inputs, 4 hidden]
    hidden_kernel: jax.Array  # [hidden, 4 hidden]
    bias: jax.Array  # [4 hidden], PyTorch's two biases added up


def lstm_step(
    weights: LSTMWeights, carry: LSTMCarry, inputs: jax.Array
) -> tuple[LSTMCarry, jax.Array]:
    """Advance by one step: inputs `[..., inputs]`, output `[..., hidden]`."""
    hidden, cell = carry
    gates = jnp.matmul(inputs, weights.input_kernel, precision=PRECISION)
    gates += jnp.matmul(hidden, weights.hidden_kernel, precision=PRECISION)
    gates += jnp.broadcast_to(weights.bias, gates.shape)
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
    return LSTMCarry(hidden, cell), hidden


def lstm_scan(
    weights: LSTMWeights, carry: LSTMCarry, inputs: jax.Array
) -> tuple[LSTMCarry, jax.Array]:
    """Read a window: inputs `[time, batch, inputs]`, output `[time, batch, hidden]`."""
    return jax.lax.scan(lambda carry, x: lstm_step(weights, carry, x), carry, inputs)


def readout(kernel: jax.Array, bias: jax.Array, hidden: jax.Array) -> jax.Array:
    """Apply the linear layer behind the LSTM: hidden `[..., hidden]`, output `[..., outputs]`."""
    product = jnp.matmul(hidden, kernel, precision=PRECISION)
    return product + jnp.broadcast_to(bias, product.shape)
