import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
import safetensors.numpy
from flax import nnx

from sinlstm_jax import NO_INPUT, InputError, SineLSTM, load_pretrained, params_to_torch
from sinlstm_jax.files import new_folder
from sinlstm_jax.formats.export import export
from sinlstm_jax.model import split_model

# Runs a script where only jax, and what it needs, can be imported.
WITHOUT_PACKAGES = """
import runpy, sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {
            "sinlstm_jax", "flax", "optax", "orbax", "safetensors", "matplotlib", "tyro", "rich",
        }:
            raise ImportError(f"{name} is not to be had here")
sys.meta_path.insert(0, Nothing())
runpy.run_path(sys.argv[1], run_name="__main__")
"""


@pytest.fixture(scope="module")
def model(implementation):
    return SineLSTM(6, rngs=nnx.Rngs(3), implementation=implementation)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "exported"
    export(model, folder)
    return folder


def loaded(folder, name):
    return jax.export.deserialize(bytearray((folder / f"{name}.bin").read_bytes()))


def expected(model, hidden, cell, inputs):
    """Return (hidden, cell, predictions) of the float64 LSTM, after every step."""
    reference = reference_lstm.arrays(*split_model(model)[1:])
    hidden, cell = reference_lstm.states(reference, inputs[:, :, None], hidden, cell)
    return hidden, cell, (hidden @ reference["w_out"] + reference["b_out"])[:, :, 0]


@pytest.mark.parametrize(("time", "batch"), [(1, 1), (1, 4), (2, 1), (30, 3), (301, 2)])
def test_both_are_a_float64_lstm_at_any_batch_and_time(model, exported, time, batch):
    rng = np.random.default_rng(0)
    hidden, cell = rng.uniform(-0.5, 0.5, (2, batch, 6)).astype(np.float32)
    inputs = rng.normal(size=(time, batch)).astype(np.float32)
    inputs[time // 2 :] = NO_INPUT
    want = expected(model, hidden, cell, inputs)
    got = loaded(exported, "rollout").call(hidden, cell, inputs)
    for ours, theirs in zip(got, (want[0][-1], want[1][-1], want[2]), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    got = loaded(exported, "step").call(hidden, cell, inputs[0])
    for ours, theirs in zip(got, want, strict=True):
        np.testing.assert_allclose(ours, theirs[0], atol=1e-6)


@pytest.mark.parametrize("name", ["rollout", "step"])
def test_they_are_for_all_platforms_and_call_no_kernel(exported, name):
    function = loaded(exported, name)
    assert function.platforms == ("cpu", "cuda", "tpu")
    # Neither the kernel, nor where on this disk the program was made.
    assert "sinlstm" not in function.mlir_module()
    assert b"sinlstm" not in (exported / f"{name}.bin").read_bytes()


def test_signatures_and_weights_are_those_of_the_model(model, exported):
    signatures = json.loads((exported / "signatures.json").read_text())
    for name, described in signatures["functions"].items():
        function = loaded(exported, name)
        assert described["file"] == f"{name}.bin"
        for avals, entries in (
            (function.in_avals, described["arguments"]),
            (function.out_avals, described["results"]),
        ):
            assert [str(list(a.shape)).replace("'", "") for a in avals] == [
                str(e["shape"]).replace("'", "") for e in entries
            ]
            assert [e["dtype"] for e in entries] == ["float32"] * 3
    assert [e["name"] for e in described["arguments"]] == ["hidden", "cell", "inputs"]
    assert signatures["hidden_size"] == 6 and signatures["no_input"] == NO_INPUT
    assert (signatures["past"], signatures["sampling_rate"]) == (100, 100)
    weights = safetensors.numpy.load_file(exported / "weights.safetensors")
    assert {e["name"] for e in signatures["weights"]["entries"]} == set(weights)
    jax.tree.map(np.testing.assert_array_equal, weights, params_to_torch(model))


def assert_example_is_right(output):
    wave = np.sin(2 * np.pi * 1.7 * np.arange(100) / 100)
    inputs = np.concatenate([wave, np.full(401, NO_INPUT)])[:, None]
    zeros = np.zeros((1, 15))
    want = expected(load_pretrained("curriculum"), zeros, zeros, inputs)[2][100:, 0]
    np.testing.assert_allclose(np.array(output.split(), float), want, atol=3e-4)


def test_the_example_runs_without_this_package_or_flax(tmp_path):
    export(load_pretrained("curriculum"), tmp_path / "out")
    command = [sys.executable, "-W", "error", "-c", WITHOUT_PACKAGES]
    output = subprocess.run(
        [*command, tmp_path / "out" / "example.py"], check=True, text=True, stdout=subprocess.PIPE
    ).stdout
    assert_example_is_right(output)
    (tmp_path / "forbidden.py").write_text("import flax")
    assert subprocess.run(
        [*command, tmp_path / "forbidden.py"], stderr=subprocess.DEVNULL
    ).returncode  # what forbids imports does forbid them


@pytest.mark.slow
def test_the_example_runs_with_jax_and_flatbuffers_alone(tmp_path):
    export(load_pretrained("curriculum"), tmp_path / "out")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "jax", "flatbuffers"]
    subprocess.run(install, check=True)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    missing = [python, "-c", "import flax"]
    assert subprocess.run(missing, stderr=subprocess.DEVNULL, env=environment).returncode
    example = [python, tmp_path / "out" / "example.py"]
    run = subprocess.run(example, check=True, text=True, stdout=subprocess.PIPE, env=environment)
    assert_example_is_right(run.stdout)


def test_float64_models_are_exported_in_float64(tmp_path):
    with jax.enable_x64(True):
        model = jax.tree.map(lambda x: x.astype(jnp.float64), SineLSTM(3))
        export(model, tmp_path / "out")
        inputs = np.random.default_rng(0).normal(size=(50, 2))
        zeros = np.zeros((2, 3))
        predictions = loaded(tmp_path / "out", "rollout").call(zeros, zeros, inputs)[2]
        want = expected(model, zeros, zeros, inputs)[2]
        np.testing.assert_allclose(predictions, want, atol=1e-13)


def test_nothing_is_overwritten_or_left_half_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(InputError, match="file exists: give a name that does not"):
        export(SineLSTM(2), tmp_path / "file")
    with pytest.raises(InputError, match="cannot be written"):
        export(SineLSTM(2), tmp_path / "file" / "out")

    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        export(SineLSTM(2), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "new") as temporary:
        (temporary / "file").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "new") as temporary:
        (temporary / "file").write_text("whole")
        assert not (tmp_path / "new").exists()
    assert (tmp_path / "new" / "file").read_text() == "whole"
    with pytest.raises(OSError, match="not empty"), new_folder(tmp_path / "new"):
        pass
    assert (tmp_path / "new" / "file").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
