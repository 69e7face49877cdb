"""Runs with several seeds at once: on one device, on eight virtual ones, in two processes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from rich.console import Console

from sinlstm_jax import InputError, Recipe, Stage, cli, load_model, load_models, run
from sinlstm_jax.figures import loss_lines, median_replicate
from sinlstm_jax.loading import replicate_seeds
from sinlstm_jax.model import split_model
from sinlstm_jax.replicates import fetch, place, replicate_mesh

ROOT = Path(__file__).parents[1]
TINY = Recipe(
    "tiny", "for tests", (Stage(3, 20), Stage(5, 30)), 10, past=5, batch_size=2, hidden_size=4
)
# So high a rate that some seeds' predictions overflow when they are squared, and some do not.
RECKLESS = Recipe(
    "reckless", "for tests", (Stage(3, 6, learning_rate=6.5e18), Stage(5, 6)), 2,
    past=5, batch_size=2, hidden_size=4,
)  # fmt: skip


def quiet():
    return Console(quiet=True)


def read_losses(path):
    """Return metrics.csv as (seeds, losses `[row, replicate]`)."""
    header, *_ = (path / "metrics.csv").read_text().splitlines()
    losses = np.loadtxt(path / "metrics.csv", delimiter=",", skiprows=1, ndmin=2)[:, 2:]
    return [int(name) for name in re.findall(r"loss_(\d+)", header)], losses


def assert_same_arrays(path, other, replicates):
    for model, expected in zip(load_models(path), load_models(other), strict=True):
        jax.tree.map(
            np.testing.assert_array_equal, split_model(model)[1:], split_model(expected)[1:]
        )
    assert len(load_models(path)) == replicates
    assert (path / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()


@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_each_replicate_trains_as_its_single_run(tmp_path, implementation):
    recipe = Recipe(
        "hundred", "for tests", (Stage(10, 100), Stage(20, 20)), 50,
        past=20, batch_size=4, hidden_size=6,
    )  # fmt: skip
    settings = {"implementation": implementation, "console": quiet()}
    description = run(recipe, 7, tmp_path / "all", replicates=3, **settings)
    seeds, losses = read_losses(tmp_path / "all")
    assert seeds == description["seeds"] == [7, 8, 9] == replicate_seeds(tmp_path / "all")
    for k, seed in enumerate(seeds):
        alone = run(recipe, seed, tmp_path / str(seed), **settings)
        expected = read_losses(tmp_path / str(seed))[1][:, 0]
        np.testing.assert_allclose(losses[:100, k], expected[:100], rtol=1e-5)
        for both in zip(description["figures"], alone["figures"], strict=True):
            figures, single = both[0]["replicates"][k], both[1]["replicates"][0]
            assert figures["seed"] == single["seed"] == seed
            assert figures["average_loss"] == pytest.approx(single["average_loss"], rel=1e-3)
            assert figures["rollout_errors"] == pytest.approx(single["rollout_errors"], rel=1e-3)
        weights, expected = (
            split_model(load_model(tmp_path / name, index))[1]
            for name, index in (("all", k), (str(seed), 0))
        )
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), weights, expected)
    with pytest.raises(InputError, match="replicate is 3: .*all holds 3 replicates: give 0 to 2"):
        load_model(tmp_path / "all", 3)
    with pytest.raises(InputError, match="holds a run with replicates 3, not 2"):
        run(recipe, 7, tmp_path / "all", replicates=2, **settings)


class Stopped(Exception):
    pass


class StoppingConsole(Console):
    """A console that stops the run when it prints a certain step."""

    def __init__(self, stop_at):
        super().__init__(quiet=True)
        self.stop_at = stop_at

    def print(self, *objects, **options):
        if any(self.stop_at in str(text) for text in objects):
            raise Stopped
        super().print(*objects, **options)


def test_stopped_replicates_go_on_to_the_same_bits(tmp_path):
    description = run(TINY, 7, tmp_path / "whole", replicates=3, console=quiet())
    for stop_at in ("step     10", "step     20"):
        with pytest.raises(Stopped):
            console = StoppingConsole(stop_at)
            run(TINY, 7, tmp_path / "parts", replicates=3, checkpoint_every=7, console=console)
    resumed = run(TINY, 7, tmp_path / "parts", replicates=3, checkpoint_every=9, console=quiet())
    for figures, expected in zip(resumed["figures"], description["figures"], strict=True):
        assert figures["replicates"] == expected["replicates"]
    assert_same_arrays(tmp_path / "parts", tmp_path / "whole", 3)


def test_a_replicate_that_diverges_is_frozen_reported_and_alone(tmp_path, capsys):
    count = 6
    description = run(RECKLESS, 0, tmp_path / "all", replicates=count)
    written = json.loads((tmp_path / "all" / "run.json").read_text(), parse_constant=pytest.fail)
    assert written == description
    first, second = (
        [each["failed_at"] for each in f["replicates"]] for f in description["figures"]
    )
    failed = [k for k in range(count) if first[k] is not None]
    assert 0 < len(failed) < count
    assert [second[k] for k in failed] == [0] * len(failed)  # frozen from the start of stage 2
    losses = read_losses(tmp_path / "all")[1]
    models = load_models(tmp_path / "all" / "checkpoints" / "6"), load_models(tmp_path / "all")
    for k in range(count):
        if k in failed:
            assert (
                np.isfinite(losses[: first[k], k]).all() and np.isnan(losses[first[k] :, k]).all()
            )
            assert description["figures"][0]["replicates"][k]["final_loss"] is None
            weights = [split_model(model[k])[1] for model in models]
            jax.tree.map(np.testing.assert_array_equal, *weights)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(weights))
        else:
            run(RECKLESS, k, tmp_path / str(k), console=quiet())
            expected = read_losses(tmp_path / str(k))[1][:, 0]
            np.testing.assert_allclose(losses[:, k], expected, rtol=1e-5)
    output = capsys.readouterr().out
    assert f"{len(failed)} of {count}:" in output
    assert re.search(rf"step      4 .* {len(failed)} failed\n", output)
    assert median_replicate(description["figures"][1]) not in failed


@pytest.mark.parametrize("replicates", [1, 3])
def test_a_run_of_which_nothing_is_left_ends_with_exit_code_3(
    tmp_path, monkeypatch, capsys, replicates
):
    stages = (Stage(3, 20), Stage(5, 30, learning_rate=1e30))
    recipe = Recipe("lost", "for tests", stages, 10, past=5, batch_size=2, hidden_size=4)
    monkeypatch.setattr(cli, "find_recipe", lambda name: recipe)
    arguments = ["--hidden-size", 4, "--batch-size", 2, "--out", tmp_path / "run"]
    arguments += ["--checkpoint-every", 5, "--seed", 7, "--replicates", replicates]
    monkeypatch.setattr(sys, "argv", ["curriculum.py", *map(str, arguments)])
    kept = None
    for _ in range(2):  # the same command goes on from there, and ends there again
        with pytest.raises(SystemExit) as exit:
            cli.curriculum_main()
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
        losses = [x for model in load_models(tmp_path / "run") for x in model.cell.hidden_bias[...]]
        assert np.isfinite(losses).all()


def test_loss_lines_of_replicates_leave_out_the_failed():
    losses = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [9.0, np.nan, np.nan]])
    assert loss_lines(losses, 0, 2) == [
        "  step      0  loss 3.000000 (1.000000 to 9.000000)",
        "  step      2  loss 4.000000 (3.000000 to 5.000000)"
        "  avg loss 2.500000 (1.500000 to 3.500000)  1 failed",
    ]
    assert loss_lines(losses[2:], 2, 2) == ["  step      2  loss nan  avg loss nan  1 failed"]


def test_one_device_needs_no_mesh_and_fetching_is_placing_backwards():
    tree = {"a": np.arange(6.0).reshape(3, 2), "b": np.arange(3)}
    assert replicate_mesh(3) is None
    placed = place(tree, None)
    assert isinstance(placed["a"], jax.Array)
    jax.tree.map(np.testing.assert_array_equal, fetch(placed, 3), tree)
    jax.tree.map(np.testing.assert_array_equal, fetch(placed, 2), {"a": tree["a"][:2], "b": [0, 1]})


def test_eight_devices_share_replicates_of_any_number(tmp_path):
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    result = subprocess.run(
        [sys.executable, "-W", "error", "on_virtual_devices.py", tmp_path, "1", "5", "11"],
        env=environment, cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == ["1 cpu", "5 5 x cpu", "11 8 x cpu"]
    description = run(TINY, 7, tmp_path / "here", replicates=11, console=quiet())
    expected = read_losses(tmp_path / "here")[1]
    for count in (1, 5, 11):
        losses = read_losses(tmp_path / str(count))[1]
        np.testing.assert_allclose(losses, expected[:, :count], rtol=1e-5)
        assert len(load_models(tmp_path / str(count))) == count
    theirs = json.loads((tmp_path / "11" / "run.json").read_text())
    for figures, here in zip(theirs["figures"], description["figures"], strict=True):
        assert [each["seed"] for each in figures["replicates"]] == list(range(7, 18))
        for each, single in zip(figures["replicates"], here["replicates"], strict=True):
            assert each["rollout_errors"] == pytest.approx(single["rollout_errors"], rel=1e-3)


def start_processes(out, count=2):
    """Start the script `count` times, as one run: (processes)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        sys.executable, "-W", "error", ROOT / "scripts" / "curriculum.py", "--recipe", "smoke",
        "--hidden-size", 3, "--batch-size", 2, "--replicates", 3, "--checkpoint-every", 50,
        "--out", out, "--coordinator", coordinator, "--processes", count, "--process-index",
    ]  # fmt: skip
    return [
        subprocess.Popen(
            [*map(str, command), str(index)],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip
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


def test_two_processes_share_a_run_and_go_on_after_a_kill(tmp_path):
    killed = start_processes(tmp_path / "run")
    for line in killed[0].stdout:
        if "step    150" in line:
            for process in killed:
                process.send_signal(signal.SIGKILL)
    finish(killed)
    first, second = finish(start_processes(tmp_path / "run"))
    assert first[::2] == (0, "") and second == (0, "", "")
    assert re.search(r"from stage 1, iteration (50|100|150)\nComputing on 2 x cpu", first[1])
    assert "smoke, seeds 4112 to 4114" in first[1]
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"long-term.png", "metrics.csv", "run.json"} < files

    whole = finish(start_processes(tmp_path / "whole"))
    assert [code for code, *_ in whole] == [0, 0]
    assert_same_arrays(tmp_path / "run", tmp_path / "whole", 3)

    alone = tmp_path / "alone"
    recipe = cli.replace(cli.RECIPES["smoke"], hidden_size=3, batch_size=2)
    run(recipe, cli.DEFAULT_SEED, alone, replicates=3, console=quiet())
    ours, expected = read_losses(tmp_path / "run"), read_losses(alone)
    assert ours[0] == expected[0] == [4112, 4113, 4114]
    np.testing.assert_allclose(ours[1], expected[1], rtol=1e-4)


def test_two_processes_refuse_alike(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    for code, output, errors in finish(start_processes(tmp_path / "run")):
        assert (code, output) == (2, "")
        assert errors.startswith("error: ") and "is not empty and holds no run" in errors
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]


def test_each_replicate_is_evaluated(tmp_path, monkeypatch, capsys):
    run(TINY, 7, tmp_path / "tiny", replicates=2, console=quiet())
    monkeypatch.setattr(sys, "argv", ["sinlstm", str(tmp_path / "tiny"), "--horizon", "400"])
    cli.evaluate_main()
    output = capsys.readouterr().out
    for name in ("tiny-7", "tiny-8"):
        assert len(re.findall(f"^{name} ", output, re.MULTILINE)) == 4
    for seed in ("7", "8"):
        assert (tmp_path / "tiny" / "evaluation" / seed / "errors.csv").exists()
