import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from tiny import tiny_recipe

from sinlstm_jax import InputError, Stage
from sinlstm_jax.kernel import choice
from sinlstm_jax.runs import folder
from sinlstm_jax.runs.record import RunRecord

RECIPE = tiny_recipe(Stage(2, 4), display_every=2, past=4)


def locked(path, implementation="scan", recipe=RECIPE, seeds=(1,)):
    return folder.open_run(path, recipe, [*seeds], device="cpu", implementation=implementation)


def open_run(*arguments, **keywords):
    """Open a run and leave it at once: its record, and what it would be here and now."""
    with locked(*arguments, **keywords) as opened:
        return opened.record, opened.now


def test_a_new_run_describes_itself_and_the_same_run_is_found_again(tmp_path):
    path = tmp_path / "a" / "b"
    record, now = open_run(path)
    assert RunRecord.from_json(json.loads((path / "run.json").read_text())) == record == now
    assert (record.seed, record.device) == (1, "cpu")
    assert record.versions.keys() >= {"jax", "flax", "optax", "orbax-checkpoint", "python"}
    assert open_run(path) == (record, now)


def test_a_run_is_resumed_with_the_implementation_that_it_began_with(tmp_path, monkeypatch):
    assert open_run(tmp_path / "scan", "scan")[1].implementation == "scan"
    assert open_run(tmp_path / "scan", "auto")[1].implementation == "scan"
    fused = tmp_path / "fused"
    assert open_run(fused, "auto")[1].implementation == "fused"

    monkeypatch.setattr(choice, "_obstacle", lambda hidden_size: "there is no compiler")
    before = (fused / "run.json").read_bytes()
    with pytest.raises(InputError, match=r"no compiler: give 'scan' \(--implementation scan\)"):
        open_run(fused, "auto")
    assert (fused / "run.json").read_bytes() == before
    assert [each.implementation for each in open_run(fused, "scan")] == ["fused", "scan"]
    for path in (tmp_path / "new" / "folder", tmp_path / "scan" / "new"):
        with pytest.raises(InputError, match="'fused', but there is no compiler"):
            open_run(path, "fused")
    assert not (tmp_path / "new").exists() and not (tmp_path / "scan" / "new").exists()


def test_a_folder_that_cannot_be_used_is_named_before_a_kernel_is_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(choice, "load", lambda: pytest.fail("the kernel was asked for"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/run cannot be written \(Not a directory\)"):
        open_run(tmp_path / "file" / "run", "auto")
    with pytest.raises(InputError, match=r"file cannot be written \(File exists\)"):
        open_run(tmp_path / "file", "auto")


@pytest.mark.parametrize(
    "name, other",
    [
        ("seed", {"seeds": [2]}),
        ("recipe", {"recipe": dataclasses.replace(RECIPE, name="curriculum")}),
    ],
)
def test_another_run_is_not_overwritten(tmp_path, name, other):
    record, _ = open_run(tmp_path)
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    before = (tmp_path / "run.json").read_bytes()
    value = {"seed": 2, "recipe": "curriculum"}[name]
    with pytest.raises(InputError, match=f"a run with {name} {getattr(record, name)}, not {value}"):
        open_run(tmp_path, **other)
    assert (tmp_path / "run.json").read_bytes() == before


# What records told of a stage before errors could be weighed.
FIRST_FIELDS = """horizon iterations learning_rate epsilon b1 b2 nesterov clip_norm warmup
final_fraction undo_above""".split()


def test_a_run_from_before_stages_had_more_settings_is_the_same_run(tmp_path):
    record, _ = open_run(tmp_path)
    (tmp_path / "checkpoints" / "10").mkdir(parents=True)
    told = json.loads((tmp_path / "run.json").read_text())
    assert set(told["stages"][0]) > set(FIRST_FIELDS)
    told["stages"] = [{name: stage[name] for name in FIRST_FIELDS} for stage in told["stages"]]
    (tmp_path / "run.json").write_text(json.dumps(told))
    assert open_run(tmp_path)[0] == record
    told["stages"][0]["unheard_of"] = None  # by a version to come
    (tmp_path / "run.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="a run with unheard_of None in stage 1, not None"):
        open_run(tmp_path)


def test_what_a_kill_leaves_of_a_first_record_is_no_other_thing(tmp_path):
    (tmp_path / ".run.json.999.tmp").write_text("{")
    (tmp_path / ".ensemble.999.new").mkdir()
    (tmp_path / ".ensemble.999.new" / "half").write_text("")
    record, now = open_run(tmp_path)
    assert record == now
    assert [path.name for path in tmp_path.iterdir() if "999" in path.name] == []
    (tmp_path / "run.json").unlink()
    (tmp_path / ".notes.tmp").write_text("precious")
    with pytest.raises(InputError, match="not empty and holds no run"):
        open_run(tmp_path)
    assert (tmp_path / ".notes.tmp").read_text() == "precious"


def test_a_run_that_never_came_to_a_checkpoint_makes_way(tmp_path):
    open_run(tmp_path, recipe=dataclasses.replace(RECIPE, hidden_size=5))
    (tmp_path / "checkpoints" / "saving" / "10").mkdir(parents=True)  # as a kill leaves it
    record, now = open_run(tmp_path)
    assert record == now and record.hidden_size == 4
    assert json.loads((tmp_path / "run.json").read_text()) == record.to_json()


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="not empty and holds no run"):
        open_run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"{}", b"\xff\xfe", b'{"figures": []}'])
