"""What the research programs share: the pages in docs, tables and figures there, the machine."""

import csv
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

from sinlstm_jax.files import replacing

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
IMAGES = DOCS / "images"


def markdown(header: list, rows: list[list]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def fill_in(path: Path, tables: dict[str, str]) -> None:
    """Put each text between the comments `<!-- name -->` and `<!-- /name -->` of a file."""
    page = path.read_text()
    for name, text in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, rest = page.split(begin)
        page = before + begin + text + "\n" + end + rest.split(end)[1]
    path.write_text(page)


def write_json(path: Path, figures: dict, indent: int | None = 1) -> None:
    """Write figures, dataclasses among them, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(figures, indent=indent, default=asdict) + "\n")


def torch_runs() -> list[dict[str, str]]:
    """Return the original's runs, a row per seed and stage."""
    with (DOCS / "torch_runs.csv").open() as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def listed(versions: dict[str, str]) -> str:
    """Return what was computed with, in words."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def cpu_name() -> str:
    """Return what this machine computes on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def cores() -> list[int]:
    """Return the cores that this process may use."""
    there = hasattr(os, "sched_getaffinity")
    return sorted(os.sched_getaffinity(0)) if there else list(range(os.cpu_count() or 1))
