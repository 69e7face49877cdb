"""An LSTM with PyTorch's equations in NumPy float64, written without looking at ours.

https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
"""

import numpy as np

TRAINABLE = ("w_ih", "w_hh", "b_hh", "w_out", "b_out")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def arrays(weights, frozen):
    """Return a model's arrays in float64 under one flat naming."""
    cell, output = weights["cell"], weights["output"]
    named = {
        "w_ih": cell["input_kernel"],
        "w_hh": cell["hidden_kernel"],
        "b_hh": cell["hidden_bias"],
        "b_ih": frozen["cell"]["input_bias"],
        "w_out": output["kernel"],
        "b_out": output["bias"],
    }
    return {name: np.array(value, np.float64) for name, value in named.items()}


def states(p, inputs, h, c):
    """Return (h, c) after every step, each `[time, batch, hidden]`, from those before the first."""
    size = p["w_hh"].shape[0]
    history = []
    for x in np.asarray(inputs, np.float64):
        gate = {}
        for k, name in enumerate("ifgo"):
            rows = slice(k * size, (k + 1) * size)
            gate[name] = (
                x @ p["w_ih"][:, rows] + p["b_ih"][rows] + h @ p["w_hh"][:, rows] + p["b_hh"][rows]
            )
        c = sigmoid(gate["f"]) * c + sigmoid(gate["i"]) * np.tanh(gate["g"])
        h = sigmoid(gate["o"]) * np.tanh(c)
        history.append((h, c))
    return tuple(np.stack(parts) for parts in zip(*history, strict=True))


def forward(p, inputs):
    """Return the predictions, `[time, batch, 1]`, for inputs of the same shape."""
    zeros = np.zeros((inputs.shape[1], p["w_hh"].shape[0]))
    h, _ = states(p, inputs, zeros, zeros)
    return h @ p["w_out"] + p["b_out"]


def loss(p, inputs, targets):
    """Return the mean squared error over the whole window."""
    return np.mean((forward(p, inputs) - np.asarray(targets, np.float64)) ** 2)


def gradient(p, inputs, targets, name, step=1e-6):
    """Return the loss's gradient for one array, by central differences."""
    result = np.empty_like(p[name])
    for index in np.ndindex(*result.shape):
        losses = []
        for sign in (1, -1):
            moved = p[name].copy()
            moved[index] += sign * step
            losses.append(loss(p | {name: moved}, inputs, targets))
        result[index] = (losses[0] - losses[1]) / (2 * step)
    return result


def first_adam_step(p, batch, learning_rate, epsilon):
    """Return the arrays after Adam's first step: both corrected moments are the one gradient's."""
    moved = dict(p)
    for name in TRAINABLE:
        slope = gradient(p, *batch, name)
        moved[name] = p[name] - learning_rate * slope / (np.abs(slope) + epsilon)
    return moved
