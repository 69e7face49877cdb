"""`sinlstm train`."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from sinlstm_jax import load_model
from sinlstm_jax.model import split_model
from sinlstm_jax.rollout import rollout, rollout_with_spread

STEP = np.arange(400)
VALUES = 1013 + 4 * np.sin(2 * np.pi * STEP / 12) + 0.2 * np.random.default_rng(0).normal(size=400)
QUICK = ("--effort", 0.2, "--replicates", 2)


@pytest.fixture
def log(tmp_path):
    """Write a file of a wave of 12 steps, an hour each."""
    lines = [f"{3600 * i},{x:.3f}" for i, x in enumerate(VALUES) if not 50 <= i < 60]
    (tmp_path / "log.csv").write_text("seconds,pressure\n" + "\n".join(lines))
    return tmp_path / "log.csv"


def weights(folder):
    return split_model(load_model(folder))[1]


@pytest.mark.slow
def test_a_file_is_learnt_and_continued_in_its_units(command, log, tmp_path):
    code, output, errors = command("train", "log.csv", *QUICK)
    assert (code, errors) == (0, "")
    assert "48 steps observed, 20 windows an iteration, 24 forecast at last" in output
    out = tmp_path / "runs" / "log-4112"
    held_out = {p.name for p in (out / "evaluation" / "log").iterdir()}
    assert held_out == {"errors.csv", "errors.png", "forecasts.png"}
    told = json.loads((out / "run.json").read_text())
    assert told["signal"]["lengths"] == "400" and told["signal"]["held_out"] == 0.2
    code, output, errors = command("forecast", "log.csv", "--model", out, "--steps", 24)
    assert code == 0 and "warning" not in errors
    rows = np.array([line.split(",") for line in output.splitlines()[1:]], float)
    np.testing.assert_allclose(rows[:, 1], 3600 * np.arange(400, 424))
    truth = 1013 + 4 * np.sin(2 * np.pi * np.arange(400, 424) / 12)
    assert np.sqrt(np.mean((rows[:, 2] - truth) ** 2)) < 0.8
    code, output, _ = command("train", "log.csv", *QUICK)  # it is complete
    assert code == 0 and "iterations, learning rate" not in output and "last value" in output


def geometric_mean_of_part(part, networks, past):
    """Return the geometric mean of what networks' spreads are of one part, the other left out."""
    logs = []
    for network in networks:
        alone = nnx.clone(network)
        alone.output.bias[...] = alone.output.bias[...].at[3 - part].add(-30.0)
        logs.append(np.log(np.asarray(rollout_with_spread(alone, past, 24)[1], np.float64)))
    return np.exp(np.mean(logs, axis=0))


@pytest.mark.slow
def test_what_it_leaves_is_the_mean_of_its_networks_with_bands_that_hold_earlier_samples(
    command, log, tmp_path
):
    code, output, _ = command("train", "log.csv", *QUICK)
    assert code == 0
    assert output.index("a period of 12 steps (12 h)") < output.index("stage 1")  # before it trains
    run = tmp_path / "runs/log-4112"
    networks = [load_model(run, replicate=k) for k in (0, 1)]
    past = VALUES[-48:, None].astype(np.float32)
    each = [np.asarray(rollout(network, past, 24), np.float64) for network in networks]
    value, spread = rollout_with_spread(load_model(run), past, 24)
    np.testing.assert_allclose(value, np.mean(each, axis=0), rtol=1e-6)
    learnt = np.hypot(*(geometric_mean_of_part(part, networks, past) for part in (1, 2)))
    wider = np.asarray(spread) / learnt
    told = float(re.search(r"they are ([\d.]+) times as wide", output)[1])
    np.testing.assert_allclose(wider, told, rtol=0.01)


@pytest.mark.slow
def test_quiet_trains_as_ever_and_prints_nothing(command, tmp_path):
    lines = [f"{x:.3f}" for x in VALUES[:60]]
    (tmp_path / "short.csv").write_text("pressure\n" + "\n".join(lines))
    options = ("--past", 36, "--horizon", 6, "--replicates", 1, "--effort", 0.01, "--quiet")
    assert command("train", "short.csv", *options) == (0, "", "")
    assert load_model(tmp_path / "runs/short-4112").hidden_size == 12


def test_a_file_that_is_too_short_to_look_back_is_learnt_all_the_same(command, tmp_path):
    lines = [f"{x:.3f}" for x in VALUES[:60]]
    (tmp_path / "short.csv").write_text("pressure\n" + "\n".join(lines))
    options = ("--past", 33, "--horizon", 6, "--replicates", 1, "--effort", 0.01)
    told = ("--held-out", 0.25, "--seed", 7, "--hidden-size", 3, "--out", "mine")
    code, output, errors = command("train", "short.csv", *options, *told)
    assert (code, errors) == (0, "")
    assert "too short to look back, or says nothing: bands are as they were learnt" in output
    assert not (tmp_path / "mine" / "backtest").exists()
    record = json.loads((tmp_path / "mine" / "run.json").read_text())
    assert (record["seed"], record["signal"]["held_out"]) == (7, 0.25)
    assert (record["past"], record["hidden_size"], record["replicates"]) == (33, 3, 1)


@pytest.mark.slow
@pytest.mark.processes
def test_killed_and_resumed_it_comes_to_the_same_weights(log, tmp_path):
    sinlstm = str(Path(sys.executable).with_name("sinlstm"))
    arguments = [sinlstm, "train", "log.csv", *map(str, QUICK), "--checkpoint-every", "50"]
    quiet = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    subprocess.run([*arguments, "--out", "whole"], check=True, **quiet)
    with subprocess.Popen([*arguments, "--out", "parts"], **quiet) as process:
        checkpoints = tmp_path / "parts" / "checkpoints"
        while process.poll() is None and not list(checkpoints.glob("[0-9]*")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    subprocess.run([*arguments, "--out", "parts"], check=True, **quiet)
    for part in ("cell", "output"):
        one, other = weights(tmp_path / "whole")[part], weights(tmp_path / "parts")[part]
        for name in one:
            np.testing.assert_array_equal(one[name][...], other[name][...])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--held-out", 0), "--held-out is 0.0: give a share between 0 and 1"),
        (("--past", 0), "--past is 0: give a whole number of at least 1"),
        (("--effort", 0), "--effort is 0.0: give a finite number above 0"),
        (("--hidden-size", 5000), "--hidden-size is 5000: give at most 4096"),
        (("--hidden-size", 2000), "--hidden-size times --replicates is 8000: give at most 4096"),
        (("--column", "wind"), "--column is 'wind': give one of seconds, pressure"),
        (("--column", "presure"), "one of seconds, pressure; did you mean pressure?"),
        (("--past", 310), "320 steps are trained on, and a window has 310 observed"),
        (("--resample", -1), "resample is -1.0: give a finite number above 0"),
    ],
)
def test_bad_input_is_named_before_anything_is_made(command, log, tmp_path, options, complaint):
    code, output, errors = command("train", "log.csv", *options)
    assert (code, output) == (2, "")
    assert errors.startswith("error: ") and complaint in errors and errors.count("\n") == 1
    assert not (tmp_path / "runs").exists()
