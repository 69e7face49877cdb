"""Weights from one file format to another: PyTorch's, safetensors, and our checkpoints."""

import importlib
import pickletools
import re
import zipfile
from pathlib import Path

import jax
import numpy as np
import safetensors
import safetensors.numpy

from ..errors import InputError, shown
from ..files import reading, replacing, usable_path
from ..model import SineLSTM
from ..recipes import SHIPPED
from ..runs.loading import load_model, save_model
from ..runs.pretrained import load_pretrained
from .torch_weights import params_from_torch, params_to_torch

TORCH_SUFFIXES = (".pt", ".pth")
SAFETENSORS_SUFFIX = ".safetensors"
FILE_SUFFIXES = tuple(".bin .ckpt .h5 .json .keras .msgpack .npy .npz .onnx .pb .pkl .zip".split())
TORCH_PICKLE = "data.pkl"  # in a .pt file, a zip archive, what tells which tensors there are
LARGEST_PICKLE = 2**24  # bytes
# All that a state dict asks to be built. Of what `weights_only` lets through, `bytearray` can be
# asked for in any size.
TENSORS = r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch \w+Storage"
BEFORE_1_6 = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9"  # what `torch.save` began a file with then


def convert(source: str | Path, target: str | Path, replicate: int | None = None) -> SineLSTM:
    """Convert a model from one format to another, told apart by their names.

    `.pt` and `.pth` are PyTorch state dicts (which need torch), `.safetensors` the same entries
    in that format, and anything else is a folder with our checkpoints: of several replicates,
    `replicate` says which one. As a source, "curriculum" or another of `SHIPPED` is the model that
    ships; `./curriculum` is a folder.

    Returns:
      The model that was converted.

    Raises:
      InputError: the source cannot be read or does not fit, or it is not said which replicate; the
        target exists or cannot be written, or torch is needed and not there.
    """
    shipped = str(source) if str(source) in SHIPPED else None
    source, target = usable_path(source), usable_path(target)
    if target.exists():
        raise InputError(f"{target} exists: give a name that does not")
    _check_folder_name(target)
    if _suffix(target) in TORCH_SUFFIXES:
        _torch(target)  # complain before anything is read
    with jax.enable_x64(True):  # a float64 state dict keeps its dtype
        model = _read(source, replicate) if shipped is None else _shipped(shipped, replicate)
        _write(model, target)
    return model


def _check_folder_name(path: Path) -> None:
    """Raise InputError where a folder that is to be made would look like another format's file."""
    if _suffix(path) in FILE_SUFFIXES:
        raise InputError(
            f"{path} would be a folder, and looks like a file: give a name that ends with .pt for "
            "PyTorch, with .safetensors, or, for a folder, with neither"
        )


def _shipped(name: str, replicate: int | None) -> SineLSTM:
    _only_model(name, replicate)
    return load_pretrained(name)


def _only_model(name: str | Path, replicate: int | None) -> None:
    if replicate is not None:
        raise InputError(f"replicate is {shown(replicate)}: {name} holds one model, leave it out")


def _read(path: Path, replicate: int | None) -> SineLSTM:
    suffix, is_file = _suffix(path), path.is_file()
    if suffix not in (*TORCH_SUFFIXES, SAFETENSORS_SUFFIX):
        if is_file:
            raise InputError(f"{path} is a file {_looks_like(path)}")
        return load_model(path, replicate)
    _only_model(path, replicate)
    if not is_file:
        raise InputError(f"{path} is not a file: give one that is there")
    if suffix == SAFETENSORS_SUFFIX:
        # As for Flax, since NumPy has no bfloat16.
        with reading(path, "safetensors file"), safetensors.safe_open(path, "flax") as file:
            names = file.keys()
            arrays = {name: np.asarray(file.get_tensor(name)) for name in names}
        return params_from_torch(arrays)
    torch = _torch(path)
    with reading(path, "PyTorch file of weights alone"):
        _check_torch_file(path)
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state_dict, dict):
        raise InputError(f"{path} holds a {type(state_dict).__name__}: save model.state_dict()")
    return params_from_torch(state_dict)


def _looks_like(path: Path) -> str:
    """Return what a file of another suffix could be, and what to do."""
    if zipfile.is_zipfile(path):
        return "as PyTorch saves them: give it a name that ends with .pt"
    with path.open("rb") as file:
        if file.read(9)[8:] == b"{":
            return "as safetensors are: give it a name that ends with .safetensors"
    return "of no format that is known here: give .pt, .safetensors or a run's folder"


def _check_torch_file(path: Path) -> None:
    """Raise unless a .pt file is a whole archive that takes no more memory than it has bytes.

    It must be as `torch.save` writes it since PyTorch 1.6, its entries stored as they are. PyTorch
    looks at neither that nor the checksums. What a pickle runs is left to `weights_only`.
    """
    with path.open("rb") as file:
        if file.read(len(BEFORE_1_6)) == BEFORE_1_6:
            raise InputError(
                f"{path} is as PyTorch before 1.6 saved it: load it there, and save it again"
            )
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any("/code/" in entry.filename for entry in entries):
            raise InputError(
                f"{path} is a TorchScript archive: load it with torch.jit.load, and save its "
                "state_dict()"
            )
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > path.stat().st_size or any(entry.compress_type for entry in entries):
            raise ValueError("its entries are packed")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} in it is damaged")
        (pickle,) = (e for e in entries if e.filename.rpartition("/")[2] == TORCH_PICKLE)
        if pickle.file_size > LARGEST_PICKLE:
            raise ValueError("its pickle is too long")
        for operation, argument, _ in pickletools.genops(archive.read(pickle)):
            if operation.name == "GLOBAL" and not re.fullmatch(TENSORS, str(argument)):
                raise ValueError(f"it asks for {argument}")


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
