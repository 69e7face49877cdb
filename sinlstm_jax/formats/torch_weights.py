"""Weights to and from PyTorch's names and layout, on NumPy alone.

The names are those of the tutorial's state dict: an `nn.LSTM` called `lstm` and an `nn.Linear`
called `ip1`. PyTorch stores a matrix as [out, in] and multiplies by its transpose; ours are
[in, out]. Gate order is i, f, g, o on both sides.
"""

import logging
from collections.abc import Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ..errors import MAX_HIDDEN_SIZE, InputError, shown
from ..model import SineLSTM, lstm_model, split_model
from ..networks import NETWORKS, abstract_model, network_of

# PyTorch's name: shape in terms of the hidden size and of the outputs: 1, or of a SensorLSTM 3.
SHAPES = {
    "lstm.weight_ih_l0": lambda hidden, _: (4 * hidden, 1),
    "lstm.weight_hh_l0": lambda hidden, _: (4 * hidden, hidden),
    "lstm.bias_ih_l0": lambda hidden, _: (4 * hidden,),
    "lstm.bias_hh_l0": lambda hidden, _: (4 * hidden,),
    "ip1.weight": lambda hidden, outputs: (outputs, hidden),
    "ip1.bias": lambda hidden, outputs: (outputs,),
}
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
HALVES = (np.dtype(np.float16), np.dtype(jnp.bfloat16))  # float32 holds them without loss
WRAPPER = "module."  # what PyTorch's DataParallel puts before all names
COMPILED = "_orig_mod."  # what `torch.compile` puts into them, before what it compiled
DEEPEST = 4  # mappings in one another in which weights are looked for
_LOG = logging.getLogger("sinlstm_jax")


def params_from_torch(state_dict: Mapping) -> SineLSTM:
    """Build a model from a PyTorch state dict, without loss.

    Args:
      state_dict: the six entries of SHAPES, of any hidden size, as tensors or arrays, all float32
        or all float64 (which needs `jax_enable_x64`); float16 and bfloat16 become float32. The
        input bias may be anything: it becomes the frozen bias. They may be inside of another
        mapping, such as a checkpoint with an optimizer's state, and their names may begin with
        `module.` or `_orig_mod.`: a log line says so.

    Returns:
      A model with the dtype of the state dict; a SensorLSTM where `ip1` has three outputs.

    Raises:
      InputError: entries are missing, unknown, of a wrong shape or dtype, or not finite; the one
        message lists every problem. Or weights are in several places.
    """
    if not isinstance(state_dict, Mapping):
        raise InputError(f"the state dict is {shown(state_dict)}: give names and arrays")
    state_dict = _unwrapped(state_dict)
    arrays = {name: _as_array(value) for name, value in state_dict.items()}
    problems = _problems(arrays)
    if problems:
        raise InputError("the state dict does not fit: " + "; ".join(problems))
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
    hidden_size = arrays["ip1.weight"].shape[1]
    structure, *_ = abstract_model(hidden_size, network_of(weights))
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


def _unwrapped(state_dict: Mapping) -> Mapping:
    """Return the mapping with the weights' names, as the tutorial has them, and say what it took.

    Raises:
      InputError: there are several, or the names have a prefix that is not a wrapper's.
    """
    found = dict(_holders(state_dict, "", DEEPEST))
    if len(found) > 1:
        raise InputError(f"there are weights in {' and in '.join(found)}: give one of them")
    if not found:
        return state_dict  # whose problems are listed
    ((where, weights),) = found.items()
    plain = {_plain(name): value for name, value in weights.items()}
    if len(plain) < len(weights):
        twice = next(name for name in plain if sum(_plain(x) == name for x in weights) > 1)
        raise InputError(f"{twice} is there twice, with a wrapper's prefix, too: give one of them")
    for name in plain:
        for ours in SHAPES:
            if name.endswith(f".{ours}"):
                prefix = name.removesuffix(ours)
                raise InputError(f"{name} is {ours} with a prefix: take {prefix!r} off all names")
    if where:
        _LOG.warning("the weights are taken from %s", where)
    if list(plain) != list(weights):
        _LOG.warning("%r and %r are taken off the weights' names", WRAPPER, COMPILED)
    return plain


def _holders(mapping: Mapping, where: str, depth: int) -> Iterator[tuple[str, Mapping]]:
    """Yield what holds names of weights, with the way there, such as `['model']`."""
    if any(_plain(name).endswith(tuple(SHAPES)) for name in mapping):
        yield where, mapping
    elif depth:
        for name, value in mapping.items():
            if isinstance(value, Mapping):
                yield from _holders(value, f"{where}[{name!r}]", depth - 1)


def _plain(name) -> str:
    return str(name).replace(COMPILED, "").removeprefix(WRAPPER)


def _as_array(value) -> np.ndarray:
    """Return a tensor or an array as an array; of dtype object, its kind, if it cannot be one."""
    try:
        if hasattr(value, "detach"):  # a tensor, perhaps one with a gradient or on a GPU
            value = value.detach().cpu()
            value = value.float() if value.element_size() == 2 else value  # NumPy has no bfloat16
        array = np.asarray(value)
        return array.astype(np.float32) if array.dtype in HALVES else array
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
    hidden_size, outputs = _hidden_size(present), _outputs(present)
    for name, array in present.items():
        if array.dtype == object:
            problems.append(f"{name} is {array}: give float32 or float64")
            continue
        expected = SHAPES[name](hidden_size, outputs)
        fits = hidden_size <= MAX_HIDDEN_SIZE and array.shape == expected
        if hidden_size and array.shape != expected:
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
            if array.shape == SHAPES[name](size, _outputs(present)) and name != "ip1.bias":
                sizes.append(size)
    return max(sorted(set(sizes)), key=sizes.count, default=0)


def _outputs(present: dict[str, np.ndarray]) -> int:
    """Return the outputs of `ip1`: those of a network of ours, or else 1."""
    bias = present.get("ip1.bias", np.empty(1))
    known = (network.outputs for network in NETWORKS.values())
    return next((outputs for outputs in known if bias.shape == (outputs,)), 1)
