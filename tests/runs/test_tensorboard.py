"""Losses for TensorBoard, held against metrics.csv."""

import signal
import sys

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c
from tiny import QUIET, at_look, tiny_recipe

from sinlstm_jax import InputError, Stage, run
from sinlstm_jax.errors import Interrupted
from sinlstm_jax.runs import stage

RECIPE = tiny_recipe(Stage(3, 25), Stage(5, 30), display_every=10)


@pytest.fixture(autouse=True)
def known_chunks(no_pictures, monkeypatch):
    """Chunks of 1, 2, 4, ... iterations, however long they take here."""
    monkeypatch.setattr(stage, "LOOK_EVERY", 1e9)


def curves(out):
    """Return the (step, loss) of each curve in a run's folder."""
    found = {}
    for path in sorted((out / "tensorboard").iterdir()):
        data = path.read_bytes()
        while data:  # length, its checksum, an event, its checksum
            size = int.from_bytes(data[:8], "little")
            body = data[12 : 12 + size]
            assert int.from_bytes(data[12 + size : 16 + size], "little") == masked_crc32c(body)
            for value in Event.FromString(body).summary.value:
                step = Event.FromString(body).step
                found.setdefault(value.tag, []).append((step, value.simple_value))
            data = data[16 + size :]
    return found


def expected(out, seeds):
    """Return the same from metrics.csv: averages of 10, of 5 at the end of the first stage."""
    rows = np.loadtxt(out / "metrics.csv", delimiter=",", skiprows=1)
    ends = [10, 20, 25, 35, 45, 55]
    means = [rows[a:b, 2:].mean(axis=0) for a, b in zip([0, *ends], ends, strict=False)]
    return {
        f"loss/seed_{seed}": [(end, mean[k]) for end, mean in zip(ends, means, strict=True)]
        for k, seed in enumerate(seeds)
    }


def assert_same_curves(found, wanted):
    assert found.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6)


def test_each_replicate_is_a_curve_of_averages(tmp_path):
    run(RECIPE, 7, tmp_path / "run", replicates=2, tensorboard=True, console=QUIET)
    assert_same_curves(curves(tmp_path / "run"), expected(tmp_path / "run", (7, 8)))


@pytest.mark.parametrize("first", [True, False])
def test_a_resumed_run_goes_on_without_doubling(tmp_path, first):
    out, options = tmp_path / "run", {"checkpoint_every": 4, "console": QUIET}
    with pytest.raises(Interrupted):
        stop = at_look(11, lambda: signal.SIGTERM)
        run(RECIPE, 7, out, tensorboard=first, stop_signal=stop, **options)
    assert (out / "tensorboard").exists() == first
    for _ in range(2):  # the second time it is complete
        run(RECIPE, 7, out, tensorboard=True, **options)
        assert_same_curves(curves(out), expected(out, (7,)))


def test_without_tensorboardx_it_is_named_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(InputError, match=r"pip install 'sinlstm-jax\[tensorboard\]', or leave it"):
        run(RECIPE, 7, tmp_path / "run", tensorboard=True, console=QUIET)
    assert not (tmp_path / "run").exists()
