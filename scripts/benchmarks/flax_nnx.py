"""Flax's own `nnx.RNN` in the idiomatic `nnx.jit` loop, as a side of the benchmark."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from .loops import NO_INPUT, by_windows, draw_values, stream
from .sides import Setting
from .timing import Work


class Network(nnx.Module):
    """Flax's LSTM and a linear layer."""

    def __init__(self, hidden_size: int = 15):
        rngs = nnx.Rngs(0)
        self.rnn = nnx.RNN(nnx.OptimizedLSTMCell(1, hidden_size, rngs=rngs), time_major=True)
        self.output = nnx.Linear(hidden_size, 1, rngs=rngs)

    def __call__(self, inputs):
        return self.output(self.rnn(inputs))

    def carry(self, batch_size: int):
        return self.rnn.cell.initialize_carry((batch_size, 1), nnx.Rngs(0))


@nnx.jit
def train_step(model, optimizer, inputs, targets):
    loss, gradients = nnx.value_and_grad(
        lambda model: jnp.mean(jnp.square(model(inputs) - targets))
    )(model)
    optimizer.update(model, gradients)
    return loss


@nnx.jit
def forecast(model, carry, inputs):
    carry, hidden = model.rnn(inputs, initial_carry=carry, return_carry=True)
    return carry, model.output(hidden)


@nnx.jit
def step(model, carry, inputs):
    carry, hidden = model.rnn.cell(carry, inputs)
    return carry, model.output(hidden)


class Side:
    """One jitted step per iteration on the tutorial's batches, with the loss read each time."""

    def training(self, setting: Setting) -> Work:
        """Iterations, each with its batch and Adam."""
        model = Network(setting.hidden_size)
        optimizer = nnx.Optimizer(
            model, optax.adam(setting.learning_rate, eps=setting.epsilon), wrt=nnx.Param
        )
        rng = np.random.RandomState(0x1010)

        def run(iterations):
            for _ in range(iterations):
                values = draw_values(rng, setting.batch_size, setting.window)
                targets = values.T[:, :, None].astype(np.float32)
                inputs = targets.copy()
                inputs[setting.past :] = NO_INPUT
                float(train_step(model, optimizer, inputs, targets))

        return Work(run)

    def rollout(self, batch_size: int, steps: int) -> Work:
        """Rollouts in one call each."""
        model = Network()
        start = model.carry(batch_size)

        def window(carry, inputs):
            return forecast(model, start if carry is None else carry, inputs)

        return by_windows(window, batch_size, steps)

    def streaming(self) -> Work:
        """Steps that take a number and give one."""
        model = Network()
        return stream(partial(step, model), model.carry(1))
