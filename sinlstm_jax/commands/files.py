"""What commands read from and write to: files, or standard input and output."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ..errors import InputError
from ..files import replacing, usable_path


def make_folder(folder: Path) -> None:
    """Make a folder if it is not there, or raise InputError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        reason = problem.strerror
        raise InputError(f"{folder} cannot be made ({reason}): give another --out") from None


def make_way_for(path: Path) -> None:
    """Make the folder that a file is to be in, or raise InputError if it cannot be made."""
    if usable_path(path).exists():
        raise InputError(f"{path} exists: give a name that does not")
    folder = path.absolute().parent
    make_folder(folder)
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} cannot be written to: give {path.name} another folder")


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[TextIO]:
    """Open a text file to be read, or give standard input."""
    if path is None:
        if sys.stdin.isatty():
            print("Reading samples, one a line; Ctrl-D ends them.", file=sys.stderr)
        yield sys.stdin
        return
    try:
        file = path.open(encoding="utf-8")
    except OSError as problem:
        raise InputError(f"{path} cannot be read ({problem.strerror}): give a CSV file") from None
    with file:
        yield file


@contextlib.contextmanager
def written(path: Path | None) -> Iterator[TextIO]:
    """Open a text file that will be there whole or not at all, or give standard output."""
    if path is not None:
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
            yield file
        return
    try:
        yield sys.stdout
    except BrokenPipeError:  # who read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush
        sys.exit(1)


def warn(doubt: str) -> None:
    """Print a warning."""
    print(f"warning: {doubt}", file=sys.stderr)
