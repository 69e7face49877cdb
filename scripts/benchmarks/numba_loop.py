"""The LSTM's equations in loops that numba compiles, as a side of the benchmark."""

import math

import numba
import numpy as np

from .loops import by_windows, draw_weights, stream
from .numpy_loop import matrices
from .timing import Work


class Side:
    """Forecasts of whole windows, series by series, and steps, which are short windows."""

    def try_out(self) -> None:
        """Compile, for all that comes."""
        self.step(draw_weights())(None, np.zeros((1, 1), np.float32))

    def window(self, weights: dict[str, np.ndarray]):
        """Return what forecasts a window with these weights."""
        inputs_to, hidden_to, bias, output, output_bias = matrices(weights)
        flat = (inputs_to[0], hidden_to, bias, output[:, 0], output_bias[0])
        size = len(hidden_to)

        def window(carry, inputs):
            carry = np.zeros((2, inputs.shape[1], size), np.float32) if carry is None else carry
            return _forecast(inputs, carry, *flat)

        return window

    def step(self, weights: dict[str, np.ndarray]):
        """Return a step of the network that has these weights."""
        window = self.window(weights)

        def step(carry, inputs):
            carry, predictions = window(carry, inputs[None])
            return carry, predictions[0]

        return step

    def rollout(self, batch_size: int, steps: int) -> Work:
        """Rollouts in one call each."""
        return by_windows(self.window(draw_weights()), batch_size, steps)

    def streaming(self) -> Work:
        """Steps that take a number and give one."""
        return stream(self.step(draw_weights()))


@numba.njit(fastmath=True)
def _sigmoid(x):
    return np.float32(1) / (np.float32(1) + math.exp(-x))


@numba.njit(fastmath=True)
def _tanh(x):  # twice as fast as math.tanh
    return np.float32(2) * _sigmoid(np.float32(2) * x) - np.float32(1)


@numba.njit(fastmath=True)
def _forecast(inputs, carry, inputs_to, hidden_to, bias, output, output_bias):
    """Return (carry, predictions) of a window; all is float32."""
    steps, batch_size = inputs.shape[:2]
    size = len(output)
    carry, predictions = carry.copy(), np.empty_like(inputs)
    gates = np.empty_like(bias)
    for series in range(batch_size):
        hidden, cell = carry[0, series], carry[1, series]
        for time in range(steps):
            for gate in range(4 * size):
                gates[gate] = bias[gate] + inputs_to[gate] * inputs[time, series, 0]
            for unit in range(size):
                for gate in range(4 * size):
                    gates[gate] += hidden_to[unit, gate] * hidden[unit]
            prediction = output_bias
            for unit in range(size):
                take, keep = _sigmoid(gates[unit]), _sigmoid(gates[size + unit])
                new, show = _tanh(gates[2 * size + unit]), _sigmoid(gates[3 * size + unit])
                cell[unit] = keep * cell[unit] + take * new
                hidden[unit] = show * _tanh(cell[unit])
                prediction += output[unit] * hidden[unit]
            predictions[time, series, 0] = prediction
    return carry, predictions
