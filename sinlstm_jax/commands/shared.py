"""What several subcommands need: options, a run or a model by name, a device, a console."""

import contextlib
from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro
from rich.console import Console

from ..errors import InputError
from ..files import usable_path
from ..model import SineLSTM
from ..runs.loading import CHECKPOINTS, SHIPPED, load_model, load_pretrained
from ..runs.processes import is_first


def optional(metavar: str, otherwise: str = "", help: str | None = None):
    """Return what --help says of an option that may be left out, in place of `None`."""
    hint = f"(default: {otherwise})" if otherwise else ""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=hint, help=help)


Run = Annotated[
    tyro.conf.Positional[str],
    tyro.conf.arg(
        metavar="RUN",
        help="Folder of a run or a checkpoint, or `pretrained` for the model that ships.",
    ),
]
Replicate = Annotated[
    int | None,
    optional(
        "INT",
        help="Which of a run's replicates, from 0 on; needed where there are several.",
    ),
]
Device = Annotated[
    Literal["cpu", "gpu", "tpu"] | None,
    optional("{cpu,gpu,tpu}", "what JAX prefers", help="Where to compute."),
]


def run_and_step(name: str) -> tuple[Path, str]:
    """Return a run's folder, and of one checkpoint in it `-STEP`, or else nothing.

    Raises:
      InputError: the name is that of the model that ships.
    """
    if name == SHIPPED:
        raise InputError(f"{SHIPPED} has no folder of its own: give --out")
    path = usable_path(name)
    whole = path.absolute()
    if whole.parent.name == CHECKPOINTS:
        return whole.parent.parent, f"-{whole.name}"
    return path, ""


def named_model(name: str, replicate: int | None) -> SineLSTM:
    """Load the model of a run's or checkpoint's folder as `load_model` does, or what ships."""
    if name != SHIPPED:
        return load_model(name, replicate)
    only_model(name, replicate)
    return load_pretrained()


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


def check_jax_starts() -> None:
    """Raise InputError where JAX finds nothing of what it is told to compute on."""
    try:
        jax.default_backend()
    except Exception as error:  # AssertionError and RuntimeError, by version and platform
        reason = " ".join(str(error).split()).partition(" (set ")[0][:200] or "it is not there"
        raise InputError(
            f"JAX cannot start on JAX_PLATFORMS={jax.config.jax_platforms!r} "  # pyright: ignore
            f"({reason}): unset JAX_PLATFORMS, or set it to cpu"
        ) from None


@contextlib.contextmanager
def computing_on(platform: str | None):
    """Make a platform JAX's default, or raise InputError if it is not there."""
    check_jax_starts()
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


def printing_console() -> Console:
    """Return the console of a process that prints, or a silent one for the others."""
    check_jax_starts()
    return plain_console(quiet=not is_first())


def plain_console(*, quiet: bool = False) -> Console:
    """Return a console that leaves words as they are."""
    return Console(highlight=False, markup=False, soft_wrap=True, quiet=quiet)
