"""The LSTM cell, the network around it, its initial weights, and what is frozen."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, PyTree

from .errors import InputError, checked_size, finite_number, shown
from .kernel.choice import choose_implementation
from .kernel.layer import fused_lstm, fused_predict
from .lstm import PRECISION, LSTMCarry, LSTMWeights, lstm_scan, lstm_step


class FrozenBias(nnx.Variable):
    """A bias that training never touches; not an `nnx.Param`, so no gradient ever sees it."""


class LSTMCell(nnx.RNNCellBase):
    """One step of an LSTM with PyTorch's equations, gate order i, f, g, o, and both its biases.

    Every weight is drawn from U(-1/sqrt(hidden), 1/sqrt(hidden)) as `torch.nn.LSTM` does. Then
    the hidden bias of the forget gate becomes `forget_bias`, and the input bias becomes 0 and is
    frozen.

    Equations: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, forget_bias: float = 1.0, rngs: nnx.Rngs
    ):
        self.input_size = input_size
        self.hidden_size = hidden_size
        gates = 4 * hidden_size
        uniform = torch_uniform(hidden_size)
        forget = slice(hidden_size, 2 * hidden_size)
        self.input_kernel = nnx.Param(uniform(rngs.params(), (input_size, gates)))
        self.hidden_kernel = nnx.Param(uniform(rngs.params(), (hidden_size, gates)))
        self.hidden_bias = nnx.Param(uniform(rngs.params(), (gates,)).at[forget].set(forget_bias))
        self.input_bias = FrozenBias(jnp.zeros((gates,), jnp.float32))

    def __call__(
        self, carry: LSTMCarry, inputs: Float[Array, "*batch {self.input_size}"]
    ) -> tuple[LSTMCarry, Float[Array, "*batch {self.hidden_size}"]]:
        """Advance by one step: the next carry, and its hidden part as the output."""
        return lstm_step(self.weights, carry, inputs)

    @property
    def weights(self) -> LSTMWeights:
        """The weights as the equations take them, with the two biases added up."""
        return LSTMWeights(
            self.input_kernel[...],
            self.hidden_kernel[...],
            self.input_bias[...] + self.hidden_bias[...],
        )

    def initialize_carry(self, input_shape, rngs=None, carry_init=None) -> LSTMCarry:
        """Return the zero carry for inputs of `input_shape`, `[..., input_size]`."""
        del rngs, carry_init  # of Flax's interface; PyTorch starts from zero
        shape = (*input_shape[:-1], self.hidden_size)
        zeros = jnp.zeros(shape, self.hidden_kernel[...].dtype)
        return LSTMCarry(zeros, zeros)

    @property
    def num_feature_axes(self) -> int:
        return 1


