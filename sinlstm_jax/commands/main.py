"""The command line: parses it, runs the subcommand it names, and ends with one line on errors."""

import contextlib
import io
import logging
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

import tyro

import sinlstm_jax

from ..errors import Diverged, InputError, Interrupted, SaveFailed, did_you_mean
from . import SUBCOMMANDS

DESCRIPTION = (
    "An LSTM that continues sine waves, and samples of your own. --version tells which version it "
    "is."
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the subcommand that the arguments name; None for those of the process."""
    with tidy_exit():
        arguments = sys.argv[1:] if arguments is None else arguments
        if list(arguments) == ["--version"]:
            print(f"sinlstm {sinlstm_jax.__version__}")
            return
        _parsed(arguments).execute()


def _parsed(arguments: Sequence[str]):
    """Return a subcommand's options; tyro's boxes of several lines become one InputError."""
    for first in arguments[:1]:
        if not first.startswith("-") and first not in SUBCOMMANDS:
            raise InputError(
                f"{first!r} is no subcommand: give one of {', '.join(SUBCOMMANDS)}"
                f"{did_you_mean(first, SUBCOMMANDS)}"
            )
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.extras.subcommand_cli_from_dict(
                SUBCOMMANDS, prog="sinlstm", description=DESCRIPTION, args=arguments
            )
    except AssertionError as error:  # of a shell that tyro does not know
        if not any(each.startswith("--tyro-") for each in arguments):
            raise
        raise InputError(str(error)) from None
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        box = said.getvalue()
        words, meant = _first_words(box), _meant("".join(arguments[:1]), box)
        raise InputError(f"{words}: --help shows what can be given{meant}") from None


def _first_words(box: str) -> str:
    """Return what a box of tyro's says between its title and the first rule, on one line."""
    words = []
    for line in box.splitlines()[1:]:
        text = line.strip("│ ")
        if text.strip("─-╰╯"):
            words.append(text)
        elif words:
            break
    return " ".join(words).rstrip(".")


def _meant(subcommand: str, box: str) -> str:
    """Return which of a subcommand's options a box takes those for that it does not know."""
    option, suggested = "", []
    for line in box.splitlines():
        if found := re.match(r"\W {5}(--[\w-]+)", line):
            option = found[1]
        elif f"in sinlstm {subcommand} --help" in line:
            suggested.append(option)
    unknown = re.findall(r"--[\w-]+", _first_words(box))
    return "".join(did_you_mean(each, suggested) for each in unknown)


@contextlib.contextmanager
def _warnings_on_one_line():
    """Print what the package logs as it prints errors, without a logger's name."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    logger = logging.getLogger("sinlstm_jax")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


def _fill_closed_descriptors() -> None:
    """Open closed standard descriptors on nothing, or the next file would be taken for one."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _spell_out_what_cannot_be_encoded() -> None:
    """Print letters that the terminal's encoding lacks as numbers, where Python would raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_failed_output() -> None:
    """Send nowhere what cannot be printed, or Python's own flush would fail at the very end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether it is Python's or NumPy's error, or of JAX's the one, on CPU or on GPU."""
    words = str(error)
    return isinstance(error, MemoryError) or "Out of memory" in words or "EXHAUSTED" in words


@contextlib.contextmanager
def tidy_exit():
    """Turn errors into one line without a traceback.

    Exit codes: 1 where nobody reads what is printed, 2 for bad input, 3 for training that
    diverged, 4 for files that fail, 130 for Ctrl-C, 143 for SIGTERM.
    """
    _fill_closed_descriptors()
    _spell_out_what_cannot_be_encoded()
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax logs traces of what it raises
    warnings.filterwarnings("ignore", message="Glyph .* missing")  # of a name, in a picture
    try:
        with _warnings_on_one_line():
            yield
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where an error of it is still one of ours
    except BrokenPipeError:  # who read has seen enough
        _give_up_failed_output()
        sys.exit(1)
    except InputError as error:
        _leave(2, f"error: {error}")
    except Diverged as error:
        _leave(3, f"error: {error}")
    except SaveFailed as error:
        _leave(4, f"error: {error}")
    except OSError as error:
        _give_up_failed_output()
        _leave(4, f"error: a file cannot be read or written ({error}): fix that")
    except (MemoryError, RuntimeError) as error:  # JAX's is a RuntimeError
        if not _is_out_of_memory(error):
            raise
        _leave(2, "error: there is not enough memory for this: give smaller sizes")
    except Interrupted as error:
        _leave(128 + error.signal, str(error))
    except KeyboardInterrupt:
        _leave(130, "interrupted: the same command resumes, or starts again")


def _leave(code: int, words: str) -> NoReturn:
    """Say why on standard error, and end the process."""
    if sys.stderr is not None:  # where it is closed; print would take standard output
        print(words, file=sys.stderr)
    sys.exit(code)
