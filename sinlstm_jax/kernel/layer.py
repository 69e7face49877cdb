"""The fused LSTM layer as JAX primitives: differentiable, batched, and a scan where it must be."""

import functools
import logging
import math

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from ..lstm import LSTMCarry, LSTMWeights, lstm_scan, readout
from .library import MAX_HIDDEN_SIZE, NativeUnavailable, load

SAVED, PADDING, CHUNK = 6, 16, 8  # as in lstm.cc
MAX_SAVED_SIZE = 6 * 2**20  # floats that forward keeps for backward at the most, and
MAX_REPEATED_UNITS = 96  # the units up to which it computes again what would be more
REPLACED = "the plain scan replaces the kernel"


def fused_lstm(
    weights: LSTMWeights, carry: LSTMCarry, inputs: Float[Array, "time batch inputs"]
) -> tuple[LSTMCarry, Float[Array, "time batch hidden"]]:
    """Compute `lstm_scan` in one call of the kernel: what it takes, what it returns.

    Where the kernel cannot (no compiler, other dtypes or devices, over MAX_HIDDEN_SIZE units or
    inputs, in an export) it is the scan itself, and a log line says so once. Under `jax.vmap` the
    replicates are spread over the cores. A series' numbers do not depend, to the bit, on what
    else is in its batch. The kernel has the gradient; forward mode and second derivatives are the
    scan's.
    """
    weights, carry, inputs = _alike((weights, carry, inputs))
    operands = (inputs, *weights, *carry)
    if not _fits(operands):
        return lstm_scan(weights, carry, inputs)
    hidden, *last, _saved = _bind(_forward_p, operands)
    return LSTMCarry(*last), hidden


def fused_predict(
    weights: LSTMWeights,
    kernel: Float[Array, "hidden outputs"],
    bias: Float[Array, " outputs"],
    carry: LSTMCarry,
    inputs: Float[Array, "time batch inputs"],
    steps: int,
) -> tuple[LSTMCarry, Float[Array, "{steps} batch outputs"]]:
    """Read a window and apply the linear layer at every step, in constant memory beyond the output.

    Inputs are `[steps, batch, inputs]`, or `[1, batch, inputs]` to be repeated; outputs are one or
    more. Where the kernel cannot, it is the scan, as in `fused_lstm`, which is also what computes
    it where it is differentiated.
    """
    weights, kernel, bias, carry, inputs = _alike((weights, kernel, bias, carry, inputs))
    operands = (inputs, *weights, kernel.T, bias, *carry)  # an output's weights lie together
    if _fits(operands):
        predictions, *last = _bind(_predict_p, operands, steps=steps)
    else:
        results = _predict_by_scan(*(x[None] for x in operands), steps=steps)
        predictions, *last = (x[0] for x in results)
    return LSTMCarry(*last), predictions


def _alike(tree):
    """Turn leaves into arrays that, in `jax.shard_map`, vary over the same axes of the mesh.

    JAX's own operations see to that themselves. Without it gradients of what all devices share
    would not be added up.
    """
    arrays, structure = jax.tree.flatten(jax.tree.map(jnp.asarray, tree))
    varying = [jax.typeof(x).mat.varying for x in arrays]
    axes = frozenset().union(*varying)
    arrays = [
        jax.lax.pcast(x, tuple(axes - own), to="varying")
        for x, own in zip(arrays, varying, strict=True)
    ]
    return structure.unflatten(arrays)


def _fits(operands) -> bool:
    """Tell whether the kernel knows these dtypes and sizes; if not, say so once."""
    inputs, _, hidden_kernel, *_ = operands
    dtypes = {x.dtype for x in operands}
    size = max(hidden_kernel.shape[0], inputs.shape[-1])
    if dtypes != {jnp.dtype(jnp.float32)}:
        say_once(REPLACED, f"it computes in float32, not {' and '.join(sorted(map(str, dtypes)))}")
    elif size > MAX_HIDDEN_SIZE:
        say_once(REPLACED, f"it takes at most {MAX_HIDDEN_SIZE} units and inputs, not {size}")
    else:
        return inputs.size > 0
    return False


