"""`python -m scripts.benchmarks`: PyTorch takes part where it is installed, as any side does."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True)
class Options:
    """Measure speed beside PyTorch, Flax's own LSTM and others, the sides by turns, on one core.

    Writes docs/benchmarks.md, docs/benchmarks.json and a picture; with --quick or --json, only
    the file that --json names.
    """

    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Take some minutes: fewer repeats, and not what the time depends on."""
    full: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also run the whole curriculum: PyTorch's, and ours with cold and with warm caches."""
    json: Path | None = None
    """Write the figures there, and nothing into docs."""
    cores: int = 1
    """Cores to use."""


def main(options: Options) -> None:
    """Measure, print, and write what is to be written."""
    if options.json is not None and not options.json.parent.is_dir():
        refuse(f"--json is {options.json}: give a file in a folder that exists")
    pinned = pin(options.cores)
    # Only now: JAX, PyTorch and NumPy count the cores as they are imported.
    from ..pages import ROOT, write_json
    from .measures import QUICK, Plan, collect
    from .report import publish, tables

    plan = QUICK if options.quick else Plan()
    figures = collect(plan, full=options.full, cores=options.cores, pinned=pinned)
    for name, table in tables(figures).items():
        print(f"\n{name}:\n{table}")
    if options.json is not None:
        write_json(options.json, figures)
    elif not options.quick:
        publish(ROOT, figures)


def pin(cores: int) -> bool:
    """Keep this process, and those that it starts, on so many cores; False if it cannot be done."""
    can = hasattr(os, "sched_setaffinity")
    there = sorted(os.sched_getaffinity(0) if can else range(os.cpu_count()))
    if not 1 <= cores <= len(there):
        refuse(f"--cores is {cores}: give a whole number from 1 to {len(there)}")
    if can:
        os.sched_setaffinity(0, there[:cores])
    os.environ["OMP_NUM_THREADS"] = str(cores)  # PyTorch's threads
    return can


def refuse(message: str) -> None:
    """End as bad input ends everywhere here; `tidy_exit` cannot be imported yet."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    try:
        main(tyro.cli(Options))
    except KeyboardInterrupt:
        sys.exit(130)
