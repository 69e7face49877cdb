"""A run's folder while it is trained: locked, with its record, its checkpoints and its losses."""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import filelock
import numpy as np

from ..errors import InputError
from ..files import clear_leftovers, is_leftover, replacing, writing_to
from ..kernel.choice import choose_implementation
from ..recipe import Recipe
from ..signals.signal import in_words
from .checkpoints import Checkpoints
from .processes import from_first, is_first
from .record import (
    CHECKPOINTS,
    ENSEMBLE,
    IDENTITY,
    RECORD,
    RunRecord,
    StageFigures,
    read_record,
    write_record,
)
from .tensorboard import LossBoard

LOCK = ".lock"
METRICS = "metrics.csv"


@dataclass
class Run:
    """What a run writes while it is trained; of several processes, the first one writes."""

    path: Path
    record: RunRecord  # as in run.json
    now: RunRecord  # as it would be if all of it was computed here and now
    checkpoints: Checkpoints
    board: LossBoard | None = None  # where losses go, too

    def compute_here(self) -> None:
        """Note that what is left of the run is computed with what there is here and now."""
        self.record = replace(self.now, figures=self.record.figures)

    def begin_losses(self, histories: Iterable[np.ndarray]) -> None:
        """Make metrics.csv hold the losses of the stages so far, `[replicate, iterations]` each.

        It has a row per iteration, and a column per replicate, named after its seed; a single one
        is `loss`. Whatever rows a killed run left after its last checkpoint are gone.
        """
        seeds = self.record.seeds
        columns = ["loss"] if len(seeds) == 1 else [f"loss_{seed}" for seed in seeds]
        histories = [*histories]
        if self.board is not None:
            self.board.begin(histories)
        if is_first():
            with replacing(self.path / METRICS) as temporary, temporary.open("w") as file:
                file.write(",".join(["stage", "iteration", *columns]) + "\n")
                for stage, losses in enumerate(histories, 1):
                    file.writelines(_rows(stage, 0, losses))

    def log_losses(self, stage: int, iteration: int, losses: np.ndarray) -> None:
        """Add the losses from `iteration` of a stage on, `[replicate, iterations]`."""
        if self.board is not None:
            self.board.add(stage, iteration, losses)
        if is_first():
            with (self.path / METRICS).open("a") as file:
                file.writelines(_rows(stage, iteration, losses))

    def finish_stage(self, figures: StageFigures) -> None:
        """Put a stage's figures into run.json."""
        stages = self.record.figures
        stages = [*stages[: figures.stage - 1], figures, *stages[figures.stage :]]
        self.record = replace(self.record, figures=stages)
        if is_first():
            write_record(self.path, self.record)


@contextlib.contextmanager
def open_run(
    path: Path, recipe: Recipe, seeds: list[int], *, device: str, implementation: str
) -> Iterator[Run]:
    """Start a run in a new or empty folder, or find the same one there, to be resumed.

    While the context lasts, the folder is locked against other runs.

    Args:
      path: the run's folder.
      recipe: what is trained.
      seeds: of the replicates.
      device: what it is computed on.
      implementation: what is to compute it; with "auto", a run is resumed with what it began with.

    Raises:
      InputError: the folder cannot be written, holds something else, or is locked, or the
        implementation cannot be had here. No folder is made then.
      SaveFailed: later, where a file cannot be written.
    """
    new = RunRecord.new(recipe, seeds, device=device, implementation=implementation)
    with ExitStack() as files:
        records = from_first(lambda: files.enter_context(_claimed(path, new)))
        files.enter_context(writing_to(path))
        record, now = map(RunRecord.from_json, records)
        checkpoints = files.enter_context(Checkpoints(path / CHECKPOINTS, keep=recipe.ends))
        yield Run(path, record, now, checkpoints)


@contextlib.contextmanager
def _claimed(path: Path, new: RunRecord) -> Iterator[list[dict]]:
    """Lock a run's folder and see to its run.json: (the record in it, the one of here and now)."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    lock = filelock.FileLock(path / LOCK, blocking=False)
    try:
        path.mkdir(parents=True, exist_ok=True)
        others = (x for x in path.iterdir() if x.name != LOCK and not is_leftover(x))
        if not (path / RECORD).exists() and any(others):
            raise InputError(f"{path} is not empty and holds no run: give a new or an empty folder")
        lock.acquire()
        clear_leftovers(path)
        found = _same_run(path, new)
        began_with = found.implementation if found else "auto"
        wanted = began_with if new.implementation == "auto" else new.implementation
        now = replace(new, implementation=choose_implementation(wanted, new.hidden_size))
        write_record(path, found or now)
    except filelock.Timeout:
        raise InputError(
            f"{path} is in use by another run: wait for it, or give another --out"
        ) from None
    except (OSError, InputError) as error:
        _unlock(lock)
        for folder in made:
            with contextlib.suppress(OSError):  # it was never made, or is not ours alone
                folder.rmdir()
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} cannot be written ({error.strerror}): give a folder that can"
        ) from None
    try:
        yield [(found or now).to_json(), now.to_json()]
    finally:
        _unlock(lock)


def _unlock(lock: filelock.BaseFileLock) -> None:
    """Release a lock where it is held, and remove its file while it still is."""
    if lock.is_locked:
        with contextlib.suppress(OSError):  # Windows does not remove what is open
            Path(lock.lock_file).unlink()
        lock.release()


def _same_run(path: Path, new: RunRecord) -> RunRecord | None:
    """Return the record in a folder, None where a new run may begin, or raise InputError.

    A run of another kind makes way where it never came to a checkpoint: there is nothing to lose.
    """
    if not (path / RECORD).exists():
        return None
    found = read_record(path)
    for name in IDENTITY:
        there, wanted = getattr(found, name), getattr(new, name)
        if there != wanted:
            reached = any(step.name.isdecimal() for step in (path / CHECKPOINTS).glob("*"))
            if not reached and not (path / ENSEMBLE).exists():
                return None
            raise InputError(
                f"{path} holds a run with {_difference(name, there, wanted)}: give another --out, "
                "or ask for the run in it"
            )
    return found


def _difference(name: str, there, wanted) -> str:
    """Say how a field of the record differs from what is wanted; of stages, the first that does."""
    if name == "stages":
        if len(there) != len(wanted):
            return f"{len(there)} stages, not {len(wanted)}"
        number = next(i for i, each in enumerate(there) if each != wanted[i])
        there, wanted = there[number], wanted[number]
        setting = next(x for x in wanted | there if there.get(x, "") != wanted.get(x, ""))
        return f"{setting} {there.get(setting)} in stage {number + 1}, not {wanted.get(setting)}"
    if isinstance(there, dict) and "class" in there:
        there, wanted = in_words(there), in_words(wanted)
    return f"{name} {there}, not {wanted}"


def _rows(stage: int, iteration: int, losses: np.ndarray) -> Iterable[str]:
    # str of a float32 is the shortest that reads back to the same bits.
    return (f"{stage},{i},{','.join(map(str, row))}\n" for i, row in enumerate(losses.T, iteration))
