"""Optimizer, training state, train step, and the loop that trains one stage."""

from collections.abc import Iterator
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from .errors import InputError
from .model import SineLSTM, split_model
from .signals import batch_of_waves, draw_waves


class TrainState(NamedTuple):
    """Everything that training changes, or needs to go on: one pytree of arrays."""

    weights: dict  # trainable; float32 unless the model is float64
    frozen: dict  # the input bias
    optimizer: optax.OptState  # moments of the weights alone
    iteration: jax.Array  # iterations done, int32 scalar
    losses: jax.Array  # [iterations of the stage]; NaN where not reached yet


@cache
def adam(
    learning_rate: float,
    epsilon: float,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    nesterov: bool = False,
    clip_norm: float | None = None,
    warmup: int = 0,
    final_fraction: float = 1.0,
    iterations: int | None = None,
) -> optax.GradientTransformation:
    """Return PyTorch's Adam (epsilon outside the root), one object per setting.

    Formula: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html

    Args:
      learning_rate: at its peak.
      epsilon: added to the root of the second moment.
      b1: decay of the first moment.
      b2: decay of the second moment.
      nesterov: look one step ahead with the first moment (NAdam, Dozat 2016).
      clip_norm: the global norm that gradients are scaled down to before all else.
      warmup: iterations in which the learning rate rises from 0 to its peak, linearly.
      final_fraction: of the peak, reached after `iterations` along a cosine; 1 stays there.
      iterations: of the whole stage; needed for the last two.
    """
    rate = learning_rate
    if warmup or final_fraction != 1:
        rate = optax.warmup_cosine_decay_schedule(
            0.0, learning_rate, warmup, iterations, learning_rate * final_fraction
        )
    optimizer = optax.adam(rate, b1=b1, b2=b2, eps=epsilon, eps_root=0.0, nesterov=nesterov)
    if clip_norm is None:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)


def init_state(
    model: SineLSTM,
    optimizer: optax.GradientTransformation,
    iterations: int,
    trainable: nnx.filterlib.Filter = nnx.Param,
) -> TrainState:
    """Start a stage of so many iterations: the model's weights, a fresh optimizer state.

    `trainable` is the filter of what the stage will train, as in `split_model`.
    """
    _, weights, frozen = split_model(model, trainable)
    # A copy, since training donates its state: the model keeps its own arrays.
    weights, frozen = jax.tree.map(jnp.copy, (weights, frozen))
    return TrainState(
        weights=weights,
        frozen=frozen,
        optimizer=optimizer.init(weights),
        iteration=jnp.zeros((), jnp.int32),
        losses=jnp.full((iterations,), jnp.nan, weights["output"]["bias"].dtype),
    )


def mean_squared_error(structure: nnx.GraphDef, weights: dict, frozen: dict, batch) -> jax.Array:
    """Return the mean squared error over the whole window, past and future; a scalar.

    `batch` is (inputs, targets), both `[time, batch, 1]`.
    """
    inputs, targets = batch
    predictions = nnx.merge(structure, weights, frozen)(inputs)
    return jnp.mean(jnp.square(predictions - targets))


def train_step(
    structure: nnx.GraphDef, optimizer: optax.GradientTransformation, state: TrainState, batch
) -> TrainState:
    """Do one iteration on a batch, (inputs, targets) `[time, batch, 1]`, and note its loss."""
    loss, gradients = jax.value_and_grad(mean_squared_error, argnums=1)(
        structure, state.weights, state.frozen, batch
    )
    updates, optimizer_state = optimizer.update(gradients, state.optimizer, state.weights)
    return state._replace(
        weights=optax.apply_updates(state.weights, updates),
        optimizer=optimizer_state,
        iteration=state.iteration + 1,
        losses=state.losses.at[state.iteration].set(loss),
    )


@partial(
    jax.jit,
    static_argnames=("structure", "optimizer", "batch_size", "past", "horizon"),
    donate_argnames="state",
)
def train_chunk(
    state: TrainState,
    key: jax.Array,
    end: jax.Array,
    *,
    structure: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    batch_size: int,
    past: int,
    horizon: int,
) -> TrainState:
    """Train up to iteration `end`, all on the device; consumes the state it is given.

    Iteration i draws its batch from `fold_in(key, i)`, so where chunks begin and end changes no
    number. `end` is traced: chunks of any length share one compilation.
    """

    def draw(iteration):
        return draw_waves(jax.random.fold_in(key, iteration), batch_size)

    # Waves are drawn two iterations ahead of their use, and sampled one ahead. Used where they are
    # made they would be fused into their uses, and XLA on CPU would make them anew in each.
    def iterate(iteration, carried):
        state, batch, waves = carried
        state = train_step(structure, optimizer, state, batch)
        return state, batch_of_waves(*waves, past, horizon), draw(iteration + 2)

    start = state.iteration
    now, ahead = zip(*jax.vmap(draw)(start + jnp.arange(2)), strict=True)
    batch = batch_of_waves(*now, past, horizon)
    state, *_ = jax.lax.fori_loop(start, end, iterate, (state, batch, ahead))
    return state


@partial(jax.jit, static_argnames=("structure", "optimizer"), donate_argnames="state")
def _train_step(state: TrainState, batch, *, structure, optimizer) -> TrainState:
    return train_step(structure, optimizer, state, batch)


def train_stage(
    state: TrainState,
    source: jax.Array | Iterator,
    *,
    pause_every: tuple[int, ...],
    structure: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    **sizes: int,
) -> Iterator[TrainState]:
    """Train a stage to the end of its loss history, pausing at every multiple of `pause_every`.

    Args:
      state: where to start; consumed.
      source: a key, from which batches are drawn on the device as `train_chunk` says; or an
        iterator of batches, (inputs, targets), NumPy arrays `[time, batch, 1]` of the model's
        dtype, one taken per iteration.
      pause_every: periods, in iterations.
      structure: of the model.
      optimizer: as it was for `init_state`.
      **sizes: batch_size, past and horizon of the batches to draw; only with a key.

    Yields:
      The state at each pause. It is consumed when the next one is asked for: copy what is to be
      kept.

    Raises:
      InputError: the iterator has no batch left before the stage is at its end.
    """
    fixed = {"structure": structure, "optimizer": optimizer}
    iteration, iterations = int(state.iteration), state.losses.size
    while iteration < iterations:
        start = iteration
        iteration = min(iterations, *(start - start % period + period for period in pause_every))
        if isinstance(source, jax.Array):
            state = train_chunk(state, source, np.int32(iteration), **fixed, **sizes)
        else:
            for done in range(start, iteration):
                batch = next(source, None)
                if batch is None:
                    raise InputError(
                        f"the batches end after iteration {done}: give {iterations} of them"
                    )
                state = _train_step(state, batch, **fixed)
        yield state
