"""What several subcommands need: options, a run or a model by name, JAX, a device, a console."""

import contextlib
import importlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..errors import InputError, did_you_mean
from ..files import cache_folder, usable_path
from ..recipe import Recipe
from ..recipes import RECIPES, SHIPPED, find_recipe

if TYPE_CHECKING:
    from rich.console import Console

    from ..model import SineLSTM
    from ..runs.signals import Trained


def optional(metavar: str, otherwise: str = "", help: str | None = None):
    """Return what --help says of an option that may be left out, in place of `None`."""
    hint = f"(default: {otherwise})" if otherwise else ""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=hint, help=help)


Run = Annotated[
    tyro.conf.Positional[str],
    tyro.conf.arg(
        metavar="RUN",
        help=f"Folder of a run or a checkpoint, or a model that ships: {', '.join(SHIPPED)}.",
    ),
]
Replicate = Annotated[
    int | None,
    optional(
        "INT",
        help="Which of a run's replicates, from 0 on; needed where there are several.",
    ),
]
Quiet = Annotated[
    tyro.conf.FlagCreatePairsOff[bool],
    tyro.conf.arg(
        help="Print neither progress nor losses nor tables, but errors and warnings alone."
    ),
]
Device = Annotated[
    Literal["cpu", "gpu", "tpu"] | None,
    optional("{cpu,gpu,tpu}", "what JAX prefers", help="Where to compute."),
]


def run_and_step(name: str) -> tuple[Path, str]:
    """Return a run's folder, and of one checkpoint in it `-STEP`, or else nothing.

    Raises:
      InputError: the name is that of a model that ships.
    """
    if name in SHIPPED:
        raise InputError(f"{name} ships, and has no folder of its own: give --out")
    from ..runs.record import CHECKPOINTS

    path = usable_path(name)
    whole = path.absolute()
    if whole.parent.name == CHECKPOINTS:
        return whole.parent.parent, f"-{whole.name}"
    return path, ""


def check_spelling(name: str) -> None:
    """Raise InputError where nothing has a name, and that of a model that ships is much like it."""
    meant = did_you_mean(name, SHIPPED)
    if meant and name not in SHIPPED and not usable_path(name).exists():
        raise InputError(f"{name} does not exist: give a run's folder or a checkpoint{meant}")


def named_model(name: str, replicate: int | None) -> "SineLSTM":
    """Load the model of a run's or checkpoint's folder as `load_model` does, or one that ships."""
    from ..runs.loading import load_model
    from ..runs.pretrained import load_pretrained

    if name not in SHIPPED:
        return load_model(name, replicate)
    only_model(name, replicate)
    return load_pretrained(name)


def trained_as(name: str, model: "SineLSTM") -> "Trained":
    """Return what a model, named as for `named_model`, is trained on."""
    from ..runs.signals import Trained, trained_on

    return Trained.by(RECIPES[name]) if name in SHIPPED else trained_on(name, model)


def named_recipe(name: str) -> "Recipe":
    """Return a named recipe, or of `MODULE:NAME` the one that is called so in a Python module.

    Raises:
      InputError: there is no such recipe, or the module cannot be imported.
    """
    module, colon, attribute = name.partition(":")
    if not colon:
        try:
            return find_recipe(name)
        except InputError as error:
            raise InputError(f"{error}{did_you_mean(name, RECIPES)}") from None
    import_jax()
    folder = os.getcwd()
    if folder not in sys.path:  # as Python itself has it for `python -m`
        sys.path.insert(0, folder)
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # a user's module raises whatever it likes
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"--recipe is {name!r}, and {module or 'nothing'} cannot be imported ({reason}): give "
            "MODULE:NAME of a module here, or the name of a recipe"
        ) from None
    if not isinstance(found, Recipe):
        what = "nothing" if found is None else f"a {type(found).__name__}"
        raise InputError(
            f"--recipe is {name!r}, and {attribute!r} of {module} is {what}: give that of a Recipe"
        )
    return found


def only_model(name: str, replicate: int | None) -> None:
    """Raise InputError where a replicate is asked for of what holds one model."""
    if replicate is not None:
        raise InputError(f"replicate is {replicate}: {name} holds one model, leave it out")


def make_folder(folder: Path) -> None:
    """Make a folder if it is not there, or raise InputError if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        reason = problem.strerror
        raise InputError(f"{folder} cannot be made ({reason}): give another --out") from None


def import_jax():
    """Return JAX, imported for the first time perhaps, with its compiled programs kept.

    Meanwhile the kernel is built, if it is not there yet.

    Raises:
      InputError: one of its variables holds what it does not know.
    """
    from ..kernel.library import build_ahead

    build_ahead()
    try:
        import jax
    except ValueError as error:
        found = re.search(r"\bjax_\w+", str(error), re.IGNORECASE)
        name = found[0].upper() if found else ""
        if name not in os.environ:
            raise
        raise InputError(
            f"{name} is {os.environ[name]!r}, which JAX does not know ({error}): unset it"
        ) from None
    keep_compiled_programs()
    return jax


def keep_compiled_programs() -> None:
    """Have JAX keep its compiled programs in the user's cache; what the user has set stays."""
    import jax

    if _is_unset("jax_compilation_cache_dir", None):
        with contextlib.suppress(RuntimeError, OSError):  # a user without a home, or rights in it
            folder = cache_folder() / "xla"
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                jax.config.update("jax_compilation_cache_dir", str(folder))
    if _is_unset("jax_persistent_cache_min_compile_time_secs", 1.0):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


def _is_unset(option: str, default) -> bool:
    """Tell whether an option of JAX has JAX's default, and there is no variable for it."""
    import jax

    return getattr(jax.config, option) == default and option.upper() not in os.environ


def started_jax():
    """Return JAX, or raise InputError where it finds nothing of what it is told to compute on."""
    jax = import_jax()
    try:
        jax.default_backend()
    except Exception as error:  # AssertionError and RuntimeError, by version and platform
        reason = " ".join(str(error).split()).partition(" (set ")[0][:200] or "it is not there"
        raise InputError(
            f"JAX cannot start on JAX_PLATFORMS={jax.config.jax_platforms!r} "  # pyright: ignore
            f"({reason}): unset JAX_PLATFORMS, or set it to cpu"
        ) from None
    return jax


@contextlib.contextmanager
def computing_on(platform: str | None):
    """Make a platform JAX's default, or raise InputError if it is not there."""
    jax = started_jax()
    if platform is None:
        yield
        return
    try:
        device = jax.local_devices(backend=platform)[0]
    except RuntimeError:
        raise InputError(
            f"--device is {platform!r}, but JAX finds only {jax.default_backend()!r} here: "
            "leave --device out, or install JAX for it"
        ) from None
    with jax.default_device(device):
        yield


def printing_console(*, quiet: bool = False) -> "Console":
    """Return the console of a process that prints, or a silent one: where asked, and of others."""
    started_jax()
    from ..runs.processes import is_first

    return plain_console(quiet=quiet or not is_first())


def plain_console(*, quiet: bool = False) -> "Console":
    """Return a console that leaves words as they are."""
    from rich.console import Console

    return Console(highlight=False, markup=False, soft_wrap=True, quiet=quiet)
