"""The LSTM's equations in NumPy, a loop over the steps, as a side of the benchmark."""

import numpy as np

from .loops import by_steps, draw_weights, stream
from .timing import Work


class Side:
    """Forecasts step by step."""

    def step(self, weights: dict[str, np.ndarray]):
        """Return a step of the network that has these weights."""
        inputs_to, hidden_to, bias, output, output_bias = matrices(weights)
        size = hidden_to.shape[0]

        def step(carry, inputs):
            hidden, cell = carry or np.zeros((2, len(inputs), size), np.float32)
            gates = inputs * inputs_to + hidden @ hidden_to + bias
            sigmoids = 1 / (1 + np.exp(-gates))  # of all gates: one call is cheaper than three
            cell = sigmoids[:, size : 2 * size] * cell
            cell += sigmoids[:, :size] * np.tanh(gates[:, 2 * size : 3 * size])
            hidden = sigmoids[:, 3 * size :] * np.tanh(cell)
            return (hidden, cell), hidden @ output + output_bias

        return step

    def rollout(self, batch_size: int, steps: int) -> Work:
        """Forecast steps without input, one after the other."""
        return by_steps(self.step(draw_weights()), batch_size, steps)

    def streaming(self) -> Work:
        """Steps that take a number and give one."""
        return stream(self.step(draw_weights()))


def matrices(weights: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return PyTorch's weights as [in, out], the two biases of the gates added up."""
    names = ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "ip1.weight")
    inputs_to, hidden_to, output = (np.ascontiguousarray(weights[name].T) for name in names)
    bias = weights["lstm.bias_ih_l0"] + weights["lstm.bias_hh_l0"]
    return inputs_to, hidden_to, bias, output, weights["ip1.bias"]
