"""Training state, train step, and the loop that trains one stage."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, PartitionSpec

from .errors import (
    InputError,
    integer_from,
    positive_integer,
    shown,
)
from .model import SineLSTM, split_model
from .signals import batch_of_waves, draw_waves

AHEAD = 128  # iterations whose waves are drawn together
REPLICATE = "replicate"  # the axis of a mesh whose devices share the replicates


class Failure(NamedTuple):
    """The first iteration that did not give finite numbers."""

    iteration: jax.Array  # of the stage, int32 scalar; -1 while all is well
    loss: jax.Array  # there; scalar of the weights' dtype, like the next
    gradient_norm: jax.Array


class TrainState(NamedTuple):
    """Everything that training changes, or needs to go on: one pytree of arrays."""

    weights: dict  # trainable; float32 unless the model is float64
    frozen: dict  # the input bias
    optimizer: optax.OptState  # moments of the weights alone
    iteration: jax.Array  # iterations done, int32 scalar
    losses: jax.Array  # [iterations of the stage]; NaN where not reached yet, and from a failure on
    failure: Failure


def init_state(
    model: SineLSTM,
    optimizer: optax.GradientTransformation,
    iterations: int,
    trainable: nnx.filterlib.Filter = nnx.Param,
) -> TrainState:
    """Start a stage of so many iterations: the model's weights, a fresh optimizer state.

    `trainable` is the filter of what the stage will train, as in `split_model`.

    Raises:
      InputError: the model is none, or iterations not a whole number of at least 1.
    """
    iterations = positive_integer("iterations", iterations)
    _, weights, frozen = split_model(model, trainable)
    return _init_state(weights, frozen, optimizer=optimizer, iterations=iterations)


@partial(jax.jit, static_argnames=("optimizer", "iterations"))
def _init_state(weights: dict, frozen: dict, *, optimizer, iterations: int) -> TrainState:
    # A copy, since training donates its state: the model keeps its own arrays.
    weights, frozen = jax.tree.map(jnp.copy, (weights, frozen))
    dtype = weights["output"]["bias"].dtype
    return TrainState(
        weights=weights,
        frozen=frozen,
        optimizer=optimizer.init(weights),
        iteration=jnp.zeros((), jnp.int32),
        losses=jnp.full((iterations,), jnp.nan, dtype),
        failure=Failure(jnp.int32(-1), jnp.zeros((), dtype), jnp.zeros((), dtype)),
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
    """Do one iteration on a batch, (inputs, targets) `[time, batch, 1]`, and note its loss.

    Where the loss, the gradient or a new weight is not finite, the weights and the optimizer keep
    what they had, then and in all iterations after, and `failure` tells of the first.

    Raises:
      InputError: the batch is not of that form.
    """
    _check_batch(batch, state)
    loss, gradients = jax.value_and_grad(mean_squared_error, argnums=1)(
        structure, state.weights, state.frozen, batch
    )
    updates, moved = optimizer.update(gradients, state.optimizer, state.weights)
    new = optax.apply_updates(state.weights, updates), moved
    gradient_norm = optax.tree.norm(gradients)
    # A sum of magnitudes is finite where each of them is.
    finite = jnp.isfinite(loss + gradient_norm + optax.tree.norm(new[0], ord=1))
    well = state.failure.iteration < 0
    healthy = well & finite
    weights, optimizer_state = jax.tree.map(
        partial(jnp.where, healthy), new, (state.weights, state.optimizer)
    )
    now = Failure(state.iteration, loss, gradient_norm)
    return state._replace(
        weights=weights,
        optimizer=optimizer_state,
        iteration=state.iteration + 1,
        losses=state.losses.at[state.iteration].set(jnp.where(healthy, loss, jnp.nan)),
        failure=jax.tree.map(partial(jnp.where, well & ~finite), now, state.failure),
    )


def _check_batch(batch, state: TrainState) -> None:
    """Raise InputError unless it is two arrays, `[time, batch, 1]`, of the weights' dtype."""
    dtype = state.weights["output"]["bias"].dtype
    pair = batch if isinstance(batch, tuple | list) and len(batch) == 2 else (None, None)
    arrays = [x for x in pair if isinstance(x, jax.Array | np.ndarray)]
    shapes = [x.shape for x in arrays]
    if len(shapes) == 2 and shapes[0] == shapes[1] and len(shapes[0]) == 3:
        same = all(x.dtype == dtype for x in arrays)
        if same and shapes[0][2] == 1 and 0 not in shapes[0]:
            return
    found = [f"{x.dtype} {x.shape}" for x in arrays] or type(batch).__name__
    raise InputError(
        f"a batch holds {shown(found)}: give (inputs, targets), arrays of the model's {dtype} "
        "and one shape, [time, batch, 1]"
    )


def train_chunk(
    state: TrainState,
    key: jax.Array,
    end: int,
    *,
    structure: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    batch_size: int,
    past: int,
    horizon: int,
    mesh: Mesh | None = None,
) -> TrainState:
    """Train up to iteration `end`, all on the device; consumes the state it is given.

    Iteration i draws its batch from `fold_in(key, i)`, so where chunks begin and end changes no
    number. Chunks of any length share one compilation.

    `key` may be an array of keys, `[replicate]`. Then every array of the state has that axis in
    front, the iteration being the same for all, and each replicate trains as it would alone, but
    for rounding; with a mesh of the one axis REPLICATE, each device trains its share of them.

    Raises:
      InputError: a size is not a whole number of at least 1, or `end` is beyond the losses that
        the state has room for.
    """
    end = integer_from(0, "end", end)
    if end > state.losses.shape[-1]:
        raise InputError(f"end is {end}: the state has room for {state.losses.shape[-1]} losses")
    past, horizon = positive_integer("past", past), positive_integer("horizon", horizon)
    start = iterations_done(state)
    for first in range(start, max(end, start + 1), AHEAD):
        waves = draw_ahead(key, np.int32(first), batch_size=batch_size)
        state = train_on_waves(
            state,
            waves,
            np.int32(min(end, first + AHEAD)),
            structure=structure,
            optimizer=optimizer,
            past=past,
            horizon=horizon,
            mesh=mesh,
        )
    return state


