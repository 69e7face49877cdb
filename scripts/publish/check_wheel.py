"""Install the wheel into a fresh environment of each Python, use and test it there.

Pythons that are not here, neither on the PATH nor under pyenv, are skipped, and that is said.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ..pages import ROOT

PYTHONS = ("3.11", "3.12", "3.13")  # that are promised
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "sinlstm_jax")
# The tests of numbers, for the other Pythons: each gets the JAX that pip has for it.
TESTS = "test_signals test_lstm test_model test_rollout test_training test_torch_golden".split()
# What a user would do first; runs outside the sources, with an empty cache for the kernel.
PROGRAM = """
from importlib import metadata, resources
import jax
import numpy as np
from sinlstm_jax import SineLSTM, load_pretrained, rollout
from sinlstm_jax.recipes import SHIPPED

assert resources.files("sinlstm_jax").joinpath("py.typed").is_file()
model = SineLSTM(implementation="fused")  # compiles the kernel, or tells why it cannot
wave = np.sin(2 * np.pi * 1.7 * np.arange(500) / 100)
for name in SHIPPED:
    forecast = rollout(load_pretrained(name), wave[:100], 400)[100:, 0, 0]
    error = np.mean((forecast - wave[100:]) ** 2)
    assert error < 0.1, (name, error)  # 0.5 answers nothing
print(f"sinlstm-jax {metadata.version('sinlstm-jax')}, jax {jax.__version__}: error {error:.4f}")
"""


def check_all(wheel: Path, versions: tuple[str, ...]) -> int:
    """Check a wheel on every Python there is; return the exit code."""
    found = {version: find_python(version) for version in versions}
    for version, python in found.items():
        if python is None:
            print(f"Python {version}: not on this machine, skipped", flush=True)
    if not any(found.values()):
        print(f"none of Python {', '.join(versions)} is here: install one")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for version, python in found.items():
            if python is not None:
                print(f"Python {version}: {wheel.name} in a fresh environment", flush=True)
                check(python, wheel, Path(folder) / version)
    return 0


def find_python(version: str) -> str | None:
    """Return a Python of this version: the one that runs this, on the PATH, or under pyenv."""
    candidates = [sys.executable, shutil.which(f"python{version}")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += map(str, pyenv.glob(f"versions/{version}.*/bin/python"))
    ask = "import sys; print(*sys.version_info[:2], sep='.')"
    for python in filter(None, candidates):
        answer = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == version:
            return python
    return None


def copied_sources(folder: Path) -> Path:
    """Copy what is built from, so that nothing left from before gets in."""
    sources = folder / "sources"
    sources.mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, sources / name)
    return sources


def check(python: str, wheel: Path, folder: Path) -> None:
    """Install the wheel into a new environment; use and test it outside the sources."""
    environment, elsewhere = folder / "environment", folder / "elsewhere"
    run(python, "-m", "venv", environment)
    binaries = environment / "bin"
    run(binaries / "python", "-m", "pip", "install", "-q", wheel)
    elsewhere.mkdir()
    run(binaries / "python", "-W", "error", "-c", PROGRAM, cwd=elsewhere)
    run(binaries / "sinlstm", "--help", cwd=elsewhere, stdout=subprocess.DEVNULL)
    smoke = ("curriculum", "--recipe", "smoke", "--out", "run")
    run(binaries / "sinlstm", *smoke, cwd=elsewhere, stdout=subprocess.DEVNULL)
    if not (elsewhere / "run" / "long-term.png").exists():
        raise SystemExit(f"{binaries / 'sinlstm'} left no picture of its run")
    if python == sys.executable:
        return  # the whole suite runs there
    run(binaries / "python", "-m", "pip", "install", "-q", f"{wheel}[test]")
    tests = ROOT / "tests"
    # pyproject.toml has pytest find the sources first: here it is to find the wheel.
    options = ("-q", "-p", "no:cacheprovider", "-o", f"pythonpath={tests}")
    run(binaries / "pytest", *options, *(tests / f"{name}.py" for name in TESTS), cwd=elsewhere)


def run(*command: str | Path, **options) -> None:
    """Run a command to its end, its failure being ours; in `cwd`, with an empty cache there."""
    ours = ("PYTHON", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    if "cwd" in options:
        kept["XDG_CACHE_HOME"] = str(options["cwd"] / "cache")
    subprocess.run(command, check=True, env=kept, **options)