class SineLSTM(nnx.Module):
    """An LSTM that reads one number a step and a linear layer that answers with one.

    Args:
      hidden_size: units of the LSTM.
      rngs: source of the initial weights; `nnx.Rngs(0)` if not given.
      forget_bias: the hidden bias of the forget gate, at first: a step keeps its sigmoid of what is
        carried.
      implementation: what computes the LSTM: "scan", "fused" (the CPU kernel), or "auto", which
        is fused where it can be. The attribute `implementation` holds the choice; as part of the
        model's structure it is static wherever the model is compiled.

    Raises:
      InputError: hidden_size is not a whole number from 1 to MAX_HIDDEN_SIZE, forget_bias not
        finite, or the implementation is unknown or cannot be had here.
    """

    outputs = 1  # of the linear layer, a step

    def __init__(
        self,
        hidden_size: int = 15,
        *,
        rngs: nnx.Rngs | None = None,
        forget_bias: float = 1.0,
        implementation: str = "auto",
    ):
        self.hidden_size = checked_size("hidden_size", hidden_size)
        self.implementation = choose_implementation(implementation, self.hidden_size)
        rngs = nnx.Rngs(0) if rngs is None else rngs
        uniform = torch_uniform(self.hidden_size)
        forget_bias = finite_number("forget_bias", forget_bias)
        self.cell = LSTMCell(1, self.hidden_size, forget_bias=forget_bias, rngs=rngs)
        self.output = nnx.Linear(
            self.hidden_size,
            self.outputs,
            kernel_init=uniform,
            bias_init=uniform,
            precision=PRECISION,
            rngs=rngs,
        )

    def initial_carry(self, batch_size: int) -> LSTMCarry:
        """Return the carry before anything was seen, `[batch, hidden]`."""
        return self.cell.initialize_carry((batch_size, 1))

    def step(
        self, carry: PyTree, inputs: Float[Array, "batch 1"]
    ) -> tuple[PyTree, Float[Array, "batch {self.outputs}"]]:
        """Advance by one step: the cell's next carry, and predictions."""
        carry, hidden = self.cell(carry, inputs)
        return carry, self.output(hidden)

    def __call__(self, inputs: "Array | np.ndarray") -> Float[Array, "time batch {self.outputs}"]:
        """Predict a whole window `[time, batch, 1]` at once.

        Raises:
          InputError: inputs are of another shape, or of a wider dtype than the weights.
        """
        inputs = self.checked(inputs, "[time, batch, 1]", "x.reshape(len(x), -1, 1)")
        layer = fused_lstm if self.implementation == "fused" else lstm_scan
        carry = self.cell.initialize_carry(inputs.shape[1:])
        _, hidden = layer(self.cell.weights, carry, inputs)
        return self.output(hidden)

    def checked(self, inputs, wanted: str, way_out: str) -> Array:
        """Return inputs in JAX, or raise InputError where they are of no shape as wanted.

        Nor may they be of a wider dtype than the weights: an LSTM's carry has one dtype.
        """
        inputs, dtype = jnp.asarray(inputs), self.output.kernel[...].dtype
        if inputs.ndim != wanted.count(",") + 1 or inputs.shape[-1] != 1:
            raise InputError(f"inputs have shape {inputs.shape}: give {wanted}, such as {way_out}")
        if jnp.promote_types(inputs.dtype, dtype) != dtype:
            raise InputError(
                f"inputs are {inputs.dtype}, and the model's weights {dtype}: give "
                f"inputs.astype({dtype.name!r})"
            )
        return inputs

    def predict(
        self, carry: PyTree, inputs: Float[Array, "time batch 1"], steps: int
    ) -> tuple[PyTree, Float[Array, "{steps} batch {self.outputs}"]]:
        """Predict step by step from a carry, with no memory of the steps but the predictions.

        Inputs are `[steps, batch, 1]`, or `[1, batch, 1]` to be repeated. One call for n and one
        for m steps give the bits of one for n + m.
        """
        if self.implementation == "fused":
            assert self.output.bias is not None  # as it may be in a Linear
            kernel, bias = self.output.kernel[...], self.output.bias[...]
            return fused_predict(self.cell.weights, kernel, bias, carry, inputs, steps)
        # The output layer is applied inside the step: after the scan, on all steps at once, it
        # rounds differently for different lengths.
        if inputs.shape[0] == 1:
            return jax.lax.scan(lambda carry, _: self.step(carry, inputs[0]), carry, None, steps)
        return jax.lax.scan(self.step, carry, inputs)


def split_model(
    model: SineLSTM, trainable: nnx.filterlib.Filter = nnx.Param
) -> tuple[nnx.GraphDef, dict, dict]:
    """Take a model apart: (structure, trainable weights, frozen ones), the last two as dicts.

    `nnx.merge(structure, weights, frozen)` puts it together again. Another filter makes other
    weights trainable: `(nnx.Param, FrozenBias)` the input bias too.
    """
    structure, weights, frozen = nnx.split(model, trainable, ...)
    return structure, nnx.to_pure_dict(weights), nnx.to_pure_dict(frozen)


def checked_model(model) -> SineLSTM:
    """Return a model, or raise InputError if it is none."""
    if not isinstance(model, SineLSTM):
        raise InputError(f"the model is {shown(model)}: give a SineLSTM")
    return model


def lstm_model(model) -> SineLSTM:
    """Return a model with an LSTMCell, as files and streams hold it, or raise InputError."""
    cell = checked_model(model).cell
    if not isinstance(cell, LSTMCell):
        raise InputError(f"the model's cell is a {type(cell).__name__}: only an LSTMCell is taken")
    return model


def torch_uniform(hidden_size: int):
    """Return an initializer for U(-1/sqrt(hidden), 1/sqrt(hidden)), as in PyTorch."""
    bound = hidden_size**-0.5

    def initialize(key, shape, dtype=jnp.float32, out_sharding=None):
        return jax.random.uniform(key, shape, dtype, -bound, bound, out_sharding=out_sharding)

    return initialize
