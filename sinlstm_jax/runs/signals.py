"""What a run learns, kept in its folder and had from there."""

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError, positive_integer, positive_number
from ..files import one_line, reading, usable_path
from ..model import SineLSTM
from ..recipe import TRAINED_SAMPLES, Recipe
from ..sensor import LONGEST_PAST, SHORTEST_PAST, SensorLSTM
from ..signals.recording import Recording
from ..signals.signal import (
    SAMPLING_RATE,
    Scaling,
    Signal,
    checked_scaling,
    description_of,
    in_words,
    range_in_words,
)
from ..signals.sines import SINES, Sines
from ..signals.tones import Tones
from .record import CHECKPOINTS, ENSEMBLE, RECORD, RunRecord, read_record

RECORDING = "recording.safetensors"
LARGEST = 1.5  # amplitudes that samples stay below, noise and all


class Trained(NamedTuple):
    """What a model is trained on, as far as its run's record tells."""

    past: int = TRAINED_SAMPLES  # steps observed, at the most
    fewest: int = TRAINED_SAMPLES  # and at the least
    sampling_rate: float = float(SAMPLING_RATE)  # Hz
    scaling: Scaling = Scaling()  # of samples into what the model sees
    waves: Sines | None = SINES  # None: other signals than sine waves
    in_any_units: bool = False  # whether the model measures what it observes by itself
    horizon: int = 400  # steps forecast, at the most

    @classmethod
    def by(cls, recipe: Recipe) -> "Trained":
        """Return what a recipe of sine waves trains on."""
        signal = recipe.signal
        return cls(
            recipe.past,
            recipe.observation.shortest_past or recipe.past,
            signal.sampling_rate,
            signal.scaling,
            signal if isinstance(signal, Sines) else None,
            in_any_units=recipe.network == SensorLSTM.__name__,
            horizon=max(stage.horizon for stage in recipe.stages),
        )

    def at_rate(self, rate: float) -> "Trained":
        """Return the same at another rate in Hz: a network knows steps, and not seconds."""
        if self.waves is None:
            return self._replace(sampling_rate=rate)
        low, high = (f * rate / self.sampling_rate for f in self.waves.frequency)
        waves = replace(self.waves, frequency=(low, high), sampling_rate=rate)
        return self._replace(sampling_rate=rate, waves=waves)

    @property
    def largest(self) -> float:
        """What samples stay below, noise and all; infinity where that is not known."""
        if self.waves is None or self.in_any_units:
            return math.inf
        return LARGEST * self.waves.amplitude[1] + max(map(abs, self.waves.level))

    @property
    def waves_in_words(self) -> str:
        """Say what the waves are like."""
        assert self.waves is not None
        (least, most), (lowest, highest) = self.waves.amplitude, self.waves.level
        around = range_in_words(lowest, highest)
        return f"amplitude {range_in_words(least, most)} around {around}"


TUTORIALS = Trained()
# What a SensorLSTM is trained on, where no run tells.
SENSORS = Trained(past=LONGEST_PAST, fewest=SHORTEST_PAST, in_any_units=True)


def keep_signal(folder: Path, signal: Signal) -> None:
    """Write what run.json cannot tell of a signal, its recordings, into a run's folder."""
    if isinstance(signal, Recording):
        signal.save(folder / RECORDING)


def record_of(path: str | Path) -> RunRecord | None:
    """Return the record of a run, given its folder or a checkpoint's; None where there is none."""
    folder = _folder_of(path)
    return read_record(folder) if (folder / RECORD).is_file() else None


def _folder_of(path: str | Path) -> Path:
    """Return a run's folder, given it, its ensemble's or a checkpoint's, or raise InputError."""
    path = usable_path(path).resolve()
    if not path.is_dir():
        what = "is not a folder" if path.exists() else "does not exist"
        raise InputError(f"{one_line(path)} {what}: give a run's folder or one of its checkpoints")
    folder = path.parent.parent if path.parent.name == CHECKPOINTS else path
    is_in_a_run = folder.name == ENSEMBLE and (folder.parent / RECORD).is_file()
    return folder.parent if is_in_a_run else folder


def trained_on(path: str | Path, model: SineLSTM) -> Trained:
    """Return what the model of a run or a checkpoint is trained on, or what it is likely to be.

    That is TUTORIALS where no run tells, or of a SensorLSTM SENSORS.

    Raises:
      InputError: the record is damaged.
    """
    record = record_of(path)
    if record is None:
        return SENSORS if isinstance(model, SensorLSTM) else TUTORIALS
    told = record.signal
    with reading(_folder_of(path) / RECORD, "record of a run of this package"):
        try:
            mean_and_scale = told.get("scaling", {"mean": 0.0, "scale": 1.0})
            scaling = checked_scaling((mean_and_scale["mean"], mean_and_scale["scale"]))
            rate = positive_number("sampling_rate", told["sampling_rate"])
            fewest = positive_integer("shortest_past", record.fewest)
            horizon = max(positive_integer("horizon", each["horizon"]) for each in record.stages)
        except InputError as error:  # `reading` names the file
            raise ValueError(str(error)) from None
        waves = _from_numbers(Sines, told)
        in_any_units = isinstance(model, SensorLSTM)
        return Trained(record.past, fewest, rate, scaling, waves, in_any_units, horizon)


def load_signal(path: str | Path, own: Signal | None = None) -> Signal:
    """Return the signal that a run was trained on, given its folder or a checkpoint's.

    Where no run tells, it is the tutorial's waves. A signal of a user's own class is not in the
    folder, and is given as `own`.

    Raises:
      InputError: the run's signal is neither one of ours nor `own`, or its recording is damaged.
    """
    folder, record = _folder_of(path), record_of(path)
    if record is None:
        return SINES
    told = record.signal
    if own is not None and description_of(own) == told:
        return own
    with reading(folder / RECORD, "record of a run of this package"):
        found, words = _ours(folder, told), in_words(told)
    if isinstance(found, Recording) and description_of(found) != told:
        raise InputError(
            f"{folder / RECORDING} is not what {path} was trained on, {words}: put that back, or "
            "give --recipe MODULE:NAME"
        )
    if found is None or description_of(found) != told:
        given = "" if own is None else f", and not on {in_words(description_of(own))}"
        raise InputError(
            f"{path} was trained on {words}{given}: give --recipe MODULE:NAME, the recipe "
            "that it was trained with"
        )
    return found


def _ours(folder: Path, told: dict) -> Signal | None:
    """Return a signal of a class of ours from what it told of itself, or None."""
    if told["class"] == "Recording":
        if not (folder / RECORDING).is_file():
            raise InputError(
                f"{folder / RECORDING} is missing: put it back, or give --recipe MODULE:NAME"
            )
        return Recording.load(folder / RECORDING)
    return _from_numbers(Sines, told) or _from_numbers(Tones, told)


def _from_numbers(known: type, told: dict):
    """Return a signal of a class that has numbers alone, or None where another one told."""
    numbers = {name: value for name, value in told.items() if name != "class"}
    same = told["class"] == known.__name__ and numbers.keys() == known.__dataclass_fields__.keys()
    try:
        return known(**numbers) if same else None
    except InputError as error:  # `reading` names the file
        raise ValueError(str(error)) from None