@functools.cache
def say_once(what: str, reason: str) -> None:
    """Log a warning, the first time only."""
    logging.getLogger("sinlstm_jax").warning("%s: %s", what, reason)


# The same computations as the kernel's, by scan. Arrays have a leading replicate axis, as there.


def _forward_by_scan(inputs, input_kernel, hidden_kernel, bias, hidden0, cell0):
    weights = LSTMWeights(input_kernel, hidden_kernel, bias)
    carry, hidden = jax.vmap(lstm_scan)(weights, LSTMCarry(hidden0, cell0), inputs)
    saved = jnp.zeros(saved_shape(*hidden.shape), inputs.dtype)  # no one needs it
    return hidden, carry.hidden, carry.cell, saved


def saved_shape(replicates: int, steps: int, batch: int, hidden: int) -> tuple[int, ...]:
    """Return the shape of what forward keeps for backward, by which the kernel knows what it is.

    It is all activations, or, where they would outgrow the caches, the cell before every chunk of
    steps: backward then computes the activations again. The results are the same to the bit.
    """
    padded = -(-hidden // PADDING) * PADDING
    everything = (replicates, batch, steps, SAVED, padded)
    if hidden > MAX_REPEATED_UNITS or math.prod(everything) <= MAX_SAVED_SIZE:
        return everything
    return (replicates, batch, -(-steps // CHUNK), 1, padded)


def _backward_by_scan(*operands):
    """Pull back from what the forward pass was given, what it gave, and its cotangents."""
    given, (_hidden, _saved, *cotangents) = operands[:6], operands[6:]
    return jax.vjp(lambda *x: _forward_by_scan(*x)[:3], *given)[1](tuple(cotangents))


def _tangent_by_scan(*operands):
    """Push tangents forward from what the forward pass was given, and what it gave."""
    given, (_hidden, _saved, *tangents) = operands[:6], operands[6:]
    return jax.jvp(lambda *x: _forward_by_scan(*x)[:3], given, tuple(tangents))[1]


def _predict_by_scan(
    inputs, input_kernel, hidden_kernel, bias, kernel, kernel_bias, hidden0, cell0, *, steps
):
    def predict(weights, kernel, kernel_bias, carry, inputs):
        def step(carry, x):
            carry, hidden = lstm_scan(weights, carry, (inputs[0] if x is None else x)[None])
            return carry, readout(kernel.T, kernel_bias, hidden[0])

        return jax.lax.scan(step, carry, None if inputs.shape[0] == 1 else inputs, steps)

    weights = LSTMWeights(input_kernel, hidden_kernel, bias)
    carry, predictions = jax.vmap(predict)(
        weights, kernel, kernel_bias, LSTMCarry(hidden0, cell0), inputs
    )
    return predictions, *carry


# The primitives. A lowering rule is the one place that knows the platform and of an export.


def _bind(primitive: Primitive, operands, **parameters) -> list[jax.Array]:
    """Call a primitive on arrays without a replicate axis."""
    return [x[0] for x in primitive.bind(*(x[None] for x in operands), **parameters)]


def _batch(primitive: Primitive, operands, axes, **parameters):
    """Batch a primitive: the new axis joins the replicates."""
    (size,) = {x.shape[axis] for x, axis in zip(operands, axes, strict=True) if axis is not None}
    merged = [
        jnp.broadcast_to(x, (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)
        for x, axis in zip(operands, axes, strict=True)
    ]
    replicates = merged[0].shape[1]
    merged = [x.reshape(size * replicates, *x.shape[2:]) for x in merged]
    results = primitive.bind(*merged, **parameters)
    results = [x.reshape(size, replicates, *x.shape[1:]) for x in results]
    return results, [0] * len(results)


def _primitive(name: str, by_scan, in_kernel: bool = True) -> Primitive:
    primitive = Primitive(name)
    primitive.multiple_results = True

    @primitive.def_abstract_eval
    def shapes(*operands, **parameters):
        arrays = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in operands]
        results = jax.eval_shape(functools.partial(by_scan, **parameters), *arrays)
        return [operands[0].update(shape=x.shape) for x in results]

    batching.primitive_batchers[primitive] = functools.partial(_batch, primitive)

    @functools.partial(jax.jit, static_argnames="steps")
    def compiled(*operands, **parameters):
        return primitive.bind(*operands, **parameters)

    def compute(*operands, **parameters):
        with jax.disable_jit(False):  # without a program there is no kernel to call
            return compiled(*operands, **parameters)

    primitive.def_impl(compute)
    scan = mlir.lower_fun(by_scan, multiple_results=True)
    kernel = jax.ffi.ffi_lowering(name)

    def lower(context, *operands, **parameters):
        module = context.module_context
        if not in_kernel:
            return scan(context, *operands, **parameters)
        if module.lowering_parameters.for_export:
            say_once(REPLACED, "an export must run without it")
        elif tuple(module.platforms) != ("cpu",):
            say_once(REPLACED, f"it is for cpu, not {' and '.join(module.platforms)}")
        else:
            try:
                load()
                return kernel(context, *operands)
            except NativeUnavailable as error:
                say_once(REPLACED, str(error))
        return scan(context, *operands, **parameters)

    mlir.register_lowering(primitive, lower)
    return primitive


_forward_p = _primitive("sinlstm_forward", _forward_by_scan)
_backward_p = _primitive("sinlstm_backward", _backward_by_scan)
_tangent_p = _primitive("sinlstm_tangent", _tangent_by_scan, in_kernel=False)
_predict_p = _primitive("sinlstm_predict", _predict_by_scan)


# How they are differentiated. Forward's tangents are a primitive of their own, whose transpose is
# the kernel's backward pass. Derivatives of these two, the second ones, are those of the scan.


def _forward_jvp(given, tangents):
    results = _forward_p.bind(*given)
    hidden, *_, saved = results
    moved = _tangent_p.bind(*given, hidden, saved, *map(ad.instantiate_zeros, tangents))
    return results, [*moved, ad.Zero(jax.typeof(saved).to_tangent_aval())]


def _tangent_transpose(cotangents, *operands):
    cotangents = map(ad.instantiate_zeros, cotangents)
    pulled = _backward_p.bind(*operands[:8], *cotangents)
    wanted = [ad.is_undefined_primal(tangent) for tangent in operands[8:]]
    return [None] * 8 + [x if want else None for x, want in zip(pulled, wanted, strict=True)]


def _predict_jvp(given, tangents, *, steps):
    def predict(inputs, input_kernel, hidden_kernel, bias, kernel, kernel_bias, hidden0, cell0):
        replicates, _, *series = inputs.shape
        inputs = jnp.broadcast_to(inputs, (replicates, steps, *series))
        hidden, *carry, _saved = _forward_p.bind(
            inputs, input_kernel, hidden_kernel, bias, hidden0, cell0
        )
        return [jax.vmap(readout)(kernel.mT, kernel_bias, hidden), *carry]

    return jax.jvp(predict, given, tuple(map(ad.instantiate_zeros, tangents)))


def _jvp_by_scan(by_scan, given, tangents):
    return jax.jvp(by_scan, given, tuple(map(ad.instantiate_zeros, tangents)))


ad.primitive_jvps[_forward_p] = _forward_jvp
ad.primitive_jvps[_predict_p] = _predict_jvp
ad.primitive_jvps[_tangent_p] = functools.partial(_jvp_by_scan, _tangent_by_scan)
ad.primitive_jvps[_backward_p] = functools.partial(_jvp_by_scan, _backward_by_scan)
ad.primitive_transposes[_tangent_p] = _tangent_transpose