def test_a_damaged_record_is_named(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json that is damaged|is of another version"):
        open_run(tmp_path)


def test_a_second_run_is_refused_while_the_first_lives(tmp_path):
    with locked(tmp_path / "run"):
        before = (tmp_path / "run" / "run.json").read_bytes()
        with pytest.raises(InputError, match="run is in use by another run: wait for it"):
            open_run(tmp_path / "run")
        assert (tmp_path / "run" / "run.json").read_bytes() == before
        open_run(tmp_path / "other")
    open_run(tmp_path / "run")


HOLDING = """
import sys, time
from pathlib import Path
from sinlstm_jax import Recipe, Stage
from sinlstm_jax.runs.folder import open_run
recipe = Recipe("smoke", "for tests", (Stage(2, 4),), 2, past=4, batch_size=2, hidden_size=4)
with open_run(Path(sys.argv[1]), recipe, [1], device="cpu", implementation="scan"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.processes
def test_a_lock_ends_with_its_process(tmp_path):
    command = [sys.executable, "-c", HOLDING, tmp_path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            with pytest.raises(InputError, match="in use by another run"):
                open_run(tmp_path)
        finally:
            process.kill()
    open_run(tmp_path)


def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path):
    open_run(tmp_path)
    (tmp_path / ".long-term.png.123.tmp").write_text("half")
    open_run(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoints", "run.json"}


def test_metrics_are_cut_back_to_what_checkpoints_hold(tmp_path):
    losses = np.array([0.1, 1 / 3, 1e-7], np.float32)
    with locked(tmp_path) as opened:
        (tmp_path / "metrics.csv").write_text("stage,iteration,loss\n1,0,9\n1,1,9\n1,2,9\n")
        opened.begin_losses([losses[None, :2], losses[None, :1]])
        opened.log_losses(2, 1, losses[None, 1:])
    stage, iteration, loss = np.loadtxt(tmp_path / "metrics.csv", delimiter=",", skiprows=1).T
    np.testing.assert_array_equal(stage, [1, 1, 2, 2, 2])
    np.testing.assert_array_equal(iteration, [0, 1, 0, 1, 2])
    np.testing.assert_array_equal(loss.astype(np.float32), losses[[0, 1, 0, 1, 2]])
    assert (tmp_path / "metrics.csv").read_text().startswith("stage,iteration,loss\n1,0,0.1\n")


def test_metrics_of_replicates_have_a_column_each(tmp_path):
    losses = np.array([[0.1, np.nan], [1 / 3, 1e-7]], np.float32)
    with locked(tmp_path, seeds=[5, 6]) as opened:
        opened.begin_losses([losses[:, :1]])
        opened.log_losses(1, 1, losses[:, 1:])
    assert (tmp_path / "metrics.csv").read_text() == (
        "stage,iteration,loss_5,loss_6\n1,0,0.1,0.33333334\n1,1,nan,1e-07\n"
    )
