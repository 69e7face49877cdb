"""What a run learns, kept in its folder and had from there."""

from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..signals.observation import Observation
from ..signals.recording import Recording
from ..signals.signal import Signal, in_words
from ..signals.sines import SINES, Sines
from ..signals.tones import Tones
from .record import CHECKPOINTS, RECORD, RunRecord, read_record

RECORDING = "recording.npz"


class Learnt(NamedTuple):
    """What a run was trained on."""

    signal: Signal
    observation: Observation
    past: int  # steps observed


def keep_signal(folder: Path, signal: Signal) -> None:
    """Write what run.json cannot tell of a signal, its recordings, into a run's folder."""
    if isinstance(signal, Recording) and not (folder / RECORDING).exists():
        signal.save(folder / RECORDING)


def record_of(path: str | Path) -> RunRecord | None:
    """Return the record of a run, given its folder or a checkpoint's; None where there is none."""
    path = Path(path).absolute()
    folder = path.parent.parent if path.parent.name == CHECKPOINTS else path
    return read_record(folder) if (folder / RECORD).is_file() else None


def load_signal(path: str | Path, own: Signal | None = None) -> Signal:
    """Return the signal that a run was trained on, given its folder or a checkpoint's.

    Where no run tells, it is the tutorial's waves. A signal of a user's own class is not in the
    folder, and is given as `own`.

    Raises:
      InputError: the run's signal is neither one of ours nor `own`, or its recording is damaged.
    """
    path = Path(path).absolute()
    record = record_of(path)
    if record is None:
        return SINES
    told = record.signal
    if own is not None and own.describe() == told:
        return own
    folder = path.parent.parent if path.parent.name == CHECKPOINTS else path
    found = _ours(folder, dict(told))
    if found is None or found.describe() != told:
        given = "" if own is None else f", and not on {in_words(own.describe())}"
        raise InputError(
            f"{path} was trained on {in_words(told)}{given}: give --recipe MODULE:NAME, the recipe "
            "that it was trained with"
        )
    return found


def _ours(folder: Path, told: dict) -> Signal | None:
    """Return a signal of a class of ours from what it told of itself, or None."""
    name = told.pop("class", None)
    if name == "Recording":
        return Recording.load(folder / RECORDING)
    for known in (Sines, Tones):
        if name == known.__name__ and told.keys() == known.__dataclass_fields__.keys():
            return known(**told)
    return None
