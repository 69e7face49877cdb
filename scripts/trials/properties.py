"""The property tests of tests/test_properties.py, with many inputs, counted."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..pages import ROOT

COUNTED = re.compile(r"(\d+) passing(?: examples)?, (\d+) failing")


def properties(profile: str, folder: Path, say: Callable[[str], None]) -> dict:
    """Run the property tests with a profile of tests/conftest.py, and count what they tried."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_properties.py"]
    command += ["--hypothesis-show-statistics", f"--hypothesis-profile={profile}"]
    environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(folder)}
    how = {"cwd": ROOT, "env": environment, "text": True, "stdin": subprocess.DEVNULL}
    result = subprocess.run(command, **how, capture_output=True, check=False)
    counts = [tuple(map(int, found)) for found in COUNTED.findall(result.stdout)]
    if not counts:
        raise RuntimeError(f"pytest counted nothing:\n{result.stdout}{result.stderr}")
    inputs, failing = (sum(column) for column in zip(*counts, strict=True))
    summary = result.stdout.strip().splitlines()[-1]
    say(f"{inputs} inputs, {failing} failing: {summary}")
    passed = result.returncode == 0
    return {"tests": len(counts), "inputs": inputs, "failing": failing, "passed": passed}
