"""What a run leaves on disk beside its checkpoints: run.json, metrics.csv, and their rules."""

import contextlib
import fcntl
import json
import os
import platform
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import clear_leftovers, replacing
from ..kernel.choice import choose_implementation
from .loading import CHECKPOINTS
from ..strangers import read_json

DESCRIPTION = "run.json"
METRICS = "metrics.csv"


@contextlib.contextmanager
def open_run(
    path: Path, identity: dict, device: str, implementation: str
) -> Iterator[tuple[dict, dict]]:
    """Start a run in a new or empty folder, or find the same one there to go on with.

    While the context lasts, the folder is locked against other runs.

    Args:
      path: the run's folder.
      identity: what makes it this run and no other, JSON-ready.
      device: what it is computed on.
      implementation: what is to compute it; with "auto", a run goes on with what it began with.

    Yields:
      The run's description, {**identity, "device", "implementation", "versions", "figures"}, as
      run.json has it; and the middle three as they are now, for a run that was found there may
      have been computed with others.

    Raises:
      InputError: the folder cannot be written, holds something else, or is locked, or the
        implementation cannot be had here. No folder is made then.
    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    with contextlib.ExitStack() as lock:
        try:
            path.mkdir(parents=True, exist_ok=True)
            lock.enter_context(_locked(path))
            clear_leftovers(path)
            found = _same_run(path, identity)
            if found and implementation == "auto":
                implementation = found.get("implementation", "unknown")
            now = {
                "device": device,
                "implementation": choose_implementation(implementation, identity["hidden_size"]),
                "versions": versions(),
            }
            description = {**identity, **now, "figures": [], **found}
            write_description(path, description)
        except (OSError, InputError) as error:
            for folder in made:
                with contextlib.suppress(OSError):  # it was never made, or is not ours alone
                    folder.rmdir()
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path} cannot be written ({error.strerror}): give a folder that can"
            ) from None
        yield description, now


def _same_run(path: Path, identity: dict) -> dict:
    """Return the description of the run in a folder, {} where there is none, or raise InputError.

    A run of another kind makes way where it never came to a checkpoint: there is nothing to lose.
    """
    if not (path / DESCRIPTION).exists():
        if any(path.iterdir()):
            raise InputError(f"{path} is not empty and holds no run: give a new or an empty folder")
        return {}
    found, checkpoints = read_description(path), path / CHECKPOINTS
    for name, value in identity.items():
        if found.get(name) != value:
            if not any(step.name.isdecimal() for step in checkpoints.glob("*")):
                return {}
            raise InputError(
                f"{path} holds a run with {name} {found.get(name)}, not {value}: give another "
                "--out, or ask for the run that is there"
            )
    return found


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the one lock on a folder, which the system drops when the process ends, however."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{path} is where another run is at work: wait for it, or give another --out"
            ) from None
        yield
    finally:
        os.close(folder)


def read_description(path: Path) -> dict:
    """Return what run.json of a run's folder holds, or raise InputError if it is damaged."""
    try:
        found = read_json(path / DESCRIPTION)
        if not isinstance(found.get("figures"), list):
            raise InputError("it describes no run")
    except InputError as error:
        raise InputError(
            f"{path} holds a {DESCRIPTION} that is damaged ({error}): give another folder"
        ) from None
    return found


def write_description(path: Path, description: dict) -> None:
    """Write run.json, whole or not at all."""
    with replacing(path / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(description, indent=2, allow_nan=False) + "\n")


def versions() -> dict[str, str]:
    """Return the versions that decide a run's bits: of Python and the packages computed with."""
    packages = ("sinlstm_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
    return {"python": platform.python_version()} | {
        package: metadata.version(package) for package in packages
    }


class MetricsLog:
    """metrics.csv, a row per iteration, a column of losses per replicate; a context manager.

    Args:
      path: the run's folder.
      seeds: of the replicates. The losses' columns are named after them; a single one is `loss`.
      histories: losses of the stages so far, `[replicate, iterations]` each. The file is rewritten
        to hold just these, whatever rows a killed run left after its last checkpoint.
    """

    def __init__(self, path: Path, seeds: list[int], histories: Iterable[np.ndarray]):
        columns = ["loss"] if len(seeds) == 1 else [f"loss_{seed}" for seed in seeds]
        with replacing(path / METRICS) as temporary, temporary.open("w") as file:
            file.write(",".join(["stage", "iteration", *columns]) + "\n")
            for stage, losses in enumerate(histories, 1):
                file.writelines(_rows(stage, 0, losses))
        self._file = (path / METRICS).open("a")

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def append(self, stage: int, iteration: int, losses: np.ndarray) -> None:
        """Add the losses from `iteration` of a stage on, `[replicate, iterations]`."""
        self._file.writelines(_rows(stage, iteration, losses))
        self._file.flush()


def _rows(stage: int, iteration: int, losses: np.ndarray) -> Iterable[str]:
    # str of a float32 is the shortest that reads back to the same bits.
    return (f"{stage},{i},{','.join(map(str, row))}\n" for i, row in enumerate(losses.T, iteration))
