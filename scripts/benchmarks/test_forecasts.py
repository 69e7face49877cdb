"""The sides that forecast are given our weights, and forecast what we do, to float32's rounding."""

import numpy as np
import pytest
from flax import nnx

from scripts.benchmarks.loops import draw_history, with_history
from scripts.benchmarks.sides import load_side
from sinlstm_jax import SineLSTM, params_to_torch, rollout

HORIZON = 50
NEEDS = {
    "PyTorch": "torch",
    "PyTorch, LSTMCell": "torch",
    "PyTorch, one call": "torch",
    "PyTorch, compiled": "torch",
    "ONNX Runtime": "onnxruntime",
    "NumPy": "numpy",
    "numba": "numba",
}
SLOW = ("PyTorch, compiled",)  # which compiles for long


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in NEEDS]
)
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.filterwarnings("default::DeprecationWarning:torch")  # of what the compiler imports
def test_a_side_forecasts_what_we_do(name, batch_size):
    pytest.importorskip(NEEDS[name], reason="needs pip install '.[torch,benchmarks]'")
    side = load_side(name)
    model = SineLSTM(rngs=nnx.Rngs(3))
    weights = params_to_torch(model)
    history = draw_history(batch_size)
    expected = rollout(model, history, HORIZON)
    inputs = with_history(history, len(history) + HORIZON)
    if hasattr(side, "window"):
        window, half = side.window(weights), len(inputs) // 2
        carry, first = window(None, inputs[:half])
        _, second = window(carry, inputs[half:])
        np.testing.assert_allclose(np.concatenate([first, second]), expected, atol=1e-4)
    if hasattr(side, "step"):
        step, carry, predictions = side.step(weights), None, []
        for values in inputs:
            carry, prediction = step(carry, values)
            predictions.append(np.reshape(prediction, (batch_size, 1)))
        np.testing.assert_allclose(predictions, expected, atol=1e-4)
