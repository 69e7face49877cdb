"""This package as a side of the benchmark, and the parts that its training iteration is made of."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from sinlstm_jax import (
    SineLSTM,
    adam,
    draw_waves,
    forecast,
    init_state,
    rollout,
    train_chunk,
)
from sinlstm_jax.kernel.layer import fused_lstm
from sinlstm_jax.lstm import lstm_scan
from sinlstm_jax.model import split_model
from sinlstm_jax.rollout import stepper
from sinlstm_jax.signals.batches import AHEAD, batch_of, draw_ahead
from sinlstm_jax.signals.sines import Sines
from sinlstm_jax.training import Program, train_on_drawn

from .loops import PAST, call_length, draw_history, in_calls, stream
from .sides import Setting
from .timing import Work

LOOK_EVERY = 100  # iterations; a run looks at least at its display_every, or every second
LOSSES = 20_000  # length of the loss history, as in the longest stage


class Side:
    """Training in chunks with a look at the losses after each, as a run does it.

    Raises:
      InputError: the implementation cannot be had here.
    """

    def __init__(self, implementation: str):
        self._model = partial(SineLSTM, implementation=implementation)
        self._layer = fused_lstm if implementation == "fused" else lstm_scan
        self._model()

    def training(self, setting: Setting) -> Work:
        """Iterations, each with its batch and Adam."""
        state, fixed = self._start(setting)
        return Work(_trainer(state, jax.random.key(0), fixed))

    def compilation(self, setting: Setting) -> Work:
        """Trace and compile a stage's training."""
        state, fixed = self._start(setting)
        program = Program(**fixed)

        def run(_):
            jax.clear_caches()
            first = draw_ahead.lower(
                Sines(), jax.random.key(0), np.int32(0), batch_size=program.batch_size
            )
            first.compile()
            train_on_drawn.lower(state, Sines(), first.out_info, np.int32(1), program).compile()

        return Work(run, cold=True)

    def rollout(self, batch_size: int, steps: int) -> Work:
        """Rollouts as a user calls them; where one is too long for a call, forecasts."""
        model = self._model()
        unit, history = call_length(batch_size, steps), draw_history(batch_size)
        if unit == steps:
            call = lambda _: (None, rollout(model, history, steps - PAST))  # noqa: E731
            return in_calls(call, None, unit, steps)
        next_steps = partial(forecast, model, steps=unit)
        return in_calls(next_steps, model.initial_carry(batch_size), unit, steps)

    def streaming(self) -> Work:
        """Steps that take a number and give one."""
        model = self._model()
        return stream(stepper(model), model.initial_carry(1))

    def replicates(self, setting: Setting, count: int) -> Work:
        """Iterations of `count` replicates at once; a unit of work is one of all of them."""
        models = [self._model(setting.hidden_size, rngs=nnx.Rngs(seed)) for seed in range(count)]
        _, fixed = self._start(setting)
        states = [init_state(model, fixed["optimizer"], LOSSES) for model in models]
        states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        keys = jax.random.split(jax.random.key(0), count)
        return Work(_trainer(states, keys, fixed), count)

    def parts(self, setting: Setting) -> dict[str, Work]:
        """What an iteration cannot do without, each on its own in a compiled loop."""
        model = self._model(setting.hidden_size)
        _, parameters, _ = split_model(model)
        optimizer = adam(setting.learning_rate, setting.epsilon)
        carry = model.initial_carry(setting.batch_size)
        key, sizes = jax.random.key(0), (setting.past, setting.horizon)
        inputs, _ = batch_of(Sines(), draw_waves(key, setting.batch_size), *sizes)

        # Every iteration must depend on the one before: what does not is done once, by XLA.
        def layer(_, weights):
            (last, hidden), pull_back = jax.vjp(lambda w: self._layer(w, carry, inputs), weights)
            (gradient,) = pull_back((jax.tree.map(jnp.zeros_like, last), hidden))
            return jax.tree.map(lambda w, g: w - 1e-9 * g, weights, gradient)

        waves = draw_ahead(Sines(), key, 0, batch_size=setting.batch_size)

        def data(i, _):
            return batch_of(Sines(), tuple(x[i % AHEAD] for x in waves), *sizes)

        def adam_alone(_, carried):
            parameters, state = carried
            updates, state = optimizer.update(parameters, state, parameters)
            return optax.apply_updates(parameters, updates), state

        return {
            "layer": _loop(layer, model.cell.weights),
            "data": _loop(data, data(0, None)),
            "Adam": _loop(adam_alone, (parameters, optimizer.init(parameters))),
        }

    def _start(self, setting: Setting):
        """Return (a fresh training state, the static arguments of train_chunk)."""
        optimizer = adam(setting.learning_rate, setting.epsilon)
        model = self._model(setting.hidden_size)
        fixed = {
            "structure": split_model(model)[0],
            "optimizer": optimizer,
            "batch_size": setting.batch_size,
            "past": setting.past,
            "horizon": setting.horizon,
        }
        return init_state(model, optimizer, LOSSES), fixed


def _trainer(state, key: jax.Array, fixed: dict):
    """Return what trains so many iterations from the start of a stage, with looks at the losses."""

    def run(iterations):
        nonlocal state
        state = state._replace(iteration=jnp.zeros_like(state.iteration))
        for end in [*range(LOOK_EVERY, iterations, LOOK_EVERY), iterations]:
            state = train_chunk(state, key, end, **fixed)
            np.asarray(state.losses)

    return run


def _loop(body, initial) -> Work:
    """Return the work of so many turns of a compiled loop from one and the same beginning."""
    run = jax.jit(lambda count, initial: jax.lax.fori_loop(0, count, body, initial))
    return Work(lambda count: jax.block_until_ready(run(count, initial)))
