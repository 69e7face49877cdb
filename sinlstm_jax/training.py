"""Training state, train step, and the loop that trains one stage."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Int, Key

from .errors import InputError, positive_integer
from .kernel.choice import default_platform
from .loss import Batch, has_spread, loss_of
from .model import SineLSTM, split_model
from .signals.batches import AHEAD, Drawn, batch_of, check_windows, draw_ahead
from .signals.observation import CLEAN, Observation
from .signals.signal import Signal
from .signals.sines import SINES

REPLICATE = "replicate"  # the axis of a mesh whose devices share the replicates


@dataclass(frozen=True)
class Program:
    """What is static while a stage is trained: another value is another compilation."""

    structure: nnx.GraphDef  # of the model
    optimizer: optax.GradientTransformation  # as it was for `init_state`
    batch_size: int = 0  # windows per iteration; this and the next two only where batches are drawn
    past: int = 0  # steps observed
    horizon: int = 0  # steps forecast beyond the past
    observation: Observation = CLEAN  # what is shown of the past
    error_floor: float | None = None  # from which errors are weighed, as a Stage says
    beta: float = 0.0  # alike
    mesh: Mesh | None = None  # of the one axis REPLICATE: devices that share the replicates


class Failure(NamedTuple):
    """The first iteration that did not give finite numbers."""

    iteration: jax.Array  # of the stage, int32 scalar; -1 while all is well
    loss: jax.Array  # there; scalar of the weights' dtype, like the next
    gradient_norm: jax.Array


class TrainState(NamedTuple):
    """Everything that training changes, or needs to continue: one pytree of arrays."""

    weights: dict  # trainable; float32 unless the model is float64
    frozen: dict  # the input bias
    optimizer: optax.OptState  # moments of the weights alone
    iteration: jax.Array  # iterations done, int32 scalar
    losses: jax.Array  # [iterations of the stage]; inf where not reached yet, NaN from a failure on
    failure: Failure


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
        losses=jnp.full((iterations,), jnp.inf, dtype),  # NaN would stop `jax.debug_nans`
        failure=Failure(jnp.int32(-1), jnp.zeros((), dtype), jnp.zeros((), dtype)),
    )


def train_step(
    structure: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
    state: TrainState,
    batch: Batch,
    error_floor: float | None = None,
    beta: float = 0.0,
) -> TrainState:
    """Do one iteration on a batch, (inputs, targets) `[time, batch, 1]`, and note its loss.

    A third array in it is what each target counts in the loss. With an `error_floor`, a model that
    forecasts its spread learns that, too: the loss is `negative_log_likelihood`.

    Where the loss, a new weight or a moment is not finite, the weights and the optimizer keep
    what they had, then and in all iterations after, and `failure` tells of the first.
    """
    loss, gradients = jax.value_and_grad(loss_of(state.weights, error_floor, beta), argnums=1)(
        structure, state.weights, state.frozen, batch
    )
    # Else XLA may move parts of the two into each other, and round otherwise on several devices.
    loss, gradients = jax.lax.optimization_barrier((loss, gradients))
    updates, moved = optimizer.update(gradients, state.optimizer, state.weights)
    new = optax.apply_updates(state.weights, updates), moved
    gradient_norm = optax.tree.norm(gradients)
    # A sum of magnitudes is finite where each of them is. A gradient that is not shows in what
    # becomes of it, unless the optimizer leaves it out.
    numbers = [x for x in jax.tree.leaves(new) if jnp.issubdtype(x.dtype, jnp.floating)]
    finite = jnp.isfinite(loss + optax.tree.norm(numbers, ord=1))
    well = state.failure.iteration < 0
    healthy = well & finite
    old = state.weights, state.optimizer
    # XLA compiles a choice for each array much longer than one of all.
    weights, optimizer_state = jax.lax.cond(healthy, lambda: new, lambda: old)
    now = Failure(state.iteration, loss, gradient_norm)
    return state._replace(
        weights=weights,
        optimizer=optimizer_state,
        iteration=state.iteration + 1,
        losses=state.losses.at[state.iteration].set(jnp.where(healthy, loss, jnp.nan)),
        failure=jax.lax.cond(well & ~finite, lambda: now, lambda: state.failure),
    )


def train_chunk(
    state: TrainState,
    key: Key[Array, "*replicates"],
    end: int,
    *,
    signal: Signal = SINES,
    **settings,
) -> TrainState:
    """Train up to iteration `end` of a stage on batches drawn on the device.

    The batch of iteration i is that of `fold_in(key, i)`: wherever a stage is cut into chunks, it
    sees the same batches. Every chunk runs the same two programs, compiled once for each setting.

    Args:
      state: where to start; consumed.
      key: of the stage; of replicates, whose arrays in the state have a leading axis, one for each.
      end: the iteration to train up to; at most as many as the state has room for losses.
      signal: what is learnt; the tutorial's waves if not given.
      **settings: of `Program`: structure, optimizer, batch_size, past, horizon, observation if it
        is not clean, error_floor and beta where errors are weighed, and, where devices share the
        replicates, mesh.

    Raises:
      InputError: `end` is beyond the losses that the state has room for, or such windows cannot be
        drawn from the signal.
    """
    program = Program(**settings)
    _check_windows(signal, program)
    return _train_chunk(state, key, end, signal, program)


def _check_windows(signal: Signal, program: Program) -> None:
    sizes = program.past, program.horizon, program.batch_size
    check_windows(signal, program.observation, *sizes)


def _train_chunk(state: TrainState, key, end: int, signal: Signal, program: Program) -> TrainState:
    if end > state.losses.shape[-1]:  # JAX would drop the losses beyond, without a word
        raise InputError(f"end is {end}: the state has room for {state.losses.shape[-1]} losses")
    start = iterations_done(state)
    for first in range(start, max(end, start + 1), AHEAD):
        drawn = draw_ahead(signal, key, np.int32(first), program.batch_size, program.observation)
        last = np.int32(min(end, first + AHEAD))
        state = train_on_drawn(state, signal, drawn, last, program)
    return state


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def train_on_drawn(
    state: TrainState,
    signal: Signal,
    drawn: Drawn,
    end: Int[Array | np.int32, ""],
    program: Program,
) -> TrainState:
    """Train up to iteration `end`, at most AHEAD on, on what was drawn for the next iterations."""
    train = partial(_train, program)
    if program.mesh is not None:
        # The partitioner would not split the fused kernel's call. (Nor does JAX know how that
        # varies over the mesh: no check.)
        split, whole = PartitionSpec(REPLICATE), PartitionSpec()
        train = jax.shard_map(
            train,
            mesh=program.mesh,
            in_specs=(split, whole, split, whole),
            out_specs=split,
            check_vma=False,
        )
    return train(state, signal, drawn, end)


def _train(program: Program, state: TrainState, signal: Signal, drawn: Drawn, end) -> TrainState:
    start = state.iteration.ravel()[0]  # the same for all replicates

    def train_one(state_and_drawn):
        state, drawn = state_and_drawn

        def sample(iteration):
            # The last one's is not used; an index that is too large is clamped.
            now = jax.tree.map(lambda x: jnp.take(x, iteration - start, axis=0, mode="clip"), drawn)
            return batch_of(
                signal,
                now,
                program.past,
                program.horizon,
                program.observation,
                None if has_spread(state.weights) else program.error_floor,
            )

        # A batch is sampled an iteration ahead of its use. Used where it is made it would be fused
        # into its uses, and XLA on CPU would compute it again in each.
        def iterate(iteration, carried):
            state, batch = carried
            trained = train_step(
                program.structure,
                program.optimizer,
                state,
                batch,
                program.error_floor,
                program.beta,
            )
            return trained, sample(iteration + 1)

        return jax.lax.fori_loop(start, end, iterate, (state, sample(start)))[0]

    if state.iteration.ndim == 0:
        return train_one((state, drawn))
    if default_platform() != "cpu":
        return jax.vmap(train_one)((state, drawn))
    # On CPU one after the other. Side by side, what the kernel keeps for the backward pass
    # overflows the cache; and this way each has the bits of a model that is trained alone.
    return jax.lax.map(train_one, (state, drawn))


def iterations_done(state: TrainState) -> int:
    """Return a state's iteration, the same for all its replicates; waits for the device."""
    return int(np.ravel(state.iteration.addressable_data(0))[0])


