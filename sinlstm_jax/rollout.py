"""Using a model: observe a history, forecast from there, or both in one rollout."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree

from .errors import InputError, positive_integer
from .lstm import LSTMCarry
from .model import LSTMCell, SineLSTM, checked_model, split_model
from .networks import put_together, take_apart
from .sensor import SensorCarry, SensorLSTM, with_spread
from .signals.samples import finite_or_missing, observed, warn_of_rows
from .signals.signal import NO_INPUT
from .window import Window, measured, scaled, told_by


def rollout(model: SineLSTM, history, horizon: int) -> Float[Array, "time batch 1"]:
    """Predict every step of a history and `horizon` steps beyond it.

    Args:
      model: a trained model.
      history: observed signal, one value a step at 100 Hz: `[past]`, `[past, batch]` or
        `[past, batch, 1]`, an array of any library; where a value is missing (None, NaN or hidden
        by a mask), the network is told NO_INPUT. A SensorLSTM takes any level and amplitude, of as
        many steps as it was trained to observe (those that ship: 20 to 300): of more, cut the rest
        off, as a Forecaster does, which also answers in float64 where the level is very large.
      horizon: steps to forecast.

    Returns:
      Predictions, `[past + horizon, batch, 1]`, in the model's dtype, float32; the first `past`
      are those made while observing. Of a SensorLSTM, NaN where no value is known. The program is
      compiled once for each shape of history and each horizon.

    Raises:
      InputError: the history is empty, infinite, not of real numbers or of another rank, or horizon
        is not positive.
    """
    horizon = positive_integer("horizon", horizon)
    warn_of_rows("history", getattr(history, "shape", ()))
    return _forecasts(_all_of_rollout(model, history, horizon))


def rollout_with_spread(
    model: SensorLSTM, history, horizon: int
) -> tuple[Float[Array, "time batch 1"], Float[Array, "time batch 1"]]:
    """Predict as `rollout` does, and say how sure that is: (predictions, spreads).

    A spread is the standard deviation that the model expects of its error, in the units of the
    history: of a normal error, 1.645 of them to both sides hold 90 %. It is 0 where samples do not
    vary, and NaN where there is only one, which tells no scale.

    Takes and raises what `rollout` does, and InputError for a model without a spread.
    """
    horizon = positive_integer("horizon", horizon)
    predictions = _all_of_rollout(with_spread(model), history, horizon)
    return predictions[..., :1], predictions[..., 1:]


def _all_of_rollout(model: SineLSTM, history, horizon: int) -> Float[Array, "time batch outputs"]:
    structure, arrays = take_apart(checked_model(model))
    return _rollout(structure, arrays, *_as_inputs(model, arrays, history), horizon)


def _forecasts(outputs: Float[Array, "time batch outputs"]) -> Float[Array, "time batch 1"]:
    """Return the first of a network's outputs."""
    return outputs if outputs.shape[-1] == 1 else outputs[..., :1]


def observe(model: SineLSTM, history) -> tuple[PyTree, Float[Array, "past batch 1"]]:
    """Read a history: (carry after its last step, predictions `[past, batch, 1]`).

    Takes and raises what `rollout` does.
    """
    structure, arrays = take_apart(checked_model(model))
    carry, outputs = _observe(structure, arrays, *_as_inputs(model, arrays, history))
    return carry, _forecasts(outputs)


def forecast(
    model: SineLSTM, carry: PyTree, steps: int
) -> tuple[PyTree, Float[Array, "{steps} batch 1"]]:
    """Go on from a carry without input: (carry after `steps`, predictions `[steps, batch, 1]`).

    Threading the carry loses nothing: `forecast(n)` and then `forecast(m)` from its carry gives
    the bits of `forecast(n + m)`. Memory beyond the predictions does not depend on `steps`.

    Raises:
      InputError: steps is not a whole number of at least 1, or the carry does not fit this model.
    """
    steps = positive_integer("steps", steps)
    structure, arrays = take_apart(checked_model(model))
    carry, outputs = _forecast(structure, arrays, _as_carry(model, arrays, carry), steps)
    return carry, _forecasts(outputs)


def stepper(model: SineLSTM) -> Callable[[PyTree, jax.Array], tuple[PyTree, jax.Array]]:
    """Return a function that advances a stream by one step, for use in a loop in Python.

    It takes a carry (at first `model.initial_carry(batch_size)`; of a SensorLSTM, whose carry knows
    level and scale, what `observe` returned) and inputs `[batch, 1]`, NO_INPUT where there is
    nothing to observe, in the model's dtype, and returns the next carry and the predictions
    `[batch, 1]`, of a SensorLSTM `[batch, 2]`, with the spread. It is compiled once for each batch
    size, and checks no values. It cannot be pickled: make it anew in each process.
    """
    structure, *arrays = split_model(checked_model(model))
    return partial(_compiled_step(structure), arrays)


