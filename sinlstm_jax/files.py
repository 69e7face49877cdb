"""Files that are there whole or not at all, and where those go that can be made again."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError, SaveFailed, shown


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
    try:
        temporary.mkdir()
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
        raise InputError(f"{shown(path)} is no path that can be used ({reason})") from None
    return path


def clear_leftovers(folder: Path) -> None:
    """Remove the temporary files in a folder of which `replacing` was killed."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Raise SaveFailed, which says how a run goes on, where a file cannot be written."""
    try:
        yield
    except OSError as problem:
        what = str(problem)
        if not isinstance(problem, SaveFailed):
            what = f"{problem.filename or folder} cannot be written ({problem.strerror or what})"
        raise SaveFailed(
            f"{what}: what was there before is whole; mend that, and the same command goes on"
        ) from problem


def cache_folder() -> Path:
    """Return this user's cache folder for this package; XDG_CACHE_HOME moves it."""
    default = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or default) / "sinlstm_jax"
