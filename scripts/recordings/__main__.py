"""Train on public recordings, beside others; write docs/recordings.json, a table and a picture.

    .venv/bin/python -m scripts.recordings --peers-python PEERS/bin/python

Takes PEERS from an environment of its own, in which the extra `peers` is installed; without it,
the figures that docs/recordings.json has of them are kept. What was trained is not trained again.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from sinlstm_jax.evaluation.rolling import Rolled, baselines, of_model, rolled
from sinlstm_jax.measurements.summary import wave_of
from sinlstm_jax.runs.loading import load_model
from sinlstm_jax.runs.signals import trained_on
from sinlstm_jax.signals.signal import Scaling

from ..pages import DOCS, ROOT, write_json
from .beside import PEERS, Task, score_of_peer, task_of
from .public import RECORDINGS, Public, fetch
from .report import publish


@dataclass(frozen=True)
class Options:
    """Train on public recordings, beside others."""

    out: Path = ROOT / "runs" / "recordings"
    """Folder for recordings, runs and the others' forecasts."""
    peers_python: Path | None = None
    """Python of the environment with the extra `peers`."""
    peers: tuple[Literal[*PEERS], ...] = PEERS
    """Those that are fitted; the figures that docs/recordings.json has of the others are kept."""


def main(options: Options) -> None:
    """Do it for each recording, and publish."""
    path = DOCS / "recordings.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    found, drawn = {}, {}
    for recording in RECORDINGS:
        file = fetch(recording, options.out)
        task = task_of(recording, file)
        seconds = train(recording, file, options.out / recording.name)
        ours, others = forecasts(options.out / recording.name, task)
        mase = {"sinlstm train": ours, **others}
        scores = {
            name: float(each.absolute[-1] / task.yardstick.error) for name, each in mase.items()
        }
        took = {"sinlstm train": seconds}
        for name in PEERS:
            if options.peers_python is not None and name in options.peers:
                kept = options.out / f"{recording.name}-{name}.npz"
                scores[name], took[name] = score_of_peer(name, task, options.peers_python, kept)
            elif name in known.get(recording.name, {}).get("mase", {}):
                scores[name], took[name] = (
                    known[recording.name][x][name] for x in ("mase", "seconds")
                )
        found[recording.name] = {
            "steps": len(task.values),
            "past": task.past,
            "horizon": len(task.origins.truth),
            "forecasts": len(task.origins.first),
            "period": task.yardstick.period,
            "mase": scores,
            "seconds": took,
            "held": ours.held(task.origins.truth),
        }
        drawn[recording.name] = task, ours
        print(recording.name, {name: round(x, 3) for name, x in scores.items()}, flush=True)
    write_json(path, found)
    publish(found, drawn)


def train(recording: Public, file: Path, out: Path) -> float:
    """Run `sinlstm train` on a recording, unless that was done; return the seconds it took."""
    took = out.with_suffix(".seconds.json")
    if not took.exists():
        sinlstm = Path(sys.executable).with_name("sinlstm")
        started = time.monotonic()
        subprocess.run(
            [sinlstm, "train", file, *recording.options.split(), "--out", out],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        write_json(took, {"seconds": time.monotonic() - started})
    return json.loads(took.read_text())["seconds"]


def forecasts(run: Path, task: Task) -> tuple[Rolled, dict[str, Rolled]]:
    """Return how a run forecasts its recording, and how what needs no training does."""
    model = load_model(run)
    forecaster, between = of_model(model)
    ours = rolled(forecaster, task.origins, trained_on(run, model).scaling, between)
    wave = wave_of(task.values[: task.first])
    own = Scaling(wave.level, wave.amplitude or 1.0)
    return ours, {name: rolled(each, task.origins, own) for name, each in baselines().items()}


if __name__ == "__main__":
    main(tyro.cli(Options))
