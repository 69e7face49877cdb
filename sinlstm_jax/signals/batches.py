"""Windows of a signal, drawn iterations ahead, and the batches that training makes of them."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from ..errors import InputError
from .observation import CLEAN, KEY, Observation
from .signal import NO_INPUT, Signal, known_signal
from .sines import Sines

AHEAD = 128  # iterations whose windows are drawn together

# What tells windows apart: leaves [batch, ...]; of several iterations, [iterations, batch, ...];
# of replicates, [replicate, iterations, batch, ...].
Drawn = PyTree[Array]
Window = Float[Array, "time batch 1"]

jax.tree_util.register_static(Sines)  # which is described without JAX


def checked_signal(signal) -> Signal:
    """Return a signal, or raise InputError if it is none, or JAX cannot take it apart."""
    known_signal(signal)
    if jax.tree.structure(signal) == jax.tree.structure(0):
        raise InputError(
            f"signal is a {type(signal).__name__}, which is no pytree: decorate the class with "
            "jax.tree_util.register_static, or register_dataclass where it has arrays"
        )
    return signal


def check_windows(
    signal: Signal, observation: Observation, past: int, horizon: int, batch_size: int
) -> None:
    """Raise InputError where batches of that size could not be made of a signal; computes none."""
    observation.check(past)
    name, steps = type(checked_signal(signal)).__name__, past + horizon

    def values(key):
        drawn = draw_ahead(signal, key, np.int32(0), batch_size)
        drawn = jax.tree.map(lambda x: x[0], drawn)
        return signal.values(drawn, steps), signal.amplitude_of(drawn)

    try:
        found, amplitude = jax.eval_shape(values, jax.eval_shape(jax.random.key, 0))
    except InputError:
        raise
    except Exception as error:  # a user's class raises whatever it likes
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"{name} cannot be drawn from under jax.jit ({reason}): see that draw, values and "
            "amplitude_of take arrays of JAX, and that a class with arrays is under "
            "register_dataclass"
        ) from error
    told = found.shape, str(found.dtype)
    if told != ((steps, batch_size), "float32"):
        raise InputError(
            f"{name}.values returned shape {told[0]} of {told[1]} for {steps} steps of a batch of "
            f"{batch_size}: have it return [steps, batch] of float32"
        )
    if amplitude.shape not in ((), (batch_size,)):
        raise InputError(
            f"{name}.amplitude_of returned shape {amplitude.shape}: have it return [batch]"
        )


@partial(jax.jit, static_argnames=("batch_size", "observation"))
def draw_ahead(
    signal: Signal,
    key: Key[Array, "*replicates"],
    first: Int[Array | np.int32, ""],
    batch_size: int,
    observation: Observation = CLEAN,
) -> Drawn:
    """Draw the windows of AHEAD iterations from `first` on: those of i with `fold_in(key, i)`.

    Where they are not observed clean, with a key for each iteration's observation.
    """

    def draw(key, iteration):
        key = jax.random.fold_in(key, iteration)
        drawn = signal.draw(key, batch_size)
        if observation.is_clean:
            return drawn
        return drawn, jax.random.key_data(jax.random.fold_in(key, KEY))

    draw = jax.vmap(draw, (None, 0))
    if key.ndim:
        draw = jax.vmap(draw, (0, None))
    return draw(key, first + jnp.arange(AHEAD))


def batch_of(
    signal: Signal,
    drawn: Drawn,
    past: int,
    future: int,
    observation: Observation = CLEAN,
    error_floor: float | None = None,
) -> tuple[Window, ...]:
    """Make the training batch of windows that were drawn: inputs, targets and perhaps weights.

    All are `[past + future, batch, 1]`. Inputs hold what is observed of the first `past` steps and
    NO_INPUT after; targets hold the signal throughout. Of a signal that has gaps, weights are 1
    where there is a target, and 0 where there is none: targets are 0 there, and inputs NO_INPUT.
    With an error floor, weights are less where the noise makes errors unavoidable: 1 over 1 plus
    the `unavoidable` error over the floor.

    Raises:
      InputError: the signal's values are not `[steps, batch]`.
    """
    key, steps = None, past + future
    if not observation.is_clean:
        drawn, key = drawn[0], jax.random.wrap_key_data(drawn[1])
    values = jnp.asarray(signal.values(drawn, steps))
    if jnp.ndim(values) != 2 or values.shape[0] != steps:
        raise InputError(
            f"{type(signal).__name__}.values returned shape {jnp.shape(values)} for {steps} steps: "
            "have it return [steps, batch]"
        )
    weights = ()
    targets = values[:, :, None]
    inputs = targets
    if key is not None:
        inputs = inputs.at[:past, :, 0].set(
            observation.of(key, values[:past], signal.amplitude_of(drawn))
        )
    if key is not None and error_floor is not None:
        shown = inputs[:past, :, 0]
        unavoidable = observation.unavoidable(key, shown != NO_INPUT, steps)
        weights = ((1 / (1 + unavoidable / error_floor))[:, :, None],)
    if signal.has_gaps:
        known = jnp.isfinite(targets)
        weights = (known * jnp.asarray(weights[0] if weights else 1, targets.dtype),)
        targets = jnp.where(known, targets, 0.0)
        inputs = jnp.where(jnp.isfinite(inputs), inputs, NO_INPUT)
    inputs = inputs.at[past:].set(NO_INPUT)
    return inputs, targets, *weights
