"""docs/using.md, from top to bottom."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "using.md").read_text()


def numbers(text):
    """Return a text's numbers."""
    return np.array(re.findall(r"-?\d+(?:\.\d+)?", text), float)


@pytest.mark.slow
def test_everything_on_the_page_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace, outputs, shown = {}, [], []
    blocks = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
    assert [language for language, _ in blocks].count("python") == 10
    for language, code in blocks:
        if language == "python":
            exec(code, namespace)
            outputs.append(capsys.readouterr().out)
        elif language == "bash":
            (command,) = code.splitlines()
            assert command.startswith(".venv/bin/sinlstm ")
            command = command.replace(".venv/bin", str(Path(sys.executable).parent), 1)
            run = subprocess.run(command, shell=True, check=True, text=True, capture_output=True)
            told = run.stderr.splitlines()  # of a file, what was understood
            assert [line.split(":")[0] for line in told] in ([], ["samples.csv", "left", "right"])
            outputs.append(run.stdout)
        else:
            shown.append((code, outputs[-1]))
    (table, printed), (lines, forecasts) = shown
    assert table.splitlines()[0] == printed.splitlines()[0]
    np.testing.assert_allclose(numbers(table), numbers(printed), rtol=0.05)
    assert lines.splitlines()[0] == forecasts.splitlines()[0]
    np.testing.assert_allclose(numbers(lines), numbers(forecasts), atol=1e-4)
    rows = np.loadtxt(tmp_path / "forecast.csv", delimiter=",", skiprows=1)
    time = rows[:, 1]
    for column, frequency in ((2, 1.7), (5, 2.9)):
        wave = np.sin(2 * np.pi * frequency * time)
        assert np.mean((rows[:, column] - wave) ** 2) < 0.01
        assert ((rows[:, column + 1] < wave) & (wave < rows[:, column + 2])).mean() > 0.5
    assert (tmp_path / "forecast.png").stat().st_size > 10_000
