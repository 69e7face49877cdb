"""Try to break a run in every way that docs/reliability.md speaks of, section by section.

A section can be repeated alone: its figures replace the ones that are there.
"""

import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import tyro

from sinlstm_jax.commands.main import tidy_exit
from sinlstm_jax.commands.shared import keep_compiled_programs
from sinlstm_jax.runs.record import versions

from ..pages import DOCS, cores, cpu_name, write_json
from .damage import damage
from .endurance import cycles, long_rollout, wide_rollout
from .kills import kills, signals, whole_curriculum
from .properties import properties
from .report import publish

TRIALS = {  # section -> (what does it, how much with --quick, how much without)
    "kills": (kills, 10, 100),
    "signals": (signals, 1, 10),
    "damage": (damage, 30, 500),
    "properties": (properties, "few", "thousands"),
    "long": (long_rollout, 5_000_000, 100_000_000),
    "wide": (wide_rollout, 10_000, 10_000),
    "cycles": (cycles, 40, 1000),
    "curriculum": (whole_curriculum, (5, 10), (5, 10)),
}
# Threads and files within a checkpoint come and go.
MAY_GROW = {"checkpoints": 0, "kib_of_checkpoints": 10, "open_files": 0, "threads": 2}


@dataclass(frozen=True)
class Options:
    """Try to break a run in every way, and publish what came of it; about an hour.

    Exit code 1 if something broke.
    """

    only: tuple[Literal[*TRIALS], ...] = ()
    """Sections to do. Default: all, the last one only with --full."""
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Little of each, in minutes, and nothing into docs."""
    full: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also kill the whole curriculum every 5 to 10 seconds until it is at its end."""
    json: Path | None = None
    """Write the figures there, and nothing into docs."""


def main(options: Options) -> None:
    """Do the sections in turn, and keep the figures of each at once."""
    # A shell has SIGINT ignored by what it starts in the background, and so by all commands here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    broken = []
    for name in options.only or list(TRIALS)[: None if options.full else -1]:
        do, little, much = TRIALS[name]
        figures = tried(name, partial(do, little if options.quick else much))
        path = options.json or DOCS / "reliability.json"
        if options.json or not options.quick:
            found = json.loads(path.read_text()) if path.exists() else {}
            write_json(path, {**found, name: figures})
        if not (options.json or options.quick):
            publish()
        if not whole(name, figures):
            broken.append(name)
    if broken:
        print(f"broken: {', '.join(broken)}")
        sys.exit(1)


def tried(name: str, do: Callable[[Path, Callable[[str], None]], dict]) -> dict:
    """Return a section's figures, with how long it took and what it was computed with."""
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{name} {time.monotonic() - started:5.0f} s: {line}", flush=True)

    with tempfile.TemporaryDirectory(prefix="reliability-") as folder:
        figures = do(Path(folder), say)
    figures["took_minutes"] = round((time.monotonic() - started) / 60, 1)
    figures["computed_with"] = {
        "machine": cpu_name(),
        "cores": len(cores()),
        "versions": versions(),
    }
    say(f"done: {figures}")
    return figures


def whole(name: str, figures: dict) -> bool:
    """Tell whether a section's figures are as docs/reliability.md promises."""
    if name == "signals":
        return all(
            s["codes"] == [s["expected_code"]]
            and not s["different"]
            and s["one_line"]
            and s["slowest_seconds"] < 10
            for s in (figures["SIGINT"], figures["SIGTERM"])
        )
    if name == "damage":
        found = {what for outcome in figures["outcomes"].values() for what in outcome}
        return found == {"went on to the same bits"} and figures["named"] == figures["damaged"]
    if name == "properties":
        return figures["passed"]
    if name in ("long", "wide"):
        return figures["finite"] and figures.get("memory_growth_mib", 0) < 64
    grew = figures.get("growth", {})
    flat = all(grew.get(what, 0) <= most for what, most in MAY_GROW.items())
    return not figures["different"] and flat


if __name__ == "__main__":
    with tidy_exit():
        keep_compiled_programs()
        main(tyro.cli(Options))
