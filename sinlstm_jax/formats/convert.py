"""Weights from one file format to another: PyTorch's, safetensors, and our checkpoints."""

import importlib
from pathlib import Path

import jax
import numpy as np
import safetensors.numpy

from ..errors import InputError, shown
from ..files import replacing, usable_path
from ..model import SineLSTM
from ..runs.loading import load_model, save_model
from ..strangers import check_torch_file, reading
from .torch_weights import params_from_torch, params_to_torch

TORCH_SUFFIXES = (".pt", ".pth")
SAFETENSORS_SUFFIX = ".safetensors"


def convert(source: str | Path, target: str | Path, replicate: int | None = None) -> SineLSTM:
    """Convert a model from one format to another, told apart by their names.

    `.pt` and `.pth` are PyTorch state dicts (which need torch), `.safetensors` the same entries
    in that format, and anything else is a folder with our checkpoints: of several replicates,
    `replicate` says which one.

    Returns:
      The model that was converted.

    Raises:
      InputError: the source cannot be read or does not fit, or it is not said which replicate; the
        target exists or cannot be written, or torch is needed and not there.
    """
    source, target = usable_path(source), usable_path(target)
    if target.exists():
        raise InputError(f"{target} exists: give a name that does not")
    if _suffix(target) in TORCH_SUFFIXES:
        _torch(target)  # complain before anything is read
    with jax.enable_x64(True):  # a float64 state dict keeps its dtype
        model = _read(source, replicate)
        _write(model, target)
    return model


def _read(path: Path, replicate: int | None) -> SineLSTM:
    if _suffix(path) not in (*TORCH_SUFFIXES, SAFETENSORS_SUFFIX):
        return load_model(path, replicate)
    if replicate is not None:
        raise InputError(f"replicate is {shown(replicate)}: {path} holds one model, leave it out")
    if not path.is_file():
        raise InputError(f"{path} is no file: give one that is there")
    if _suffix(path) == SAFETENSORS_SUFFIX:
        with reading(path, "safetensors file"):
            arrays = safetensors.numpy.load_file(path)
        return params_from_torch(arrays)
    torch = _torch(path)
    check_torch_file(path)
    with reading(path, "PyTorch file of weights alone"):
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state_dict, dict):
        raise InputError(f"{path} holds a {type(state_dict).__name__}: save model.state_dict()")
    return params_from_torch(state_dict)


def _write(model: SineLSTM, path: Path) -> None:
    if _suffix(path) not in (*TORCH_SUFFIXES, SAFETENSORS_SUFFIX):
        save_model(model, path)
        return
    arrays = params_to_torch(model)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            if _suffix(path) == SAFETENSORS_SUFFIX:
                temporary.write_bytes(safetensors.numpy.save(arrays))
            else:
                torch = _torch(path)
                tensors = {name: torch.from_numpy(np.array(a)) for name, a in arrays.items()}
                torch.save(tensors, temporary)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): give another") from None


def _suffix(path: Path) -> str:
    return path.suffix.lower()


def _torch(path: Path):
    """Return the torch module: the one place that needs it, and only for its own files."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise InputError(
            f"{path} needs PyTorch: pip install 'sinlstm-jax[torch]', or use .safetensors"
        ) from None
