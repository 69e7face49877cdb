import json
import subprocess
import sys

import numpy as np
import pytest

from sinlstm_jax import InputError
from sinlstm_jax.kernel import choice as implementation
from sinlstm_jax.runs import folder as run_folder
from sinlstm_jax.runs.folder import MetricsLog

IDENTITY = {"recipe": "smoke", "seed": 1, "hidden_size": 4}


def open_run(*arguments):
    """Open a run and leave it at once: its description, and what it is computed with now."""
    with run_folder.open_run(*arguments) as opened:
        return opened


def test_a_new_run_describes_itself_and_the_same_run_is_found_again(tmp_path):
    path = tmp_path / "a" / "b"
    description, now = open_run(path, IDENTITY, "cpu", "scan")
    assert json.loads((path / "run.json").read_text()) == description
    assert description["seed"] == 1
    assert description["device"] == "cpu"
    assert set(description["versions"]) >= {"jax", "flax", "optax", "orbax-checkpoint", "python"}
    assert open_run(path, IDENTITY, "cpu", "scan") == (description, now)
    assert now == {name: description[name] for name in ("device", "implementation", "versions")}


def test_a_run_goes_on_with_the_implementation_that_it_began_with(tmp_path, monkeypatch):
    assert open_run(tmp_path / "scan", IDENTITY, "cpu", "scan")[1]["implementation"] == "scan"
    assert open_run(tmp_path / "scan", IDENTITY, "cpu", "auto")[1]["implementation"] == "scan"
    fused = tmp_path / "fused"
    assert open_run(fused, IDENTITY, "cpu", "auto")[1]["implementation"] == "fused"

    monkeypatch.setattr(implementation, "_obstacle", lambda hidden_size: "there is no compiler")
    before = (fused / "run.json").read_bytes()
    with pytest.raises(InputError, match=r"no compiler: give 'scan' \(--implementation scan\)"):
        open_run(fused, IDENTITY, "cpu", "auto")
    assert (fused / "run.json").read_bytes() == before
    description, now = open_run(fused, IDENTITY, "cpu", "scan")
    assert (description["implementation"], now["implementation"]) == ("fused", "scan")
    for path in (tmp_path / "new" / "folder", tmp_path / "scan" / "new"):
        with pytest.raises(InputError, match="'fused', but there is no compiler"):
            open_run(path, IDENTITY, "cpu", "fused")
    assert not (tmp_path / "new").exists() and not (tmp_path / "scan" / "new").exists()


def test_a_folder_that_cannot_be_used_is_named_before_a_kernel_is_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(implementation, "load", lambda: pytest.fail("the kernel was asked for"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/run cannot be written"):
        open_run(tmp_path / "file" / "run", IDENTITY, "cpu", "auto")


@pytest.mark.parametrize("other", [{"seed": 2}, {"recipe": "curriculum"}])
def test_another_run_is_not_overwritten(tmp_path, other):
    open_run(tmp_path / "run", IDENTITY, "cpu", "scan")
    (tmp_path / "run" / "checkpoints" / "10").mkdir(parents=True)
    before = (tmp_path / "run" / "run.json").read_bytes()
    ((name, value),) = other.items()
    with pytest.raises(InputError, match=f"holds a run with {name} {IDENTITY[name]}, not {value}"):
        open_run(tmp_path / "run", IDENTITY | other, "cpu", "scan")
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_a_run_that_never_came_to_a_checkpoint_makes_way(tmp_path):
    open_run(tmp_path, IDENTITY | {"hidden_size": 10**6}, "cpu", "scan")
    (tmp_path / "checkpoints" / "saving" / "10").mkdir(parents=True)  # as a kill leaves it
    description, now = open_run(tmp_path, IDENTITY, "cpu", "scan")
    assert description == {**IDENTITY, **now, "figures": []}
    assert json.loads((tmp_path / "run.json").read_text()) == description


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not empty and holds no run"):
        open_run(tmp_path, IDENTITY, "cpu", "scan")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/run cannot be written \(Not a directory\)"):
        open_run(tmp_path / "file" / "run", IDENTITY, "cpu", "scan")
    with pytest.raises(InputError, match=r"file cannot be written \(File exists\)"):
        open_run(tmp_path / "file", IDENTITY, "cpu", "scan")


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"{}", b"\xff\xfe"])
def test_a_damaged_description_is_named(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json that is damaged"):
        open_run(tmp_path, IDENTITY, "cpu", "scan")


def test_a_second_run_is_refused_while_the_first_lives(tmp_path):
    with run_folder.open_run(tmp_path / "run", IDENTITY, "cpu", "scan"):
        before = (tmp_path / "run" / "run.json").read_bytes()
        with pytest.raises(InputError, match="run is where another run is at work: wait for it"):
            open_run(tmp_path / "run", IDENTITY, "cpu", "scan")
        assert (tmp_path / "run" / "run.json").read_bytes() == before
        open_run(tmp_path / "other", IDENTITY, "cpu", "scan")
    open_run(tmp_path / "run", IDENTITY, "cpu", "scan")


HOLDING = """
import sys, time
from pathlib import Path
from sinlstm_jax.runs.folder import open_run
with open_run(Path(sys.argv[1]), {"hidden_size": 4}, "cpu", "scan"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_ends_with_its_process(tmp_path):
    command = [sys.executable, "-c", HOLDING, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            with pytest.raises(InputError, match="another run is at work"):
                open_run(tmp_path, {"hidden_size": 4}, "cpu", "scan")
        finally:
            process.kill()
    open_run(tmp_path, {"hidden_size": 4}, "cpu", "scan")


def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path):
    open_run(tmp_path, IDENTITY, "cpu", "scan")
    (tmp_path / ".long-term.png.123.tmp").write_text("half")
    open_run(tmp_path, IDENTITY, "cpu", "scan")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_metrics_are_cut_back_and_go_on(tmp_path):
    (tmp_path / "metrics.csv").write_text("stage,iteration,loss\n1,0,9\n1,1,9\n1,2,9\n1,3,9\n")
    losses = np.array([0.1, 1 / 3, 1e-7], np.float32)
    with MetricsLog(tmp_path, [5], [losses[None, :2], losses[None, :1]]) as metrics:
        metrics.append(2, 1, losses[None, 1:])
    stage, iteration, loss = np.loadtxt(tmp_path / "metrics.csv", delimiter=",", skiprows=1).T
    np.testing.assert_array_equal(stage, [1, 1, 2, 2, 2])
    np.testing.assert_array_equal(iteration, [0, 1, 0, 1, 2])
    np.testing.assert_array_equal(loss.astype(np.float32), losses[[0, 1, 0, 1, 2]])
    assert (tmp_path / "metrics.csv").read_text().startswith("stage,iteration,loss\n1,0,0.1\n")


def test_metrics_of_replicates_have_a_column_each(tmp_path):
    losses = np.array([[0.1, np.nan], [1 / 3, 1e-7]], np.float32)
    with MetricsLog(tmp_path, [5, 6], [losses[:, :1]]) as metrics:
        metrics.append(1, 1, losses[:, 1:])
    assert (tmp_path / "metrics.csv").read_text() == (
        "stage,iteration,loss_5,loss_6\n1,0,0.1,0.33333334\n1,1,nan,1e-07\n"
    )
