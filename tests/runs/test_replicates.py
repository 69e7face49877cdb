"""Runs with several seeds at once: on one device, on eight virtual ones, in two processes."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from processes import finish, start_processes
from tiny import QUIET, assert_same_run, at_look, tiny_recipe, weights

from sinlstm_jax import (
    Forecaster,
    InputError,
    Recipe,
    SineLSTM,
    Stage,
    commands,
    load_model,
    run,
    save_model,
)
from sinlstm_jax.commands import ExportOptions, ForecastOptions, PlaygroundOptions
from sinlstm_jax.commands import main as cli
from sinlstm_jax.commands.evaluate import evaluated_models, evaluation_folders
from sinlstm_jax.formats.convert import convert
from sinlstm_jax.model import split_model
from sinlstm_jax.playground import run_data
from sinlstm_jax.recipes import DEFAULT_SEED, RECIPES
from sinlstm_jax.runs.background import Background
from sinlstm_jax.runs.loading import replicate_seeds
from sinlstm_jax.runs.record import RunRecord
from sinlstm_jax.runs.replicates import fetch, place, replicate_mesh

ROOT = Path(__file__).parents[2]
TINY = tiny_recipe()
# So high a rate that of seeds 6, 7 and 8 the last one's loss overflows, and the others' do not.
RECKLESS = tiny_recipe(Stage(3, 6, learning_rate=2e18), Stage(5, 6), display_every=2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with two runs: `tiny`, of seeds 7 and 8, and `one`, of seed 7."""
    folder = tmp_path_factory.mktemp("runs")
    run(TINY, 7, folder / "tiny", replicates=2, console=QUIET)
    run(TINY, 7, folder / "one", console=QUIET)
    return folder


def read_losses(path):
    """Return metrics.csv as (seeds, losses `[row, replicate]`)."""
    header, *_ = (path / "metrics.csv").read_text().splitlines()
    losses = np.loadtxt(path / "metrics.csv", delimiter=",", skiprows=1, ndmin=2)[:, 2:]
    return [int(name) for name in re.findall(r"loss_(\d+)", header)], losses


def test_each_replicate_trains_as_its_single_run(tmp_path, implementation, no_pictures):
    sizes = {"past": 20, "batch_size": 4, "hidden_size": 6}
    recipe = Recipe("hundred", "for tests", (Stage(10, 100),), 50, **sizes)
    settings = {"implementation": implementation, "console": QUIET}
    description = run(recipe, 7, tmp_path / "all", replicates=3, **settings)
    seeds, losses = read_losses(tmp_path / "all")
    assert seeds == description["seeds"] == [7, 8, 9] == replicate_seeds(tmp_path / "all")
    for k, seed in enumerate(seeds):
        alone = run(recipe, seed, tmp_path / str(seed), **settings)
        expected = read_losses(tmp_path / str(seed))[1][:, 0]
        np.testing.assert_array_equal(losses[:, k], expected)
        for both in zip(description["figures"], alone["figures"], strict=True):
            assert both[0]["replicates"][k] == both[1]["replicates"][0]
            assert both[0]["replicates"][k]["seed"] == seed
        trained, (expected,) = weights(tmp_path / "all")[k], weights(tmp_path / str(seed))
        jax.tree.map(np.testing.assert_array_equal, trained, expected)
    with pytest.raises(InputError, match=r"replicate is 3: .*all holds 3 replicates: give 0 to 2"):
        load_model(tmp_path / "all", 3)
    with pytest.raises(InputError, match="holds a run with replicates 3, not 2"):
        run(recipe, 7, tmp_path / "all", replicates=2, **settings)


@pytest.mark.slow
def test_replicates_that_crashed_go_on_to_the_same_bits(tmp_path, no_pictures):
    run(TINY, 7, tmp_path / "whole", replicates=3, console=QUIET)
    settings = {"replicates": 3, "console": QUIET}
    for look in (5, 14):
        crash = at_look(look, lambda: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(TINY, 7, tmp_path / "parts", checkpoint_every=7, stop_signal=crash, **settings)
    run(TINY, 7, tmp_path / "parts", checkpoint_every=9, **settings)
    assert_same_run(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.slow
def test_a_replicate_that_diverges_is_frozen_reported_and_alone(tmp_path, capsys):
    description = run(RECKLESS, 6, tmp_path / "all", replicates=3)
    written = json.loads((tmp_path / "all" / "run.json").read_text(), parse_constant=pytest.fail)
    assert written == description
    first, second = (
        [each["failed_at"] for each in f["replicates"]] for f in description["figures"]
    )
    assert first == [None, None, 1]
    assert second == [None, None, 0]  # frozen from the start of stage 2
    for figures in RunRecord.from_json(description).figures:
        assert figures.replicates[2].final_loss is None
        assert figures.median_replicate < 2
    losses = read_losses(tmp_path / "all")[1]
    assert np.isfinite(losses[0, 2]) and np.isnan(losses[1:, 2]).all()
    before, after = weights(tmp_path / "all" / "checkpoints" / "6")[2], weights(tmp_path / "all")[2]
    jax.tree.map(np.testing.assert_array_equal, before, after)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))
    run(RECKLESS, 7, tmp_path / "alone", console=QUIET)
    expected = read_losses(tmp_path / "alone")[1][:, 0]
    np.testing.assert_array_equal(losses[:, 1], expected)
    output = capsys.readouterr().out
    assert re.search(r"step      4 .* 1 failed\n", output)


