"""Orbax checkpoints: any pytrees of arrays plus a small JSON, kept by step, checked before use.

A step is written into a folder aside, gets a manifest with the SHA-256 of each of its files, and
then its name, in one move. So a folder of that name was once whole, and its manifest tells whether
it still is. Of several processes all may read, and the first one writes.

Orbax is imported by what uses it: most who import this package read and write no checkpoint.
"""

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np

from ..errors import InputError, SaveFailed
from ..files import read_json, reading
from .processes import is_first

if TYPE_CHECKING:
    import orbax.checkpoint as ocp

META = "meta"
MANIFEST = "manifest.json"
FORMAT = 1  # of what a step holds; to be counted up when that changes
LATEST = 2  # steps that stay: the latest, and one to go back to where it is damaged
OVERHEAD = 2**18  # bytes that the files of a step take beside twice its arrays, at most
LARGEST_ARRAY = 2**31  # bytes of an array that is read
SAVING = "saving"  # where steps are written
DELETED = "deleted"  # where steps are moved to first: a kill leaves none of them half deleted
DAMAGED = "damaged"  # where damaged steps are moved to


class Checkpoints:
    """The checkpoints in one folder; a context manager, since steps are saved in the background.

    Args:
      folder: where they are, or will be.
      keep: steps that are kept for good; of all others, only the latest two.
      create: make the folder if it does not exist, and clear away what a killed process left
        half-written or half-deleted; False only restores, and touches nothing on disk.

    Raises:
      SaveFailed: from making it, saving, and leaving it: the folder or a step cannot be written.
    """

    def __init__(self, folder: str | Path, *, keep: Iterable[int] = (), create: bool = True):
        self._folder = Path(folder).absolute()  # Orbax takes no relative paths
        self._keep = frozenset(keep)
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._saving: Future | None = None
        self._orbax = self._thread.submit(_checkpointer)  # there, since it takes a while
        if create and is_first():
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                raise SaveFailed(f"{folder} cannot be made ({problem.strerror})") from None
            for name in (SAVING, DELETED):
                shutil.rmtree(self._folder / name, ignore_errors=True)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        try:
            self.wait()
        finally:
            self._thread.shutdown()
            self._orbax.result().close()

    def steps(self) -> list[int]:
        """Return the steps on disk, damaged or not, in order."""
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(int(path.name) for path in folders if path.name.isdecimal())

    def damage(self, step: int) -> str | None:
        """Return what is wrong with a step, or None where each file is as it was written.

        Raises:
          InputError: it was written by another version of this package.
        """
        folder = self._folder / str(step)
        try:
            if not (folder / MANIFEST).exists():
                return f"it has no {MANIFEST}, like those of older versions of this package"
            manifest = read_json(folder / MANIFEST)
            form, hashes = manifest["format"], dict(manifest["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return f"{MANIFEST} cannot be read"
        if form != FORMAT:
            raise InputError(
                f"{folder} has format {form}, this version of the package reads {FORMAT}: "
                "use the version that wrote it, or train again"
            )
        for name, expected in hashes.items():
            try:
                # A stranger's manifest could name files outside of it, or devices that never end.
                if not (folder / name).resolve().is_relative_to(folder.resolve()):
                    return f"{name} is not in it"
                if _sha256(folder / name) != expected:
                    return f"{name} has changed"
            except (OSError, ValueError) as problem:
                reason = getattr(problem, "strerror", problem)
                return f"{name} cannot be read: {reason}"
        return None

    def save(self, step: int, meta: dict, **trees) -> None:
        """Save named pytrees and a JSON-ready dict in the background, all or nothing.

        The arrays are copied first, so the caller may donate them at once.
        """
        if not is_first():
            return
        trees = jax.tree.map(np.array, trees)
        self.wait()
        if step in self.steps():
            raise FileExistsError(f"step {step} is there already, of {self.steps()}")
        self._saving = self._thread.submit(self._write, step, meta, trees)

    def wait(self) -> None:
        """Wait until what was saved is on disk, or raise why it cannot be."""
        saving, self._saving = self._saving, None
        if saving is not None:
            saving.result()

    def meta(self, step: int) -> dict:
        """Return the JSON that was saved at a step, or raise InputError if it cannot be read."""
        return read_json(self._folder / str(step) / META / "metadata")

    def restore(self, step: int, name: str, like):
        """Return one named pytree, with the structure, shapes and dtypes of `like`.

        Raises:
          InputError: what is there is something else, or cannot be read.
        """
        import orbax.checkpoint as ocp

        abstract = jax.tree.map(ocp.tree.to_shape_dtype_struct, like)
        folder = self._folder / str(step)
        _check_announced(folder / name, abstract)
        args = ocp.args.Composite(**{name: ocp.args.StandardRestore(abstract)})
        with reading(folder, "checkpoint of this package"):
            return self._orbax.result().restore(folder, args=args)[name]

    def set_aside(self, steps: Iterable[int]) -> None:
        """Move steps into a folder where they are in no one's way, and none is lost."""
        for step in steps:
            _move(self._folder / str(step), self._folder / DAMAGED)

    def _write(self, step: int, meta: dict, trees: dict) -> None:
        import orbax.checkpoint as ocp

        items: dict[str, ocp.args.CheckpointArgs] = {
            name: ocp.args.StandardSave(tree) for name, tree in trees.items()
        }
        items[META] = ocp.args.JsonSave(meta)
        size = sum(array.nbytes for array in jax.tree.leaves(trees))
        aside = self._folder / SAVING / str(step)
        try:
            _need_room(aside.parent, size)
            self._orbax.result().save(aside, args=ocp.args.Composite(**items))
            files = sorted(path for path in aside.rglob("*") if path.is_file())
            hashes = {path.relative_to(aside).as_posix(): _sha256(path) for path in files}
            (aside / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": hashes}, indent=1))
            os.replace(aside, self._folder / str(step))
            aside.parent.rmdir()
            for old in set(self.steps()[:-LATEST]) - self._keep:
                _move(self._folder / str(old), self._folder / DELETED)
        except Exception as problem:  # Orbax raises whatever its writers in C++ do
            shutil.rmtree(aside.parent, ignore_errors=True)
            raise SaveFailed(
                f"checkpoint {self._folder / str(step)} cannot be written ({_reason(problem)})"
            ) from problem
        shutil.rmtree(self._folder / DELETED, ignore_errors=True)


def _check_announced(folder: Path, like) -> None:
    """Raise InputError unless a pytree's checkpoint announces the shapes and dtypes of `like`.

    Orbax would cut or fill up arrays of other shapes, and allocate whatever is announced.
    """
    import orbax.checkpoint as ocp

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


def _checkpointer() -> "ocp.Checkpointer":
    """Return Orbax's checkpointer for a process on its own: processes meet where they train."""
    import orbax.checkpoint as ocp

    alone = jax.process_index()
    options = ocp.options.MultiprocessingOptions(
        primary_host=alone, active_processes={alone}, barrier_sync_key_prefix=str(alone)
    )
    registry = ocp.handlers.DefaultCheckpointHandlerRegistry()
    trees = ocp.StandardCheckpointHandler(multiprocessing_options=options)
    meta = ocp.JsonCheckpointHandler(multiprocessing_options=options)
    registry.add(None, ocp.args.StandardSave, trees)
    registry.add(None, ocp.args.StandardRestore, trees)
    registry.add(None, ocp.args.JsonSave, meta)
    registry.add(None, ocp.args.JsonRestore, meta)
    composite = ocp.CompositeCheckpointHandler(
        handler_registry=registry,
        composite_options=ocp.CompositeOptions(multiprocessing_options=options),
    )
    return ocp.Checkpointer(composite, multiprocessing_options=options)


def _need_room(folder: Path, size: int) -> None:
    """Raise OSError unless arrays of so many bytes could be written into a folder.

    On a full disk Orbax would fail, too, but leave threads behind that complain on stderr.
    """
    folder.mkdir()
    room = folder / "room"
    try:
        room.write_bytes(bytes(2 * size + OVERHEAD))
    finally:
        room.unlink(missing_ok=True)


def _move(path: Path, folder: Path) -> None:
    """Move a folder into another, under a name that is free there."""
    folder.mkdir(exist_ok=True)
    target, count = folder / path.name, 1
    while target.exists():
        target, count = folder / f"{path.name}-{count}", count + 1
    os.replace(path, target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(problem: Exception) -> str:
    number = re.search(r"os_error_code='(\d+)'", str(problem))  # after a page of tensorstore's
    if number:
        return os.strerror(int(number[1]))
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    return (str(problem) or type(problem).__name__).splitlines()[0]