@cache
def _compiled_step(structure):
    # A function for each structure: as a static argument it would be hashed at every call.
    def step(arrays, carry, inputs):
        model = nnx.merge(structure, *arrays)
        inputs = model.checked(inputs, "[batch, 1]", "x.reshape(-1, 1)")[None]
        if isinstance(carry, SensorCarry):
            inputs = scaled(inputs, inputs != NO_INPUT, carry.window)
        carry, predictions = model.predict(carry, inputs, 1)
        return carry, predictions[0]

    return jax.jit(step)


@partial(jax.jit, static_argnums=0)
def _observe(structure, arrays, inputs: Float[Array | np.ndarray, "past batch 1"], window=None):
    model = put_together(structure, arrays)
    inputs = jnp.asarray(inputs)  # without jit, it is still NumPy's
    measures = () if window is None else (window,)
    carry = model.initial_carry(inputs.shape[1], *measures)
    return model.predict(carry, inputs, inputs.shape[0])


@partial(jax.jit, static_argnums=(0, 3))
def _forecast(structure, arrays, carry, steps):
    like = jax.tree.leaves(carry)[0]  # of whatever cell
    nothing = jnp.full((1, like.shape[0], 1), NO_INPUT, like.dtype)
    return put_together(structure, arrays).predict(carry, nothing, steps)


@partial(jax.jit, static_argnums=(0, 4))
def _rollout(structure, arrays, inputs: Float[Array | np.ndarray, "past batch 1"], window, horizon):
    carry, observed = _observe(structure, arrays, inputs, window)
    _, forecasted = _forecast(structure, arrays, carry, horizon)
    return jnp.concatenate([observed, forecasted])


def _as_carry(model: SineLSTM, arrays, carry):
    """Return a carry, or raise InputError; values are not looked at, that would wait for them."""
    if not isinstance(model.cell, LSTMCell) or isinstance(model, SensorLSTM):
        return _as_carry_of_another_kind(model, carry)
    expected, size = _dtype(arrays), model.hidden_size
    parts = carry if isinstance(carry, tuple | list) else ()
    found = [(x.shape, x.dtype) for x in parts if isinstance(x, jax.Array | np.ndarray)]
    if not len(parts) == len(found) == 2 or found[0] != found[1]:
        raise InputError(
            "the carry is not a pair of arrays of one shape and dtype: give what observe returned"
        )
    shape, dtype = found[0]
    if len(shape) != 2 or shape[0] == 0 or shape[1] != size or dtype != expected:
        raise InputError(
            f"the carry has shape {shape} and dtype {dtype}: give [batch, {size}] in {expected}"
        )
    return LSTMCarry(*parts)


def _as_carry_of_another_kind(model: SineLSTM, carry):
    """Return a carry of the structure that the model's `initial_carry` has, or raise InputError."""
    expected = jax.eval_shape(lambda: model.initial_carry(1))
    forms = [
        [(leaf.shape[1:], leaf.dtype) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype")]
        for tree in (carry, expected)
    ]
    if jax.tree.structure(carry) != jax.tree.structure(expected) or forms[0] != forms[1]:
        raise InputError("the carry does not fit this model: give what observe returned")
    return carry


def _dtype(arrays) -> np.dtype:
    """Return the dtype of a model's arrays, which have one."""
    return jax.tree.leaves(arrays)[0].dtype


def _as_inputs(model: SineLSTM, arrays, history) -> tuple[Any, Window | None]:
    """Return a history as a network sees it, `[past, batch, 1]`, and what a SensorLSTM measured.

    It is in the dtype of the arrays, NO_INPUT where a sample is missing.
    """
    dtype = _dtype(arrays)
    if isinstance(model, SensorLSTM):
        return _measured_inputs(dtype, history)
    if isinstance(history, Tracer):
        history = jnp.where(jnp.isnan(history), NO_INPUT, history)
    else:
        history = observed("history", history, dtype)
    return _by_time(history).astype(dtype), None


def _measured_inputs(dtype, history) -> tuple[Any, Window]:
    """Return a history in the units of its windows, and these in `dtype`."""
    if not isinstance(history, Tracer):  # in float64, lest a large level rounds the waves away
        history = finite_or_missing("history", history, dtype)
    history = _by_time(history)
    xp = jnp if isinstance(history, Tracer) else np
    known = ~xp.isnan(history)
    history = xp.where(known, history, 0)  # a NaN would make gradients NaN, whatever became of it
    window = told_by(known, measured(history, known))
    inputs = scaled(history, known, window).astype(dtype)
    return inputs, Window(*(x.astype(dtype) for x in window))


def _by_time(history):
    """Return a history as `[past, batch, 1]`, or raise InputError."""
    shape = history.shape
    if history.ndim not in (1, 2, 3) or (history.ndim == 3 and shape[2] != 1):
        raise InputError(
            f"history has shape {shape}: give [past], [past, batch] or [past, batch, 1]"
        )
    if history.size == 0:
        raise InputError(f"history has shape {shape}, without a value: give at least one step")
    return history.reshape(shape[0], -1, 1)
