"""A model for programs without this package: its computations as `jax.export` artifacts."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import jax
import safetensors.numpy

from ..errors import InputError
from ..files import new_folder, usable_path
from ..lstm import LSTMCarry
from ..model import SineLSTM, lstm_model
from ..runs.signals import TUTORIALS, Trained
from ..sensor import SensorLSTM
from ..signals.signal import NO_INPUT
from .convert import FILE_SUFFIXES, SAFETENSORS_SUFFIX, TORCH_SUFFIXES
from .torch_weights import params_to_torch

PLATFORMS = ("cpu", "cuda", "tpu")
SIGNATURES = "signatures.json"
WEIGHTS = "weights.safetensors"
EXAMPLE = "example.py"
EXAMPLE_CODE = '''"""How to use what is beside this file, with only `pip install jax flatbuffers`.

    rollout(hidden, cell, inputs [time, batch]) -> hidden, cell, predictions [time, batch]
    step(hidden, cell, inputs [batch]) -> hidden, cell, predictions [batch]

hidden and cell, [batch, hidden_size], are the state before and after; at first they are zeros. Feed
the samples that were observed and then, or wherever one is missing, the number no_input: what is
predicted there is the forecast. Any batch, any time; signatures.json holds shapes and dtypes.
"""

import json
from pathlib import Path

import jax
import numpy as np

folder = Path(__file__).parent
signatures = json.loads((folder / "signatures.json").read_text())
functions = {
    name: jax.export.deserialize(bytearray((folder / function["file"]).read_bytes())).call
    for name, function in signatures["functions"].items()
}

# A wave of 1.7 cycles in 100 steps is observed, as long as the model was trained to observe, and
# four times as many steps are forecast. Samples are scaled for the model, and its answers back.
past, dtype, scaling = signatures["past"], signatures["dtype"], signatures["scaling"]
samples = scaling["mean"] + scaling["scale"] * np.sin(2 * np.pi * 0.017 * np.arange(past))
observed = (samples[:, None] - scaling["mean"]) / scaling["scale"]
inputs = np.concatenate([observed, np.full((4 * past, 1), signatures["no_input"])]).astype(dtype)
zeros = np.zeros((1, signatures["hidden_size"]), dtype)
hidden, cell, predictions = jax.jit(functions["rollout"])(zeros, zeros, inputs)
forecast = scaling["mean"] + scaling["scale"] * np.asarray(predictions[past:, 0])

# The stream goes on from there, one step at a time.
nothing = np.full(1, signatures["no_input"], dtype)
hidden, cell, following = jax.jit(functions["step"])(hidden, cell, nothing)
following = scaling["mean"] + scaling["scale"] * np.asarray(following)

if __name__ == "__main__":
    print("\\n".join(map(str, [*forecast.tolist(), *following.tolist()])))
'''


def export(model: SineLSTM, folder: str | Path, trained: Trained = TUTORIALS) -> None:
    """Write a model into a new folder, for CPU, CUDA and TPU, to be used without this package.

    `rollout.bin` and `step.bin` are made by `jax.export`, hold the weights and take any batch and
    time; `weights.safetensors` has the weights under PyTorch's names, `signatures.json` describes
    arguments and results, and what the model is trained on, its rate and the scaling of its
    samples, and `example.py` shows how to load and call them. The folder is there whole or not at
    all.

    Raises:
      InputError: the folder exists or cannot be written, or the model's cell is another than ours.
    """
    folder, model = usable_path(folder), lstm_model(model)
    if isinstance(model, SensorLSTM):
        raise InputError(
            "a SensorLSTM measures its windows, which the exported step cannot: export a SineLSTM, "
            "or let `sinlstm convert` write the weights"
        )
    if folder.exists():
        raise InputError(f"{folder} exists: give a name that does not")
    if folder.suffix in (*FILE_SUFFIXES, SAFETENSORS_SUFFIX, *TORCH_SUFFIXES):
        raise InputError(
            f"{folder} would be a folder, and looks like a file: give a folder's name, or let "
            "`sinlstm convert` write .pt or .safetensors"
        )
    with _no_source_locations():
        functions = {
            "rollout": _exported(model, _rollout, "time, batch"),
            "step": _exported(model, _step, "batch"),
        }
    weights = params_to_torch(model)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as temporary:
            for name, function in functions.items():
                (temporary / f"{name}.bin").write_bytes(function.serialize())
            (temporary / WEIGHTS).write_bytes(safetensors.numpy.save(weights))
            signatures = json.dumps(_signatures(model, functions, weights, trained), indent=2)
            (temporary / SIGNATURES).write_text(signatures + "\n")
            (temporary / EXAMPLE).write_text(EXAMPLE_CODE)
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): give another") from None


def _rollout(model: SineLSTM, carry: LSTMCarry, inputs: jax.Array):
    # The scan, whatever the model computes with: an artifact cannot take the kernel along.
    carry, predictions = jax.lax.scan(model.step, carry, inputs[:, :, None])
    return *carry, predictions[:, :, 0]


def _step(model: SineLSTM, carry: LSTMCarry, inputs: jax.Array):
    carry, predictions = model.step(carry, inputs[:, None])
    return *carry, predictions[:, 0]


def _exported(model: SineLSTM, function: Callable, shape: str) -> jax.export.Exported:
    """Export (hidden, cell, inputs of a symbolic shape) -> (hidden, cell, predictions)."""
    dtype = model.output.kernel[...].dtype
    sizes = jax.export.symbolic_shape(shape)
    state = jax.ShapeDtypeStruct((sizes[-1], model.hidden_size), dtype)

    @jax.jit
    def of_arrays(hidden, cell, inputs):
        return function(model, LSTMCarry(hidden, cell), inputs)

    inputs = jax.ShapeDtypeStruct(sizes, dtype)
    return jax.export.export(of_arrays, platforms=PLATFORMS)(state, state, inputs)


@contextlib.contextmanager
def _no_source_locations():
    """Keep out of artifacts which files, on whose disk, the program was made from."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)


def _signatures(
    model: SineLSTM, functions: dict[str, jax.export.Exported], weights, trained: Trained
) -> dict:
    return {
        "jax": jax.__version__,
        "platforms": PLATFORMS,
        "sampling_rate": trained.sampling_rate,
        "past": trained.past,
        "scaling": trained.scaling._asdict(),
        "no_input": NO_INPUT,
        "hidden_size": model.hidden_size,
        "dtype": str(model.output.kernel[...].dtype),
        "functions": {
            name: {
                "file": f"{name}.bin",
                "arguments": _described(("hidden", "cell", "inputs"), function.in_avals),
                "results": _described(("hidden", "cell", "predictions"), function.out_avals),
            }
            for name, function in functions.items()
        },
        "weights": {"file": WEIGHTS, "entries": _described(weights, weights.values())},
    }


def _described(names, arrays) -> list[dict]:
    return [
        {
            "name": name,
            "shape": [axis if isinstance(axis, int) else str(axis) for axis in array.shape],
            "dtype": str(array.dtype),
        }
        for name, array in zip(names, arrays, strict=True)
    ]
