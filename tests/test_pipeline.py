"""Every kind of signal through all there is: trained, killed, resumed, evaluated, forecast, ..."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import own_signals
import pytest
from processes import ROOT, finish, start_processes
from tiny import QUIET, assert_same_run

from sinlstm_jax import InputError, load_model, rollout, run
from sinlstm_jax.commands.main import main
from sinlstm_jax.runs.signals import load_signal, trained_on

KINDS = sorted(own_signals.RECIPES)


def options(kind):
    return ["--recipe", f"own_signals:{kind}", "--checkpoint-every", "10"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_goes_through_all_there_is(kind, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(ROOT / "tests")
    recipe, out = own_signals.RECIPES[kind], tmp_path / "run"
    on_two_devices(kind, tmp_path / "whole")

    killed = start_processes(out, options(kind))
    for line in killed[0].stdout:
        if "step     20" in line:
            for process in killed:
                process.send_signal(signal.SIGKILL)
    finish(killed)
    first, second = finish(start_processes(out, options(kind)))
    assert first[::2] == (0, "") and second == (0, "", "")
    assert "Resuming the run" in first[1]
    assert_same_run(out, tmp_path / "whole")

    description = json.loads((out / "run.json").read_text())
    assert description["signal"] == recipe.signal.describe()
    assert description["observation"] == recipe.observation.describe()
    of_ours = kind != "sawtooth"
    own = None if of_ours else recipe.signal
    assert load_signal(out, own).describe() == recipe.signal.describe()

    given = [] if of_ours else options(kind)[:2]
    main(["evaluate", str(out), "--horizon", "400", *given])
    assert f"run-{description['seed']}" in capsys.readouterr().out
    assert (out / "evaluation" / str(description["seed"]) / "errors.csv").exists()
    main(["playground", str(out), "--replicate", "1", *given])
    assert (out / "playground.html").stat().st_size > 20_000
    if recipe.network == "SineLSTM":
        main(["export", str(out), str(tmp_path / "exported"), "--replicate", "1"])
        exported = json.loads((tmp_path / "exported" / "signatures.json").read_text())
        assert exported["sampling_rate"] == recipe.signal.sampling_rate
    forecasts_in_its_units(kind, out, tmp_path)
    if not of_ours:
        with pytest.raises(SystemExit):
            main(["evaluate", str(out), "--horizon", "400"])
        assert "give --recipe MODULE:NAME" in capsys.readouterr().err


def on_two_devices(kind, out):
    """Train three replicates in one process on two virtual devices."""
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", ROOT / "scripts" / "curriculum.py"),
            *(*options(kind), "--replicates", "3", "--out", out),
        ],
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 x cpu" in done.stdout


def forecasts_in_its_units(kind, out, folder):
    """`sinlstm forecast` follows the run's rate and its scaling."""
    signal = own_signals.RECIPES[kind].signal
    mean, scale = trained_on(out, load_model(out, 2)).scaling
    rate, past = signal.sampling_rate, own_signals.RECIPES[kind].past
    assert (mean, scale) == signal.scaling
    samples = mean + 0.5 * scale * np.sin(0.3 * np.arange(past))
    lines = [f"{step / rate},{value}" for step, value in enumerate(samples)]
    (folder / "s.csv").write_text("\n".join(["time,v", *lines]))
    main(
        [
            *("forecast", str(folder / "s.csv"), "--model", str(out), "--replicate", "2"),
            *("--steps", "30", "--out", str(folder / "f.csv"), "--picture", str(folder / "f.png")),
        ]
    )
    _, times, values, *band = np.loadtxt(folder / "f.csv", delimiter=",", skiprows=1).T
    if own_signals.RECIPES[kind].network == "SensorLSTM":
        low, high = band
        assert (low < values).all() and (values < high).all()
    np.testing.assert_allclose(times, (past + np.arange(30)) / rate, atol=1e-6)
    scaled = ((samples - mean) / scale)[:, None]
    expected = rollout(load_model(out, 2), scaled, 30)[past:, 0, 0]
    np.testing.assert_allclose(values, mean + scale * np.float64(expected), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_folder_of_another_signal_is_refused(tmp_path, no_pictures):
    recipe = own_signals.RECIPES["tones"]
    run(recipe, 1, tmp_path / "run", console=QUIET)
    other = replace(recipe, signal=own_signals.Sawtooth())
    with pytest.raises(
        InputError, match=r"a run with signal Tones\(.*\), not Sawtooth\(.*highest 4"
    ):
        run(other, 1, tmp_path / "run", console=QUIET)
