"""The command line: the `sinlstm` subcommands, which the scripts also run."""

import contextlib
import io
import logging
import sys
from collections.abc import Callable

import jax
import tyro

import sinlstm_jax

from ..errors import Diverged, InputError, Interrupted, SaveFailed
from ..files import cache_folder
from . import (
    ConvertOptions,
    CurriculumOptions,
    EvaluateOptions,
    ExportOptions,
    ForecastOptions,
    PlaygroundOptions,
)


def main() -> None:
    """Run the subcommand that the command line names."""
    with tidy_exit():
        subcommands = {
            "curriculum": CurriculumOptions,
            "evaluate": EvaluateOptions,
            "convert": ConvertOptions,
            "playground": PlaygroundOptions,
            "forecast": ForecastOptions,
            "export": ExportOptions,
        }
        parsed(
            tyro.extras.subcommand_cli_from_dict,
            subcommands,
            prog="sinlstm",
            description=sinlstm_jax.__doc__,
        ).execute()


def _main_of(options: type) -> Callable[[], None]:
    """Return what runs one subcommand without naming it, as the scripts do."""

    def run() -> None:
        with tidy_exit():
            parsed(tyro.cli, options).execute()

    return run


curriculum_main = _main_of(CurriculumOptions)
evaluate_main = _main_of(EvaluateOptions)
convert_main = _main_of(ConvertOptions)
playground_main = _main_of(PlaygroundOptions)
forecast_main = _main_of(ForecastOptions)
export_main = _main_of(ExportOptions)


def parsed(parse, *arguments, **keywords):
    """Return what tyro parses, its boxes of several lines turned into one InputError."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parse(*arguments, **keywords)
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise InputError(_first_words(said.getvalue())) from None


def _first_words(box: str) -> str:
    """Return what a box of tyro's says between its title and the first rule, on one line."""
    words = []
    for line in box.splitlines()[1:]:
        text = line.strip("│ ")
        if text.strip("─-╰╯"):
            words.append(text)
        elif words:
            break
    return f"{' '.join(words).rstrip('.')}: --help shows what can be given"


def keep_compiled_programs() -> None:
    """Have JAX keep its compiled programs in the user's cache, for the next start."""
    try:
        folder = cache_folder() / "xla"
    except RuntimeError:  # a user without a home
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


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


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether it is Python's or NumPy's error, or of JAX's the one, on CPU or on GPU."""
    words = str(error)
    return isinstance(error, MemoryError) or "Out of memory" in words or "EXHAUSTED" in words


@contextlib.contextmanager
def tidy_exit():
    """Turn errors into one line without a traceback.

    Exit codes: 2 for bad input, 3 for training that diverged, 4 for files that fail, 130 for
    Ctrl-C, 143 for SIGTERM.
    """
    keep_compiled_programs()
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax logs traces of what it raises
    try:
        with _warnings_on_one_line():
            yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Diverged as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(3)
    except SaveFailed as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(4)
    except OSError as error:
        print(f"error: a file cannot be read or written ({error}): mend that", file=sys.stderr)
        sys.exit(4)
    except (MemoryError, jax.errors.JaxRuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        print("error: there is not enough memory for this: give smaller sizes", file=sys.stderr)
        sys.exit(2)
    except Interrupted as error:
        print(error, file=sys.stderr)
        sys.exit(128 + error.signal)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on, or begins anew", file=sys.stderr)
        sys.exit(130)