@partial(jax.jit, static_argnames="program", donate_argnames="state")
def _train_on_batch(state: TrainState, batch: Batch, program: Program) -> TrainState:
    floor, beta = program.error_floor, program.beta
    return train_step(program.structure, program.optimizer, state, batch, floor, beta)


def train_stage(
    state: TrainState,
    source: Key[Array, "*replicates"] | Iterable,
    *,
    pause_every: tuple[int, ...],
    pause_after: Callable[[], int] | None = None,
    signal: Signal = SINES,
    **settings,
) -> Iterator[TrainState]:
    """Train a stage to the end of its loss history, pausing at every multiple of `pause_every`.

    Args:
      state: where to start; consumed.
      source: a key, or keys `[replicate]`, from which batches are drawn on the device as
        `train_chunk` says; or an iterable of batches, (inputs, targets), arrays `[time, batch, 1]`
        of the model's dtype, one taken per iteration.
      pause_every: periods, in iterations.
      pause_after: asked before each chunk, how many iterations it may have at most; no limit if not
        given.
      signal: what the batches of a key are of, as in `train_chunk`.
      **settings: of `Program`, as in `train_chunk`; where batches are given, structure and
        optimizer, and for a model that forecasts its spread error_floor and beta, are all.

    Yields:
      The state at each pause. It is consumed when the next one is asked for: copy what is to be
      kept.

    Raises:
      InputError: a period is not a whole number above 0, such windows cannot be drawn from the
        signal, the batches end before the stage does, or one is not two arrays of one shape.
    """
    program = Program(**settings)
    if isinstance(source, jax.Array):
        _check_windows(signal, program)
    else:
        source = iter(source)
    for period in pause_every:
        positive_integer("pause_every", period)
    iteration, iterations = iterations_done(state), state.losses.shape[-1]
    while iteration < iterations:
        start = iteration
        pauses = [start - start % period + period for period in pause_every]
        iteration = min([iterations, *pauses])
        if pause_after is not None:
            iteration = min(iteration, start + pause_after())
        if isinstance(source, jax.Array):
            state = _train_chunk(state, source, iteration, signal, program)
        else:
            for done in range(start, iteration):
                batch = next(source, None)
                if batch is None:
                    raise InputError(
                        f"the batches end after iteration {done}: give {iterations} of them"
                    )
                state = _train_on_batch(state, _checked(batch), program)
        yield state


def _checked(batch) -> Batch:
    """Return a batch, or raise InputError where its shapes would broadcast into a loss."""
    shapes = [np.shape(array) for array in batch]
    if len(shapes) != 2 or shapes[0] != shapes[1] or shapes[0][2:] != (1,):
        raise InputError(f"a batch has shapes {shapes}: give (inputs, targets), [time, batch, 1]")
    return batch
