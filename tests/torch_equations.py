"""PyTorch's recurrent layers in NumPy float64, on PyTorch's names and layout.

https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html, and torch.nn.GRU there. Inputs
are `[time, batch, feature]`; states start from zero.
"""

import numpy as np
from reference_lstm import sigmoid


def draw(gates, inputs, hidden, layers=("l0",), projection=0, seed=0):
    """Return a state dict as PyTorch lays it out, float32, of layers that all take `inputs`."""
    rng = np.random.default_rng(seed)
    shapes = {
        "weight_ih": (gates * hidden, inputs),
        "weight_hh": (gates * hidden, projection or hidden),
        "bias_ih": (gates * hidden,),
        "bias_hh": (gates * hidden,),
    } | ({"weight_hr": (projection, hidden)} if projection else {})
    return {
        f"{name}_{layer}": rng.normal(size=shape).astype(np.float32) / 2
        for layer in layers
        for name, shape in shapes.items()
    }


def lstm(weights, inputs, layer="l0"):
    """Return (outputs `[time, batch, hidden]`, the last h, the last c) of one layer."""
    p = _of_layer(weights, layer)
    hidden = p["weight_hh"].shape[0] // 4
    h = np.zeros((inputs.shape[1], p["weight_hh"].shape[1]))
    c = np.zeros((inputs.shape[1], hidden))
    outputs = []
    for x in np.asarray(inputs, np.float64):
        total = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
        i, f, g, o = (total[:, k * hidden : (k + 1) * hidden] for k in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        if "weight_hr" in p:
            h = h @ p["weight_hr"].T
        outputs.append(h)
    return np.stack(outputs), h, c


def gru(weights, inputs, layer="l0"):
    """Return (outputs `[time, batch, hidden]`, the last h) of one layer."""
    p = _of_layer(weights, layer)
    hidden = p["weight_hh"].shape[1]
    reset, update, new = (slice(k * hidden, (k + 1) * hidden) for k in range(3))
    h = np.zeros((inputs.shape[1], hidden))
    outputs = []
    for x in np.asarray(inputs, np.float64):
        of_input = x @ p["weight_ih"].T + p["bias_ih"]
        of_state = h @ p["weight_hh"].T + p["bias_hh"]
        r = sigmoid(of_input[:, reset] + of_state[:, reset])
        z = sigmoid(of_input[:, update] + of_state[:, update])
        n = np.tanh(of_input[:, new] + r * of_state[:, new])
        h = (1 - z) * n + z * h
        outputs.append(h)
    return np.stack(outputs), h


def bidirectional_lstm(weights, inputs, layer="l0"):
    """Return (outputs `[time, batch, 2 hidden]`, both last h, both last c) of one layer."""
    forward, *last = lstm(weights, inputs, layer)
    backward, *first = lstm(weights, inputs[::-1], layer + "_reverse")
    both = np.concatenate([forward, backward[::-1]], axis=-1)
    return both, *map(np.stack, zip(last, first, strict=True))


def _of_layer(weights, layer):
    """Return one layer's arrays in float64, by the names without the layer."""
    suffix = "_" + layer
    return {
        name.removesuffix(suffix): np.asarray(array, np.float64)
        for name, array in weights.items()
        if name.endswith(suffix)
    }
