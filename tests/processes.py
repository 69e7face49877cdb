"""Runs in several processes: started, and waited for."""

import re
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start_processes(out, options, count=2):
    """Start `sinlstm curriculum` so often, as one run of three replicates, in the tests' folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        *(sys.executable, "-W", "error", ROOT / "scripts" / "curriculum.py"),
        *options,
        *("--replicates", 3, "--out", out),
        *("--coordinator", coordinator, "--processes", count, "--process-index"),
    ]
    return [
        subprocess.Popen(
            [*map(str, command), str(index)],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT / "tests",
        )
        for index in range(count)
    ]


def finish(processes):
    """Return (exit code, output without Gloo's, errors) of each."""
    results = []
    for process in processes:
        output, errors = process.communicate(timeout=120)
        output = re.sub(r"^\[Gloo\].*\n", "", output, flags=re.MULTILINE)
        results.append((process.returncode, output, errors))
    return results
