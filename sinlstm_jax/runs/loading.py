"""Trained models in one line: from a run, or from one of its checkpoints."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx

from ..errors import InputError, positive_integer, shown
from ..files import new_folder, one_line, usable_path
from ..model import SineLSTM, lstm_model, split_model
from ..networks import abstract_model, network_named
from .checkpoints import Checkpoints
from .record import CHECKPOINTS, ENSEMBLE
from .replicates import stack, take

_LOG = logging.getLogger("sinlstm_jax")


def load_model(path: str | Path, replicate: int | None = None) -> SineLSTM:
    """Load the model of a run's folder (its latest checkpoint) or of one checkpoint in it.

    Args:
      path: a run's folder, such as `runs/curriculum-4112`, or a checkpoint, such as
        `runs/curriculum-4112/checkpoints/10000`.
      replicate: which of the run's replicates, from 0 on; needed where there are several, unless
        the run keeps the one model that they were made into.

    Raises:
      InputError: there is no checkpoint that is whole, no such replicate, or it is not said which.
    """
    if replicate is None and has_ensemble(path):
        return load_model(usable_path(path) / ENSEMBLE)
    models = load_models(path)
    count = len(models)
    if replicate is None and count > 1:
        seeds = replicate_seeds(path)
        raise InputError(
            f"{path} holds {count} replicates, of seeds {seeds[0]} to {seeds[-1]}: give "
            f"replicate, 0 to {count - 1}"
        )
    replicate = 0 if replicate is None else replicate
    if type(replicate) is not int or not 0 <= replicate < count:
        holds = (
            "one replicate: give 0" if count == 1 else f"{count} replicates: give 0 to {count - 1}"
        )
        raise InputError(f"replicate is {shown(replicate)}: {path} holds {holds}")
    return models[replicate]


def has_ensemble(path: str | Path) -> bool:
    """Tell whether a run keeps one model that its replicates were made into."""
    return (usable_path(path) / ENSEMBLE).is_dir()


def load_models(path: str | Path) -> list[SineLSTM]:
    """Load the models of all replicates of a run or a checkpoint, as `load_model` loads one."""
    with _open_checkpoint(path) as (checkpoints, step):
        meta = checkpoints.meta(step)
        count = positive_integer(f"replicates in {path}", meta.get("replicates"))
        hidden_size = positive_integer(f"hidden_size in {path}", meta.get("hidden_size"))
        network = network_named(meta.get("network", SineLSTM.__name__))
        structure, weights, frozen = abstract_model(hidden_size, network)
        like = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((count, *x.shape), x.dtype),
            {"weights": weights, "frozen": frozen},
        )
        item = checkpoints.restore(step, "model", like)
    replicates = [take(item, k) for k in range(count)]
    return [nnx.merge(structure, each["weights"], each["frozen"]) for each in replicates]


def replicate_seeds(path: str | Path) -> list[int]:
    """Return the seeds of a run's or checkpoint's replicates; of a model saved alone, none."""
    with _open_checkpoint(path) as (checkpoints, step):
        return checkpoints.meta(step).get("seeds", [])


@contextlib.contextmanager
def _open_checkpoint(path: str | Path) -> Iterator[tuple[Checkpoints, int]]:
    """Find a checkpoint as `load_model` says: (the checkpoints of the run, its step)."""
    path = usable_path(path).absolute()
    folder = path / CHECKPOINTS if (path / CHECKPOINTS).is_dir() else path.parent
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise InputError(f"{one_line(path)} {what}: give a run's folder or one of its checkpoints")
    with Checkpoints(folder, create=False) as checkpoints:
        steps = checkpoints.steps()
        if folder == path.parent:
            steps = [step for step in steps if str(step) == path.name]
        if not steps:
            raise InputError(f"{path} holds no checkpoint: give a run's folder or {folder}/<step>")
        yield checkpoints, _latest_whole(checkpoints, folder, steps)


def _latest_whole(checkpoints: Checkpoints, folder: Path, steps: list[int]) -> int:
    """Return the last of some steps that is not damaged; a log line names those that are."""
    wrong = []
    for step in reversed(steps):
        damage = checkpoints.damage(step)
        if damage is None:
            for line in wrong:
                _LOG.warning("%s: taking %d", line, step)
            return step
        wrong.append(f"checkpoint {folder / str(step)} is damaged ({damage})")
    raise InputError(f"{', '.join(wrong)}: give another, or put a copy back")


def save_model(model: SineLSTM, folder: str | Path) -> None:
    """Write a model as a checkpoint into a new folder, from which `load_model` loads it.

    The folder is there whole or not at all.

    Raises:
      InputError: the folder exists or cannot be made, or the model is not float32 or has another
        cell than ours.
    """
    folder, model = usable_path(folder), lstm_model(model)
    if folder.exists():
        raise InputError(f"{folder} exists: give a new folder")
    if model.output.kernel[...].dtype != jnp.float32:
        raise InputError(
            "the model is float64, checkpoints hold float32: write .safetensors or .pt, or cast it"
        )
    _, weights, frozen = split_model(model)
    item = stack([{"weights": weights, "frozen": frozen}])
    description = {"network": type(model).__name__, "hidden_size": model.hidden_size}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with new_folder(folder) as temporary, Checkpoints(temporary / CHECKPOINTS) as checkpoints:
            checkpoints.save(0, {**description, "replicates": 1}, model=item)
            checkpoints.wait()
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{folder} cannot be made ({reason}): give another") from None
