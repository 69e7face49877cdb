"""The network as an ONNX graph, its LSTM one node, run by ONNX Runtime: a side of the benchmark."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .loops import by_windows, draw_weights, stream
from .timing import Work

OPSET = 17  # of the operators, and
FORMAT = 8  # the file format that belongs to it: a newer one is refused by older runtimes
GATES = (0, 3, 1, 2)  # ONNX has i, o, f, g; PyTorch i, f, g, o


class Side:
    """Forecasts of whole windows, and steps, which are windows of one step, on one thread."""

    def window(self, weights: dict[str, np.ndarray]):
        """Return what forecasts a window with these weights."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # there is nothing to share in networks so small
        session = onnxruntime.InferenceSession(
            network(weights), options, providers=["CPUExecutionProvider"]
        )
        size = weights["ip1.weight"].shape[1]

        def window(carry, inputs):
            hidden, cell = carry or np.zeros((2, 1, inputs.shape[1], size), np.float32)
            feed = {"inputs": inputs, "hidden": hidden, "cell": cell}
            predictions, *carry = session.run(None, feed)
            return carry, predictions

        return window

    def step(self, weights: dict[str, np.ndarray]):
        """Return a step of the network that has these weights."""
        window = self.window(weights)
        return lambda carry, inputs: window(carry, inputs[None])

    def rollout(self, batch_size: int, steps: int) -> Work:
        """Rollouts in one call each."""
        return by_windows(self.window(draw_weights()), batch_size, steps)

    def streaming(self) -> Work:
        """Steps that take a number and give one."""
        return stream(self.step(draw_weights()))


def network(weights: dict[str, np.ndarray]) -> bytes:
    """Return the network with these weights as ONNX, for any time and batch."""

    def in_order(name):
        parts = np.split(weights[name], 4)
        return np.concatenate([parts[gate] for gate in GATES])

    biases = [in_order(f"lstm.bias_{part}_l0") for part in ("ih", "hh")]
    constants = {
        "input_kernel": in_order("lstm.weight_ih_l0")[None],
        "hidden_kernel": in_order("lstm.weight_hh_l0")[None],
        "biases": np.concatenate(biases)[None],
        "directions": np.array([1]),
        "output_kernel": weights["ip1.weight"].T,
        "output_bias": weights["ip1.bias"],
    }
    size = weights["ip1.weight"].shape[1]
    lstm = ["inputs", "input_kernel", "hidden_kernel", "biases", "", "hidden", "cell"]
    nodes = [
        helper.make_node("LSTM", lstm, ["all", "hidden_then", "cell_then"], hidden_size=size),
        helper.make_node("Squeeze", ["all", "directions"], ["outputs"]),
        helper.make_node("MatMul", ["outputs", "output_kernel"], ["products"]),
        helper.make_node("Add", ["products", "output_bias"], ["predictions"]),
    ]

    def tensors(names, *shape):
        return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names]

    graph = helper.make_graph(
        nodes,
        "sine_lstm",
        tensors(["inputs"], "time", "batch", 1) + tensors(["hidden", "cell"], 1, "batch", size),
        tensors(["predictions"], "time", "batch", 1)
        + tensors(["hidden_then", "cell_then"], 1, "batch", size),
        [numpy_helper.from_array(np.array(x, order="C"), name) for name, x in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=FORMAT).SerializeToString()
