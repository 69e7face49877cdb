"""What a series is forecast from, and the errors of others' forecasts of it."""

import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sinlstm_jax.evaluation.rolling import Origins, Yardstick, origins_of, yardstick_of
from sinlstm_jax.measurements.reading import Reading
from sinlstm_jax.measurements.series import series_in
from sinlstm_jax.recording_recipes import recipe_for
from sinlstm_jax.signals.recording import Recording
from sinlstm_jax.signals.signal import SAMPLING_RATE

from .public import Public

PEERS = ("AutoETS", "AutoARIMA", "MSTL", "NHITS")
HELD_OUT = 0.2


class Task(NamedTuple):
    """A series, as `sinlstm train` takes it, and where it is forecast from."""

    values: np.ndarray  # [time], NaN where missing
    first: int  # step that is held out
    past: int
    origins: Origins
    yardstick: Yardstick


class Score(NamedTuple):
    """How a forecaster did over all of the horizon, and how long it was trained."""

    mase: float
    seconds: float


def task_of(recording: Public, path: Path) -> Task:
    """Return what `sinlstm train` makes of a recording."""
    given = recording.options.split()
    told = dict(zip(given[::2], given[1::2], strict=True))
    rate, resample = (float(told[x]) if x in told else None for x in ("--rate", "--resample"))
    found = series_in(path, Reading(rate=rate), resample)
    values = found.values[:, 0]
    signal = Recording(values, found.rate or SAMPLING_RATE, HELD_OUT)
    recipe = recipe_for(signal, recording.name)
    first = round(len(values) * (1 - HELD_OUT))
    origins = origins_of(values, first, recipe.past, recipe.stages[-1].horizon)
    return Task(values, first, recipe.past, origins, yardstick_of(values[:first]))


def score_of_peer(peer: str, task: Task, python: Path, kept: Path) -> Score:
    """Train a peer, unless that was done, and return how it did.

    Args:
      peer: one of PEERS.
      task: what it forecasts.
      python: of the environment that the peers are installed in.
      kept: where its forecasts are written to.
    """
    if not kept.exists():
        given = kept.with_suffix(".given.npz")
        horizon, period = len(task.origins.truth), task.yardstick.period
        np.savez(
            given,
            values=task.values, first=task.first, origins=task.origins.first,
            past=task.past, horizon=horizon, period=period,
        )  # fmt: skip
        command = [python, "-m", "scripts.recordings.peers", peer, given, kept]
        subprocess.run([str(each) for each in command], check=True)
    with np.load(kept) as file:
        error = np.abs(file["forecasts"] - task.origins.truth)
        return Score(float(np.nanmean(error) / task.yardstick.error), float(file["seconds"]))