@partial(jax.jit, static_argnames="batch_size")
def draw_ahead(key: jax.Array, first: jax.Array, *, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Draw the waves of AHEAD iterations from `first` on: as `draw_waves`, `[AHEAD, batch]`.

    For keys `[replicate]` they are `[replicate, AHEAD, batch]`.
    """

    def draw(key, iteration):
        return draw_waves(jax.random.fold_in(key, iteration), batch_size)

    draw = jax.vmap(draw, (None, 0))
    if key.ndim:
        draw = jax.vmap(draw, (0, None))
    return draw(key, first + jnp.arange(AHEAD))


@partial(
    jax.jit,
    static_argnames=("structure", "optimizer", "past", "horizon", "mesh"),
    donate_argnames="state",
)
def train_on_waves(
    state: TrainState,
    waves: tuple[jax.Array, jax.Array],
    end: jax.Array,
    *,
    structure: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    past: int,
    horizon: int,
    mesh: Mesh | None = None,
) -> TrainState:
    """Train up to iteration `end` on waves drawn ahead, those of the state's next iterations.

    Waves are as from `draw_ahead`; `end` is traced, at most AHEAD iterations on. Otherwise as
    `train_chunk`.
    """
    axis = waves[0].ndim - 2  # of the iterations, behind that of replicates

    def window(waves):
        return batch_of_waves(*waves, past=past, future=horizon)

    def step(state, batch):
        return train_step(structure, optimizer, state, batch)

    if axis:
        window, step = jax.vmap(window), jax.vmap(step)

    def train(state, waves, end):
        start = state.iteration.ravel()[0]

        def sample(iteration):
            # The last one's is not used; an index that is too large is clamped.
            return window([jnp.take(x, iteration - start, axis, mode="clip") for x in waves])

        # A batch is sampled an iteration ahead of its use. Used where it is made it would be fused
        # into its uses, and XLA on CPU would make it anew in each.
        def iterate(iteration, carried):
            state, batch = carried
            return step(state, batch), sample(iteration + 1)

        return jax.lax.fori_loop(start, end, iterate, (state, sample(start)))[0]

    if mesh is not None:
        # The partitioner would not split the fused kernel's call. (Nor does JAX know how that
        # varies over the mesh: no check.)
        split, whole = PartitionSpec(REPLICATE), PartitionSpec()
        train = jax.shard_map(
            train, mesh=mesh, in_specs=(split, split, whole), out_specs=split, check_vma=False
        )
    return train(state, waves, end)


def iterations_done(state: TrainState) -> int:
    """Return a state's iteration, the same for all its replicates; waits for the device."""
    return int(np.ravel(state.iteration.addressable_data(0))[0])


@partial(jax.jit, static_argnames=("structure", "optimizer"), donate_argnames="state")
def _train_step(state: TrainState, batch, *, structure, optimizer) -> TrainState:
    return train_step(structure, optimizer, state, batch)


def train_stage(
    state: TrainState,
    source: jax.Array | Iterable,
    *,
    pause_every: tuple[int, ...],
    pause_after: Callable[[], int] | None = None,
    structure: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    mesh: Mesh | None = None,
    **sizes: int,
) -> Iterator[TrainState]:
    """Train a stage to the end of its loss history, pausing at every multiple of `pause_every`.

    Args:
      state: where to start; consumed.
      source: a key, or keys `[replicate]`, from which batches are drawn on the device as
        `train_chunk` says; or an iterable of batches, (inputs, targets), NumPy arrays
        `[time, batch, 1]` of the model's dtype, one taken per iteration.
      pause_every: periods, in iterations.
      pause_after: asked before each chunk, how many iterations it may have at most; no limit if not
        given.
      structure: of the model.
      optimizer: as it was for `init_state`.
      mesh: of devices that share the replicates, as `train_chunk` says; only with keys.
      **sizes: batch_size, past and horizon of the batches to draw; only with a key.

    Yields:
      The state at each pause. It is consumed when the next one is asked for: copy what is to be
      kept.

    Raises:
      InputError: a period is not a whole number of at least 1, the source is none, or it has no
        batch left before the stage is at its end, or one of another form.
    """
    if not isinstance(pause_every, tuple) or not pause_every:
        raise InputError(f"pause_every is {shown(pause_every)}: give a tuple of periods")
    pause_every = tuple(positive_integer("pause_every", period) for period in pause_every)
    if not isinstance(source, jax.Array):
        if not isinstance(source, Iterable):
            raise InputError(f"source is {shown(source)}: give a key, or an iterable of batches")
        source = iter(source)
    iteration, iterations = iterations_done(state), state.losses.shape[-1]
    while iteration < iterations:
        start = iteration
        pauses = [start - start % period + period for period in pause_every]
        iteration = min([iterations, *pauses])
        if pause_after is not None:
            iteration = min(iteration, start + pause_after())
        if isinstance(source, jax.Array):
            state = train_chunk(
                state,
                source,
                iteration,
                structure=structure,
                optimizer=optimizer,
                mesh=mesh,
                **sizes,
            )
        else:
            for done in range(start, iteration):
                batch = next(source, None)
                if batch is None:
                    raise InputError(
                        f"the batches end after iteration {done}: give {iterations} of them"
                    )
                _check_batch(batch, state)
                state = _train_step(state, batch, structure=structure, optimizer=optimizer)
        yield state
