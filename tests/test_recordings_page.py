"""docs/recordings.md, from top to bottom."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "recordings.md").read_text()


def _same_to_some_digits(table, output):
    """Check a table's figures of baselines, and within a fifth those of what was trained."""
    lines = output[output.index("root mean squared error") : output.index("Mean absolute scaled")]
    rows = {" ".join(line.split()[:-4]): line.split()[-4:] for line in lines.splitlines()}
    for line in table.splitlines()[2:]:
        name, figures = " ".join(line.split()[:-4]), line.split()[-4:]
        tolerance = 0.2 if name == "room" else 1e-9  # another processor rounds otherwise
        np.testing.assert_allclose(np.float64(rows[name]), np.float64(figures), rtol=tolerance)


@pytest.mark.slow
def test_everything_on_the_page_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace, said, shown = {}, [], []
    for language, code in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL):
        if language == "python":
            exec(code, namespace)
        elif language == "bash":
            (command,) = code.splitlines()
            assert command.startswith(".venv/bin/sinlstm ")
            command = command.replace(".venv/bin", str(Path(sys.executable).parent), 1)
            run = subprocess.run(command, shell=True, check=True, text=True, capture_output=True)
            said.append(run.stderr + run.stdout)
        else:
            shown.append(code)
    (understood, table, of_own), (first, _, found, own, _) = shown, said
    assert understood == first
    without_space = [" ".join(line.split()) for line in found.splitlines()]
    for line in table.splitlines():
        assert " ".join(line.split()) in without_space
    _same_to_some_digits(of_own, own)
    held = re.search(r"(\d+) % of the samples here", PAGE)[1]
    assert f"sensor: {held}% of the samples, noise and all, lie in its bands of 90%" in found
    step = np.arange(900, 1140)
    truth = 21.5 + 0.8 * np.sin(2 * np.pi * step / 70)
    found = pd.read_csv("next.csv", parse_dates=["time"])
    assert found["time"][0] == pd.Timestamp("2024-03-01 15:00")
    name = "Temp (°C)"
    assert np.sqrt(np.mean((found[name] - truth) ** 2)) < 0.1
    within = (found[f"{name}_low"] < truth) & (truth < found[f"{name}_high"])
    assert within.mean() > 0.5
    tuned = pd.read_csv("tuned.csv")
    assert np.sqrt(np.mean((tuned[name] - truth) ** 2)) < 0.6
    own = pd.read_csv("own.csv")
    assert np.sqrt(np.mean((own[name] - truth[:140]) ** 2)) < 0.1
    assert (tmp_path / "next.png").stat().st_size > 10_000
