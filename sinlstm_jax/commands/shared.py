"""What several subcommands need: a model by name, a device, a console."""

import contextlib

import jax
import tyro
from rich.console import Console

from ..errors import InputError
from ..model import SineLSTM
from ..runs.loading import load_model, load_pretrained
from ..runs.processes import is_first

DEVICES = "{cpu,gpu,tpu}"
SHIPPED = "pretrained"  # names the model that ships, where a run is asked for


def optional(metavar: str, otherwise: str = ""):
    """Return what --help says of an option that may be left out, in place of `None`."""
    hint = f"(default: {otherwise})" if otherwise else ""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=hint)


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


@contextlib.contextmanager
def computing_on(platform: str | None):
    """Make a platform JAX's default, or raise InputError if it is not there."""
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
    return Console(highlight=False, markup=False, soft_wrap=True, quiet=not is_first())
