"""The LSTM's equations on plain arrays: one step, and the scan over a window.

They are the definition: whatever else computes an LSTM here is tested against them.
Equations: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# float32 means float32: by default JAX multiplies matrices in TF32 or bfloat16 on GPU and TPU.
PRECISION = jax.lax.Precision.HIGHEST


class LSTMCarry(NamedTuple):
    """State of an LSTM between two steps, of the weights' dtype.

    Unpacks as (hidden, cell), PyTorch's (h, c); Flax's own cells have it the other way round.
    """

    hidden: Float[Array, "*batch hidden"]
    cell: Float[Array, "*batch hidden"]


class LSTMWeights(NamedTuple):
    """Weights of an LSTM layer; gates in the order i, f, g, o, each `hidden` wide."""

    input_kernel: Float[Array, "inputs 4*hidden"]
    hidden_kernel: Float[Array, "hidden 4*hidden"]
    bias: Float[Array, " 4*hidden"]  # PyTorch's two biases added up


def lstm_step(
    weights: LSTMWeights, carry: LSTMCarry, inputs: Float[Array, "*batch inputs"]
) -> tuple[LSTMCarry, Float[Array, "*batch hidden"]]:
    """Advance by one step: the next carry, and its hidden part as the output."""
    hidden, cell = carry
    gates = jnp.matmul(inputs, weights.input_kernel, precision=PRECISION)
    gates += jnp.matmul(hidden, weights.hidden_kernel, precision=PRECISION)
    gates += jnp.broadcast_to(weights.bias, gates.shape)
    i, f, g, o = jnp.split(gates, 4, axis=-1)
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
    return LSTMCarry(hidden, cell), hidden


def lstm_scan(
    weights: LSTMWeights, carry: LSTMCarry, inputs: Float[Array, "time batch inputs"]
) -> tuple[LSTMCarry, Float[Array, "time batch hidden"]]:
    """Read a window: the carry after it, and the outputs of all its steps."""
    return jax.lax.scan(lambda carry, x: lstm_step(weights, carry, x), carry, inputs)


def readout(
    kernel: Float[Array, "hidden outputs"],
    bias: Float[Array, " outputs"],
    hidden: Float[Array, "*batch hidden"],
) -> Float[Array, "*batch outputs"]:
    """Apply the linear layer behind the LSTM."""
    product = jnp.matmul(hidden, kernel, precision=PRECISION)
    return product + jnp.broadcast_to(bias, product.shape)
