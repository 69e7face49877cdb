"""Weights to and from PyTorch's names and layout, on NumPy alone.

The names are those of the tutorial's state dict: an `nn.LSTM` called `lstm` and an `nn.Linear`
called `ip1`. PyTorch stores a matrix as [out, in] and multiplies by its transpose; ours are
[in, out]. Gate order is i, f, g, o on both sides.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..errors import InputError, shown
from ..model import MAX_HIDDEN_SIZE, SineLSTM, lstm_model, split_model

# PyTorch's name: shape in terms of the hidden size.
SHAPES = {
    "lstm.weight_ih_l0": lambda hidden: (4 * hidden, 1),
    "lstm.weight_hh_l0": lambda hidden: (4 * hidden, hidden),
    "lstm.bias_ih_l0": lambda hidden: (4 * hidden,),
    "lstm.bias_hh_l0": lambda hidden: (4 * hidden,),
    "ip1.weight": lambda hidden: (1, hidden),
    "ip1.bias": lambda hidden: (1,),
}


FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def params_from_torch(state_dict: Mapping) -> SineLSTM:
    """Build a model from a PyTorch state dict, without loss.

    Args:
      state_dict: the six entries of SHAPES, of any hidden size, as tensors or arrays, all float32
        or all float64 (which needs `jax_enable_x64`). The input bias may be anything: it becomes
        the frozen bias.

    Returns:
      A model with the dtype of the state dict.

    Raises:
      InputError: entries are missing, unknown, of a wrong shape or dtype, or not finite; the one
        message lists every problem.
    """
    if not isinstance(state_dict, Mapping):
        raise InputError(f"the state dict is {shown(state_dict)}: give names and arrays")
    _check_unwrapped(state_dict)
    arrays = {name: _as_array(value) for name, value in state_dict.items()}
    problems = _problems(arrays)
    if problems:
        raise InputError("the state dict does not fit: " + "; ".join(problems))
    hidden_size = arrays["ip1.weight"].shape[1]
    structure, _, _ = split_model(nnx.eval_shape(lambda: SineLSTM(hidden_size)))
    # A copy each: a tensor that is trained on must not change our model.
    array = {name: jnp.array(value) for name, value in arrays.items()}
    weights = {
        "cell": {
            "input_kernel": array["lstm.weight_ih_l0"].T,
            "hidden_kernel": array["lstm.weight_hh_l0"].T,
            "hidden_bias": array["lstm.bias_hh_l0"],
        },
        "output": {"kernel": array["ip1.weight"].T, "bias": array["ip1.bias"]},
    }
    return nnx.merge(structure, weights, {"cell": {"input_bias": array["lstm.bias_ih_l0"]}})


def params_to_torch(model: SineLSTM) -> dict[str, np.ndarray]:
    """Return a model's weights under PyTorch's names and in its layout, without loss.

    `{name: torch.from_numpy(value)}` of it is a state dict.
    """
    _, weights, frozen = split_model(lstm_model(model))
    return arrays_to_torch(weights, frozen)


def arrays_to_torch(weights: dict, frozen: dict) -> dict[str, np.ndarray]:
    """Return the dicts of `split_model`, or gradients of that form, in PyTorch's layout."""
    cell, output = weights["cell"], weights["output"]
    arrays = {
        "lstm.weight_ih_l0": cell["input_kernel"].T,
        "lstm.weight_hh_l0": cell["hidden_kernel"].T,
        "lstm.bias_ih_l0": frozen["cell"]["input_bias"],
        "lstm.bias_hh_l0": cell["hidden_bias"],
        "ip1.weight": output["kernel"].T,
        "ip1.bias": output["bias"],
    }
    return {name: np.array(value, order="C") for name, value in arrays.items()}


def _check_unwrapped(state_dict: Mapping) -> None:
    """Raise InputError where a state dict is inside of another, or all its names have a prefix."""
    if any(name in state_dict for name in SHAPES):
        return
    for name, value in state_dict.items():
        if isinstance(value, Mapping):
            raise InputError(f"the state dict seems to be inside of another: give its {name!r}")
        for ours in SHAPES:
            if str(name).endswith(f".{ours}"):
                prefix = str(name).removesuffix(ours)
                raise InputError(f"{name} is {ours} with a prefix: take {prefix!r} off all names")


def _as_array(value) -> np.ndarray:
    """Return a tensor or an array as an array; of dtype object, its kind, if it cannot be one."""
    try:
        if hasattr(value, "detach"):  # a tensor, perhaps one with a gradient or on a GPU
            value = value.detach().cpu()
        return np.asarray(value)
    except (
        TypeError,
        ValueError,
        NotImplementedError,
    ):  # of a dtype that NumPy lacks, sparse, meta
        kind = str(getattr(value, "dtype", value))
        if kind in ("torch.float32", "torch.float64"):
            kind = f"{value.layout} on {value.device}"
        return np.asarray(kind, object)


def _problems(arrays: dict[str, np.ndarray]) -> list[str]:
    """Return all that is wrong with a state dict, in words."""
    problems = [f"{name} is missing" for name in SHAPES if name not in arrays]
    problems += [_unknown(str(name)) for name in arrays if name not in SHAPES]
    present = {name: array for name, array in arrays.items() if name in SHAPES}
    hidden_size = _hidden_size(present)
    for name, array in present.items():
        if array.dtype == object:
            problems.append(f"{name} is {array}: give float32 or float64")
            continue
        fits = hidden_size <= MAX_HIDDEN_SIZE and array.shape == SHAPES[name](hidden_size)
        if hidden_size and array.shape != SHAPES[name](hidden_size):
            expected = SHAPES[name](hidden_size)
            problems.append(
                f"{name} has shape {array.shape}: expected {expected} for hidden size {hidden_size}"
            )
        if array.dtype not in FLOATS:
            problems.append(f"{name} is {array.dtype}: give float32 or float64")
        elif fits and not np.isfinite(array).all():  # of the announced shape, it may be too large
            problems.append(f"{name} holds values that are not finite")
    if hidden_size > MAX_HIDDEN_SIZE:
        problems.append(f"the hidden size is {hidden_size}: at most {MAX_HIDDEN_SIZE} is taken")
    if present and not hidden_size:
        problems.append("no entry has a shape that tells the hidden size")
    floats = [array.dtype for array in present.values() if array.dtype in FLOATS]
    dtypes = sorted(map(str, set(floats)))
    if len(dtypes) > 1:
        problems.append(f"entries are of {' and '.join(dtypes)}: give one dtype")
    elif dtypes == ["float64"] and jax.dtypes.canonicalize_dtype("float64") != "float64":
        problems.append("entries are float64: set jax_enable_x64, or give float32")
    return problems


def _unknown(name: str) -> str:
    # Without these it would be another network.
    if name.startswith("lstm.") and not name.endswith("_l0"):
        return f"{name} is unknown: an LSTM of one layer and one direction is taken"
    return f"{name} is unknown: leave it out"


def _hidden_size(present: dict[str, np.ndarray]) -> int:
    """Return the hidden size that most entries agree on; 0 if none tells."""
    sizes = []
    for name, array in present.items():
        for size in {n for axis in array.shape for n in (axis, axis // 4)} - {0}:
            if array.shape == SHAPES[name](size) and name != "ip1.bias":
                sizes.append(size)
    return max(sorted(set(sizes)), key=sizes.count, default=0)
