"""Build what is released, a source distribution and a wheel out of it; check both; upload if told.

Needs `pip install -e ".[release]"`. What it builds is left in dist/.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro

from ..pages import ROOT
from . import check_wheel

DIST = ROOT / "dist"


@dataclass(frozen=True)
class Options:
    """Build a release and check it on every Python there is."""

    upload: tyro.conf.FlagCreatePairsOff[bool] = False
    """Upload it, too, to the index that twine is set up for."""
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Check the wheel on the Python that runs this alone."""


def main(options: Options) -> None:
    """Build, check, and perhaps upload; the first that fails ends it."""
    shutil.rmtree(DIST, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        # Of a copy: nothing that was left in the tree gets in.
        sources = check_wheel.copied_sources(Path(folder))
        run("-m", "build", "--outdir", DIST, sources)
    built = sorted(DIST.iterdir())
    run("-m", "twine", "check", "--strict", *built)
    (wheel,) = DIST.glob("*.whl")
    pythons = ("{}.{}".format(*sys.version_info),) if options.quick else check_wheel.PYTHONS
    if failed := check_wheel.check_all(wheel, pythons):
        sys.exit(failed)
    print(f"built and checked: {', '.join(path.name for path in built)}", flush=True)
    if options.upload:
        run("-m", "twine", "upload", *built)


def run(*arguments: str | Path) -> None:
    """Run a module of this Python to its end, its failure being ours."""
    finished = subprocess.run([sys.executable, *map(str, arguments)], check=False)
    if finished.returncode:
        sys.exit(finished.returncode)


if __name__ == "__main__":
    main(tyro.cli(Options))