@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.slow
def test_a_run_of_which_nothing_is_left_ends_with_exit_code_3(
    tmp_path, monkeypatch, capsys, no_pictures, replicates
):
    recipe = tiny_recipe(Stage(3, 20), Stage(5, 30, learning_rate=1e30))
    monkeypatch.setattr(commands.curriculum, "named_recipe", lambda name: recipe)
    arguments = ["curriculum", "--hidden-size", 4, "--batch-size", 2, "--out", tmp_path / "run"]
    arguments += ["--seed", 7, "--replicates", replicates]
    kept = None
    for _ in range(2):  # the same command resumes there, and ends there again
        with pytest.raises(SystemExit) as exit:
            cli.main([*map(str, arguments)])
        assert exit.value.code == 3
        error = capsys.readouterr().err
        assert re.fullmatch(
            r"error: .* diverged in stage 2 at iteration 1, loss inf, gradient norm .*: try .*\n",
            error,
        )
        checkpoints = tmp_path / "run" / "checkpoints"
        assert [path.name for path in checkpoints.iterdir()] == ["20"]
        files = {path: path.read_bytes() for path in checkpoints.rglob("*") if path.is_file()}
        assert kept in (None, files)
        kept = files
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(weights(tmp_path / "run")))


def test_one_device_needs_no_mesh_and_fetching_is_placing_backwards():
    tree = {"a": np.arange(6.0).reshape(3, 2), "b": np.arange(3)}
    assert replicate_mesh(3) is None
    placed = place(tree, None)
    assert isinstance(placed["a"], jax.Array)
    jax.tree.map(np.testing.assert_array_equal, fetch(placed, 3), tree)
    jax.tree.map(np.testing.assert_array_equal, fetch(placed, 2), {"a": tree["a"][:2], "b": [0, 1]})


ON_EIGHT_DEVICES = """
import sys
import jax
from processes import finish, start_processes
from tiny import QUIET, tiny_recipe
from sinlstm_jax import Stage, run
from sinlstm_jax.runs.replicates import replicate_mesh
assert jax.device_count() == 8
assert replicate_mesh(1) is None  # the others would only compute the same once more
for count in (5, 11):
    out = f"{sys.argv[1]}/{count}"
    description = run(tiny_recipe(Stage(3, 20)), 7, out, replicates=count, console=QUIET)
    print(count, description["device"])
"""


@pytest.mark.slow
def test_eight_devices_share_replicates_of_any_number(tmp_path, no_pictures):
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", ON_EIGHT_DEVICES, tmp_path],
        env=environment,
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["5 5 x cpu", "11 8 x cpu"]
    one_stage = tiny_recipe(Stage(3, 20))
    description = run(one_stage, 7, tmp_path / "here", replicates=11, console=QUIET)
    expected = read_losses(tmp_path / "here")[1]
    for count in (5, 11):
        np.testing.assert_array_equal(read_losses(tmp_path / str(count))[1], expected[:, :count])
        trained = weights(tmp_path / str(count))
        jax.tree.map(np.testing.assert_array_equal, trained, weights(tmp_path / "here")[:count])
    theirs = json.loads((tmp_path / "11" / "run.json").read_text())
    for figures, here in zip(theirs["figures"], description["figures"], strict=True):
        assert [each["seed"] for each in figures["replicates"]] == list(range(7, 18))
        assert figures["replicates"] == here["replicates"]


SMOKE = "--recipe smoke --hidden-size 3 --batch-size 2 --checkpoint-every 50".split()


@pytest.mark.slow
def test_the_command_shares_replicates_out_over_the_cores(tmp_path):
    command = "--recipe smoke --hidden-size 3 --batch-size 2 --replicates 3 --out".split()
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "curriculum.py", *command, tmp_path / "run"],
        capture_output=True,
        text=True,
        check=True,
    )
    cores = min(3, len(os.sched_getaffinity(0)))
    assert f"Computing on {cores} x cpu" in done.stdout or cores == 1


