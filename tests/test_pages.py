"""README, docs/training.md and docs/extending.md: their commands and blocks, run one by one."""

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from sinlstm_jax import Observation, Sines, load_models
from sinlstm_jax.commands.main import main
from sinlstm_jax.recipe_files import read_recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TRAINING = (ROOT / "docs" / "training.md").read_text()
EXTENDING = (ROOT / "docs" / "extending.md").read_text()
STRICT_PYTHON = (sys.executable, "-W", "error")
MOST_WORDS = 1050  # of the README, its table and its map among them


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def commands(page):
    return [line for block in blocks(page, "bash") for line in block.splitlines()]


def run_commands(page, folder):
    """Run a page's commands of `sinlstm` in a folder."""
    found = [shlex.split(c)[1:] for c in commands(page) if c.startswith(".venv/bin/sinlstm ")]
    sinlstm = Path(sys.executable).with_name("sinlstm")
    for arguments in found:
        subprocess.run([sinlstm, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return len(found)


def test_the_readme_is_one_page():
    assert len(README.split()) <= MOST_WORDS


def test_ci_runs_the_readmes_two_commands():
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    main, test = (c for c in commands(README) if c.startswith("python3 -m venv .venv"))
    main += ' --recipe smoke --out "$(mktemp -d)/run"'  # the whole curriculum is among the slow
    for command in (main, test):
        assert lines[lines.index(command) - 1] == "rm -rf .venv"


def test_every_command_of_the_readme_is_run_by_ci_or_here():
    ours = [
        c for c in commands(README) if not c.startswith(("python3 -m venv", ".venv/bin/sinlstm"))
    ]
    assert ours == []


@pytest.mark.slow
def test_the_readmes_python_works():
    (block,) = blocks(README, "python")
    lines = [line for line in block.splitlines() if line]
    assert len(lines) <= 5
    namespace = {}
    exec(block, namespace)
    assert namespace["continued"].shape == (500, 1, 1)
    truth = 20 + 5 * np.sin(2 * np.pi * 1.7 * np.arange(500) / 100)
    assert np.mean(((namespace["continued"][:, 0, 0] - truth) / 5) ** 2) < 0.01


@pytest.mark.slow
def test_the_readmes_commands_work(tmp_path):
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "room.csv", tmp_path / "docs")
    assert run_commands(README, tmp_path) == 1
    assert (tmp_path / "next.png").stat().st_size > 10_000
    rows = np.loadtxt(tmp_path / "next.csv", delimiter=",", skiprows=1, usecols=(2, 3, 4))
    truth = 21.5 + 0.8 * np.sin(2 * np.pi * (900 + np.arange(240)) / 70)
    assert np.sqrt(np.mean((rows[:, 0] - truth) ** 2)) < 0.08  # the noise of a sample


def test_the_readmes_file_is_the_one_that_the_page_on_recordings_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "recordings.md").read_text()
    exec(blocks(page, "python")[0], {})
    assert (tmp_path / "room.csv").read_text() == (ROOT / "docs" / "room.csv").read_text()


def test_the_options_of_the_page_on_training_are_those_there_are():
    command = [*STRICT_PYTHON, ROOT / "scripts" / "curriculum.py", "--help"]
    output = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    described = set(re.findall(r"`(--[a-z-]+)`", TRAINING))
    assert described == set(re.findall(r"--[a-z]+(?:-[a-z]+)*", output)) - {"--help"}


def test_the_recipe_on_the_page_on_training_is_one(tmp_path):
    (lines,) = re.findall(r"(?:^    [^\n]*\n)+", TRAINING[TRAINING.index("    [mine]") :], re.M)[:1]
    (tmp_path / "mine.toml").write_text(textwrap.dedent(lines))
    recipe = read_recipe(tmp_path / "mine.toml")
    assert [stage.horizon for stage in recipe.stages] == [50, 100]
    assert recipe.signal == Sines(frequency=(0.2, 1.0), level=(-1, 1))
    assert recipe.observation == Observation(noise=(0, 0.1))


@pytest.mark.slow
def test_the_page_on_training_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_commands(TRAINING, tmp_path) == 5
    runs = tmp_path / "runs"
    assert (runs / "smoke" / "long-term.png").exists()
    assert len(load_models(runs / "smoke-3")) == 3
    assert (runs / "smoke" / "evaluation" / "errors.csv").exists()
    assert (runs / "smoke" / "playground.html").exists()
    assert len(blocks(TRAINING, "python")) == 3
    for block in blocks(TRAINING, "python"):
        namespace = {"__name__": "__main__"}
        exec(block, namespace)
    assert namespace["errors"].shape == (2, 64)
    assert namespace["errors"][0].mean() < 0.2
    assert len(list((runs / "mine-1").glob("*.png"))) == 7
    assert "150" in capsys.readouterr().out


@pytest.mark.slow
def test_the_page_on_extending_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    assert len(blocks(EXTENDING, "python")) == 2
    for block in blocks(EXTENDING, "python"):
        exec(block, namespace)
        assert namespace["continued"].shape == (500, 1, 1)
        assert np.isfinite(namespace["continued"]).all()


@pytest.mark.slow
def test_its_own_signal_goes_through_the_commands(tmp_path, monkeypatch, capsys):
    (block,) = (b for b in blocks(EXTENDING, "python") if "saws" in b)
    (tmp_path / "saws.py").write_text(block)
    monkeypatch.chdir(tmp_path)
    train = ["curriculum", "--recipe", "saws:saws", "--seed", "1", "--out", "runs/saws"]
    subprocess.run([*STRICT_PYTHON, "saws.py"], check=True, stdout=subprocess.DEVNULL)
    main(train)
    assert "is complete: drawing its pictures again" in capsys.readouterr().out
    main(["evaluate", "runs/saws", "--recipe", "saws:saws", "--horizon", "400"])
    assert "Sawtooth(" in capsys.readouterr().out
