"""Files: written whole or not at all, read with care since they may come from a stranger."""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from .errors import InputError, SaveFailed, shown

LARGEST_JSON = 2**24  # bytes


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path`, in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; on success it becomes `path`, in one step."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.mkdir()
    try:
        yield temporary
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def usable_path(path: str | Path) -> Path:
    """Return a path that the file system can be asked about, or raise InputError."""
    try:
        path = Path(path)
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()
    except (TypeError, ValueError, OSError) as error:  # no path, a null in it, too long, no rights
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{shown(path)} is not a path that can be used ({reason})") from None
    return path


def one_line(path: Path) -> str:
    """Return a path as a message names it, on one line, whatever letters it has."""
    text = str(path)
    return text if text.isprintable() else repr(text)


@contextlib.contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Turn whatever a reader of a damaged or hostile file raises into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # readers raise whatever they like
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        raise InputError(f"{path} is not a {what} ({reason})") from None


def read_json(path: Path) -> dict:
    """Return the object in a JSON file, or raise InputError."""
    with reading(path, "JSON file of this package"):
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"it has over {LARGEST_JSON} bytes")
        found = json.loads(path.read_text())
        if not isinstance(found, dict):
            raise ValueError("it holds no object")
    return found


def is_leftover(path: Path) -> bool:
    """Tell whether a path is a temporary one, of which `replacing` or `new_folder` was killed."""
    return re.fullmatch(r"\..*\.\d+\.(tmp|new)", path.name) is not None


def clear_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders in a folder."""
    for path in filter(is_leftover, list(folder.iterdir())):
        if path.suffix == ".new":
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Raise SaveFailed, which says how to resume, where a file cannot be written."""
    try:
        yield
    except OSError as problem:
        what = str(problem)
        if not isinstance(problem, SaveFailed):
            what = f"{problem.filename or folder} cannot be written ({problem.strerror or what})"
        raise SaveFailed(
            f"{what}: earlier files are intact; fix that, and the same command resumes the run"
        ) from problem


def cache_folder() -> Path:
    """Return this user's cache folder for this package; XDG_CACHE_HOME moves it.

    Raises:
      RuntimeError: the user has no home.
    """
    folder = platformdirs.user_cache_path("sinlstm_jax", appauthor=False)
    if not folder.is_absolute():
        raise RuntimeError("the user has no home directory")
    return folder