@pytest.mark.slow
def test_two_processes_share_a_run_and_go_on_after_a_kill(tmp_path):
    killed = start_processes(tmp_path / "run", SMOKE)
    for line in killed[0].stdout:
        if "step    150" in line:
            for process in killed:
                process.send_signal(signal.SIGKILL)
    finish(killed)
    first, second = finish(start_processes(tmp_path / "run", SMOKE))
    assert first[::2] == (0, "") and second == (0, "", "")
    assert re.search(r"from stage 1, iteration (50|100|150)\nComputing on 2 x cpu", first[1])
    assert "smoke, seeds 4112 to 4114" in first[1]
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"long-term.png", "metrics.csv", "run.json"} < files

    whole = finish(start_processes(tmp_path / "whole", SMOKE))
    assert [code for code, *_ in whole] == [0, 0]
    assert_same_run(tmp_path / "run", tmp_path / "whole")

    recipe = replace(RECIPES["smoke"], hidden_size=3, batch_size=2)
    run(recipe, DEFAULT_SEED, tmp_path / "alone", replicates=3, console=QUIET)
    ours, expected = read_losses(tmp_path / "run"), read_losses(tmp_path / "alone")
    assert ours[0] == expected[0] == [4112, 4113, 4114]
    np.testing.assert_array_equal(ours[1], expected[1])


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
def test_a_signal_to_one_of_two_processes_saves_and_ends_both(tmp_path, index):
    processes = start_processes(tmp_path / "run", SMOKE)
    for line in processes[0].stdout:
        if "step     50" in line:
            processes[index].send_signal(signal.SIGTERM)
    results = finish(processes)
    assert [code for code, *_ in results] == [143, 143]
    for _, _, errors in results:
        stopped = re.fullmatch(r"stopped at stage 1, iteration (\d+): the same .*\n", errors)
    reached = stopped[1]
    first, second = finish(start_processes(tmp_path / "run", SMOKE))
    assert first[::2] == (0, "") and second == (0, "", "")
    assert f"from stage 1, iteration {reached}\n" in first[1]


@pytest.mark.slow
def test_two_processes_refuse_alike(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    for code, output, errors in finish(start_processes(tmp_path / "run", SMOKE)):
        assert (code, output) == (2, "")
        assert errors.startswith("error: ") and "is not empty and holds no run" in errors
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_each_replicate_is_evaluated_under_its_seed(tmp_path, monkeypatch, runs):
    monkeypatch.chdir(runs)
    paths = ("tiny", "one", "curriculum", "tiny/checkpoints/20")
    models, folders = evaluated_models(paths, evaluation_folders(paths, tmp_path / "out"))
    names = ["tiny-7", "tiny-8", "one", "curriculum", "tiny-20-7", "tiny-20-8"]
    assert list(models) == list(folders) == names
    assert folders["tiny-8"] == tmp_path / "out" / "tiny" / "8"
    found = [split_model(models[name])[1:] for name in ("tiny-8", "one")]
    expected = [weights("tiny")[1], *weights("one")]
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize("order", [1, -1])
def test_a_replicate_is_not_evaluated_under_another_runs_name(tmp_path, runs, order):
    save_model(SineLSTM(3), tmp_path / "tiny-8")
    paths = [str(runs / "tiny"), str(tmp_path / "tiny-8")][::order]
    with pytest.raises(InputError, match=r"seed 8 of .*tiny would be called tiny-8, like another"):
        evaluated_models(paths, evaluation_folders(paths, None))


def test_work_beside_training_is_done_on_its_device():
    device, seen = jax.devices()[0], []
    with jax.default_device(device), Background() as background:
        background.start(lambda: seen.append(jax.config.jax_default_device))
    assert seen == [device]  # None is what another thread has of itself


def test_whoever_takes_one_model_asks_which_replicate(tmp_path, runs):
    both = runs / "tiny"
    takers = (
        load_model,
        Forecaster.load,
        run_data,
        lambda path: convert(path, tmp_path / "a.safetensors"),
        lambda path: ExportOptions(str(path), tmp_path / "exported").execute(),
        lambda path: ForecastOptions(tmp_path / "samples.csv", str(path)).execute(),
        lambda path: PlaygroundOptions(str(path), tmp_path / "page.html").execute(),
    )
    (tmp_path / "samples.csv").write_text("1\n0\n")
    for take in takers:
        for source in (both, both / "checkpoints" / "20"):
            with pytest.raises(InputError, match="holds 2 replicates, of seeds 7 to 8: give repl"):
                take(source)
    for replicate in (2, -1):
        with pytest.raises(InputError, match=f"replicate is {replicate}: .* give 0 to 1"):
            convert(both, tmp_path / "a.safetensors", replicate)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples.csv"]
    for replicate in (0, 1):
        PlaygroundOptions(str(both), tmp_path / "page.html", replicate).execute()
        assert f'"seed":{7 + replicate},' in (tmp_path / "page.html").read_text()
        got = convert(both, tmp_path / f"{replicate}.safetensors", replicate)
        expected = weights(both)[replicate]
        jax.tree.map(np.testing.assert_array_equal, split_model(got)[1:], expected)
    with pytest.raises(InputError, match=r"replicate is 0: .* holds one model, leave it out"):
        convert(tmp_path / "0.safetensors", tmp_path / "b.safetensors", 0)
    with pytest.raises(InputError, match=r"replicate is 1: curriculum holds one model, leave it"):
        ExportOptions("curriculum", tmp_path / "exported", 1).execute()
