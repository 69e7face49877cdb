"""Windows of a signal, drawn iterations ahead, and the batches that training makes of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from ..errors import InputError, shown
from .signal import NO_INPUT, Signal
from .sines import Sines

AHEAD = 128  # iterations whose windows are drawn together

# What tells windows apart: leaves [batch, ...]; of several iterations, [iterations, batch, ...];
# of replicates, [replicate, iterations, batch, ...].
Drawn = PyTree[Array]
Window = Float[Array, "time batch 1"]

jax.tree_util.register_static(Sines)  # which is described without JAX


def checked_signal(signal) -> Signal:
    """Return a signal, or raise InputError if it is none, or JAX cannot take it apart."""
    if not isinstance(signal, Signal) or isinstance(signal, type):
        raise InputError(
            f"signal is {shown(signal)}: give one with draw and values, as Sines() has"
        )
    if jax.tree.structure(signal) == jax.tree.structure(0):
        raise InputError(
            f"signal is a {type(signal).__name__}, which is no pytree: decorate the class with "
            "jax.tree_util.register_static, or register_dataclass where it has arrays"
        )
    return signal


@partial(jax.jit, static_argnames="batch_size")
def draw_ahead(
    signal: Signal, key: Key[Array, "*replicates"], first: Int[Array | np.int32, ""], *, batch_size
) -> Drawn:
    """Draw the windows of AHEAD iterations from `first` on: those of i with `fold_in(key, i)`."""

    def draw(key, iteration):
        return signal.draw(jax.random.fold_in(key, iteration), batch_size)

    draw = jax.vmap(draw, (None, 0))
    if key.ndim:
        draw = jax.vmap(draw, (0, None))
    return draw(key, first + jnp.arange(AHEAD))


def batch_of(signal: Signal, drawn: Drawn, past: int, future: int) -> tuple[Window, Window]:
    """Make the training batch of windows that were drawn: inputs and targets.

    Both are `[past + future, batch, 1]`. Inputs hold the signal for the first `past` steps and
    NO_INPUT after; targets hold the signal throughout.

    Raises:
      InputError: the signal's values are not `[steps, batch]`.
    """
    values, steps = signal.values(drawn, past + future), past + future
    if jnp.ndim(values) != 2 or values.shape[0] != steps:
        raise InputError(
            f"{type(signal).__name__}.values returned shape {jnp.shape(values)} for {steps} steps: "
            "have it return [steps, batch]"
        )
    targets = values[:, :, None]
    inputs = targets.at[past:].set(NO_INPUT)
    return inputs, targets
