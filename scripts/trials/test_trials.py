"""The trials, doing little of each; and the page that it writes its table into."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from scripts.pages import DOCS, ROOT
from scripts.trials import kills
from scripts.trials.damage import HOW, damage
from scripts.trials.report import ROWS, table
from scripts.trials.sessions import Look, Stop, bits, differences
from sinlstm_jax.recipes import RECIPES


@pytest.mark.slow
def test_nothing_breaks(tmp_path):
    path = tmp_path / "figures.json"
    command = [sys.executable, "-m", "scripts.trials", "--quick", "--json", path]
    result = subprocess.run(command, text=True, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    figures = json.loads(path.read_text())
    assert figures.keys() == ROWS.keys() - {"curriculum"}
    assert figures["kills"]["kills"] == 10
    assert figures["damage"]["named"] == 30
    assert figures["properties"]["inputs"] > 200
    assert "DIFFERENCES" not in table(figures)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_named_and_changes_nothing(tmp_path):
    figures = damage(5, tmp_path, print)  # one of each kind
    assert (figures["damaged"], figures["named"]) == (5, 5)
    assert figures["outcomes"].keys() == set(HOW)
    for found in figures["outcomes"].values():
        assert found.keys() == {"went on to the same bits"}


def test_the_page_names_tests_that_are_there():
    page = (DOCS / "reliability.md").read_text()
    for path in re.findall(r"`((?:tests|scripts)/\S+?\.py)", page):
        assert (ROOT / path).exists(), path
    assert table(json.loads((DOCS / "reliability.json").read_text())) in page


def test_a_difference_of_one_bit_is_one():
    left = {"weights": bits(np.zeros(2)), "metrics.csv": b"1"}
    assert differences(left, dict(left)) == []
    assert differences(left, left | {"weights": bits(np.array([0, -0.0]))}) == ["weights"]
    assert differences(left, left | {"metrics.csv": b"2", "x": b""}) == ["metrics.csv", "x"]


def test_the_phase_of_a_kill_is_told_from_what_it_left(tmp_path):
    recipe, training = RECIPES["smoke"], ["A new run", "stage 1: horizon 10"]

    def phase(lines, rows, rows_before=0):
        (tmp_path / "metrics.csv").write_text("stage,iteration,loss\n" + "1,0,1\n" * rows)
        stop = Stop(-9, 0.0, Look(lines, tmp_path, frozenset()), True)
        return kills.phase(recipe, stop, rows_before)

    assert phase([], 0) == "starting"
    assert phase(training, 0) == "compiling"
    assert phase(training, 150, 150) == "compiling"
    assert phase(training, 170, 150) == "training"
    assert phase(training, 200, 150) == "between stages"
    (tmp_path / ".a.png.1.tmp").write_text("")
    assert phase(training, 220) == "drawing"
    (tmp_path / "checkpoints" / "saving" / "220").mkdir(parents=True)
    assert phase(training, 220) == "writing a checkpoint"
