"""What is checked of a file before and while it is read, since it may come from a stranger.

Nothing in a file is run. What it may make the process allocate is bounded: JSON by LARGEST_JSON,
an array by LARGEST_ARRAY, whatever the file announces.
"""

import contextlib
import json
import math
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import jax
import orbax.checkpoint as ocp

from .errors import InputError

LARGEST_JSON = 2**24  # bytes
LARGEST_ARRAY = 2**31  # bytes
TORCH_PICKLE = "data.pkl"  # in a .pt file, a zip archive, what tells which tensors there are
BEFORE_1_6 = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9"  # what `torch.save` began a file with then
TORCH_NAMES = {  # all that a state dict asks to be built; other numbers than floats are named later
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(
        f"torch {kind}Storage"
        for kind in "Float Double Half BFloat16 Long Int Short Char Byte Bool".split()
    ),
}


@contextlib.contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Turn whatever a reader of a damaged or hostile file raises into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # readers raise whatever they like
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise InputError(f"{path} is no {what} ({reason})") from None


def read_json(path: Path) -> dict:
    """Return the object in a JSON file, or raise InputError."""
    with reading(path, "JSON of ours"):
        if path.stat().st_size > LARGEST_JSON:
            raise InputError(f"{path} has over {LARGEST_JSON} bytes: it is none of ours")
        found = json.loads(path.read_text())
        if not isinstance(found, dict):
            raise ValueError("it holds no object")
    return found


def check_checkpoint(folder: Path, like) -> None:
    """Raise InputError unless a pytree's checkpoint announces the shapes and dtypes of `like`.

    Orbax would cut or fill up arrays of other shapes, and allocate whatever is announced.
    """
    with reading(folder, "checkpoint of this model"):
        for path in folder.glob("_*METADATA"):
            read_json(path)
        metadata = ocp.PyTreeCheckpointHandler().metadata(folder)  # pyright: ignore  (any path does)
        announced = _by_name(metadata.tree)
        for name, array in _by_name(like).items():
            _check_array(name, array, announced.get(name))


def _by_name(tree) -> dict:
    leaves, _ = jax.tree.flatten_with_path(tree)
    return {jax.tree_util.keystr(k, simple=True, separator="."): leaf for k, leaf in leaves}


def _check_array(name: str, like, announced) -> None:
    """Raise ValueError unless an array is announced as what it should be."""
    if announced is None:
        raise ValueError(f"{name} is missing")
    shapes, dtypes = (announced.shape, like.shape), (announced.dtype, like.dtype)
    if tuple(shapes[0]) != tuple(shapes[1]) or dtypes[0] != dtypes[1]:
        raise ValueError(
            f"{name} is {dtypes[0]} {tuple(shapes[0])}, not {dtypes[1]} {tuple(shapes[1])}"
        )
    chunk = announced.storage.chunk_shape or ()  # what is read at once, and may be larger
    if max(math.prod(like.shape), math.prod(chunk)) * like.dtype.itemsize > LARGEST_ARRAY:
        raise ValueError(f"{name} takes over {LARGEST_ARRAY} bytes")


def check_torch_file(path: Path) -> None:
    """Raise InputError unless a .pt file is an archive that only asks for tensors of numbers.

    It must be one as `torch.save` writes it since PyTorch 1.6: entries stored as they are, so that
    none unpacks to more than the file has; and it must be whole, which PyTorch does not look at.
    """
    with reading(path, "PyTorch file of weights alone"), path.open("rb") as file:
        if file.read(len(BEFORE_1_6)) == BEFORE_1_6:
            raise InputError(
                f"{path} is as PyTorch before 1.6 saved it: load it there, and save it anew"
            )
    with reading(path, "PyTorch file of weights alone"), zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        unpacked = sum(entry.file_size for entry in entries)
        if unpacked > path.stat().st_size or any(entry.compress_type for entry in entries):
            raise ValueError("its entries are packed")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"{damaged} in it is damaged")
        (pickle,) = (e for e in entries if e.filename.rpartition("/")[2] == TORCH_PICKLE)
        if pickle.file_size > LARGEST_JSON:
            raise ValueError("its pickle is too long")
        for operation, argument, _ in pickletools.genops(archive.read(pickle)):
            if operation.name in ("GLOBAL", "INST") and argument not in TORCH_NAMES:
                raise ValueError(f"it asks for {argument}")
            if operation.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX"):
                raise ValueError(f"it holds {operation.name}")
