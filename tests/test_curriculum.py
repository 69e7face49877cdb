import csv
import io
import json
import re
import shutil
from dataclasses import replace

import jax
import numpy as np
import pytest
import reference_lstm
from flax import nnx
from rich.console import Console
from tiny import tiny_recipe

from sinlstm_jax import (
    NO_INPUT,
    InputError,
    SineLSTM,
    Stage,
    held_out_waves,
    load_model,
    rollout_errors,
    run,
    sample_batch,
)
from sinlstm_jax.model import split_model
from sinlstm_jax.runs.checkpoints import Checkpoints
from sinlstm_jax.runs.pictures import picture_waves
from sinlstm_jax.runs.replicates import run_keys, run_seeds

TINY = tiny_recipe()
PICTURES = {
    "long-term.png",
    *(
        f"stage-{number}-horizon-{horizon}-{kind}.png"
        for number, horizon in ((1, 3), (2, 5))
        for kind in ("loss", "windowed", "stepwise")
    ),
}


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


def quiet():
    return Console(quiet=True)


def weights(path):
    return split_model(load_model(path))[1:]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", True])
def test_bad_seeds_are_named(tmp_path, seed):
    with pytest.raises(InputError, match=f"^seed is {seed!r}"):
        run(TINY, seed, tmp_path / "run", console=quiet())
    assert not (tmp_path / "run").exists()


def test_seeds_may_be_any_whole_numbers():
    assert run_seeds(np.int64(3), np.int8(2)) == [3, 4]
    assert {type(seed) for seed in run_seeds(np.uint32(3), 2)} == {int}


def test_seeds_decide_weights_and_data_apart():
    keys = [jax.random.key_data(key) for seed in (0, 1, 2**32 - 1) for key in run_keys(seed)]
    assert len({key.tobytes() for key in map(np.asarray, keys)}) == 6


def test_a_run_leaves_all_it_promises(tmp_path):
    out = tmp_path / "run"
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=120)
    description = run(TINY, 7, out, console=terminal)
    shown = terminal.file.getvalue()
    for text in (
        "stage 1: horizon 3, 20 iterations",
        "stage 2: horizon 5",
        "step     10  loss",
        "done     20  loss",
    ):
        assert text in shown
    assert re.search(r"stage 2/2 .*\d it/s, left: stage \d+:\d\d, run \d+:\d\d", shown)
    assert {path.name for path in out.glob("*.png")} == PICTURES
    assert {path.name for path in out.iterdir()} == PICTURES | {
        "run.json",
        "metrics.csv",
        "checkpoints",
    }
    assert json.loads((out / "run.json").read_text()) == description
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["stage"]), int(row["iteration"])) for row in rows] == [
        *((1, i) for i in range(20)),
        *((2, i) for i in range(30)),
    ]
    for number, figures in enumerate(description["figures"], 1):
        losses = [float(row["loss"]) for row in rows if int(row["stage"]) == number]
        (replicate,) = figures["replicates"]
        assert (replicate["seed"], replicate["failed_at"]) == (7, None)
        assert replicate["final_loss"] == pytest.approx(losses[-1])
        assert replicate["average_loss"] == pytest.approx(np.mean(losses[-10:]))
        assert figures["averaged_over"] == 10
        weights(out / figures["checkpoint"])
        items = {path.name for path in (out / figures["checkpoint"]).iterdir()}
        assert items >= {"model", "state", "meta"}
        with Checkpoints(out / "checkpoints", create=False) as checkpoints:
            meta = checkpoints.meta(int(figures["checkpoint"].split("/")[1]))
        assert meta["stage"] == number
        assert meta["iteration"] == figures["iterations"]
        for name in ("recipe", "seed", "replicates", "seeds", "hidden_size", "versions"):
            assert meta[name] == description[name]
        horizon = TINY.stages[number - 1].horizon
        intervals = [(0, horizon), (0, 400), (400, 900), (900, 1500)]
        model = load_model(out / figures["checkpoint"])
        errors = rollout_errors(model, *held_out_waves(64), intervals, TINY.past)
        assert list(replicate["rollout_errors"]) == ["horizon", "0-400", "400-900", "900-1500"]
        assert list(replicate["rollout_errors"].values()) == errors.mean(axis=1).tolist()
    jax.tree.map(np.testing.assert_array_equal, weights(out), weights(out / "checkpoints" / "50"))
    first = jax.tree.leaves(weights(out / "checkpoints" / "20"))
    assert any(
        not np.array_equal(a, b) for a, b in zip(first, jax.tree.leaves(weights(out)), strict=True)
    )


@pytest.mark.parametrize("stop_at", ["step      0", "step     10", "stage 2", "step     20"])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path, stop_at):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    description = run(TINY, 7, whole, console=quiet())
    with pytest.raises(Stopped):
        run(TINY, 7, parts, checkpoint_every=7, console=StoppingConsole(stop_at))
    resumed = run(TINY, 7, parts, checkpoint_every=9, console=quiet())
    for figures, expected in zip(resumed["figures"], description["figures"], strict=True):
        assert figures["replicates"] == expected["replicates"]
    jax.tree.map(np.testing.assert_array_equal, weights(parts), weights(whole))
    assert (parts / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert {path.name for path in parts.glob("*.png")} == PICTURES


def test_each_stage_goes_on_from_the_weights_before_with_a_fresh_adam(tmp_path):
    """The first two losses of every stage, by a float64 LSTM and one step of Adam by hand."""
    stages = (Stage(3, 2, 0.01, 0.02), Stage(5, 2, 0.03, 0.1))
    recipe = tiny_recipe(*stages, hidden_size=2)
    out = tmp_path / "run"
    run(recipe, 7, out, console=quiet())
    losses = np.loadtxt(out / "metrics.csv", delimiter=",", skiprows=1)
    weights_key, data_key = run_keys(7)
    before = split_model(SineLSTM(2, rngs=nnx.Rngs(weights_key)))[1:]
    for number, (stage, end) in enumerate(zip(stages, recipe.ends, strict=True), 1):
        key = jax.random.fold_in(data_key, number)
        first, second = (
            sample_batch(jax.random.fold_in(key, i), 2, 5, stage.horizon) for i in range(2)
        )
        reference = reference_lstm.arrays(*before)
        moved = reference_lstm.first_adam_step(reference, first, stage.learning_rate, stage.epsilon)
        expected = [
            reference_lstm.loss(reference, *first),
            reference_lstm.loss(moved, *second),
        ]
        np.testing.assert_allclose(losses[losses[:, 0] == number, 2], expected, rtol=1e-6)
        before = weights(out / "checkpoints" / str(end))


def test_a_complete_run_only_draws_its_pictures_again(tmp_path, capsys):
    out = tmp_path / "run"
    description = run(TINY, 7, out, console=quiet())
    kept = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for picture in PICTURES:
        (out / picture).unlink()
    assert run(TINY, 7, out) == description
    assert "is complete: drawing its pictures again" in capsys.readouterr().out.replace("\n", " ")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept


def test_a_run_tells_what_it_was_computed_with_and_not_what_draws_it_again(tmp_path):
    out = tmp_path / "run"
    now = run(TINY, 7, out, implementation="fused", console=quiet())
    then = {"device": "abacus", "implementation": "fused", "versions": {"jax": "0.1"}}
    (out / "run.json").write_text(json.dumps(now | then))
    redrawn = run(TINY, 7, out, implementation="scan", console=quiet())
    assert {name: redrawn[name] for name in then} == then
    assert json.loads((out / "run.json").read_text()) == redrawn
    shutil.rmtree(out / "checkpoints" / "50")
    trained = run(TINY, 7, out, implementation="scan", console=quiet())
    assert {name: trained[name] for name in then} == {
        **{name: now[name] for name in then},
        "implementation": "scan",
    }


def test_seeds_lead_to_other_weights(tmp_path):
    run(TINY, 1, tmp_path / "1", console=quiet())
    run(TINY, 2, tmp_path / "2", console=quiet())
    assert not np.array_equal(
        *(load_model(tmp_path / name).output.kernel[...] for name in ("1", "2"))
    )


def test_pictures_are_of_each_stages_model_and_the_seeds_waves(tmp_path, monkeypatch):
    drawn = {}

    def note(path, forecasts, past, title):
        drawn[path.name] = forecasts
        path.touch()

    monkeypatch.setattr("sinlstm_jax.runs.pictures.plot_forecasts", note)
    out = tmp_path / "run"
    run(TINY, 9, out, console=quiet())
    for name, step, steps in (
        ("stage-1-horizon-3-stepwise.png", 20, 600),
        ("stage-2-horizon-5-stepwise.png", 50, 600),
        ("long-term.png", 50, 1500),
    ):
        waves = picture_waves(TINY.past, steps, seed=9)
        inputs = np.full((TINY.past + steps, 3), NO_INPUT)
        inputs[: TINY.past] = waves[: TINY.past]
        reference = reference_lstm.arrays(*weights(out / "checkpoints" / str(step)))
        predictions = reference_lstm.forward(reference, inputs[:, :, None])[:, :, 0]
        for i, forecast in enumerate(drawn[name]):
            np.testing.assert_array_equal(forecast.truth, waves[:, i])
            np.testing.assert_allclose(forecast.prediction, predictions[:, i], atol=1e-5)


def test_a_lost_stage_is_named(tmp_path):
    run(TINY, 7, tmp_path / "run", checkpoint_every=5, console=quiet())
    checkpoints = tmp_path / "run" / "checkpoints"
    (checkpoints / "20").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="checkpoint of stage 1, step 20, is gone"):
        run(TINY, 7, tmp_path / "run", console=quiet())


@pytest.mark.slow
def test_a_stage_that_went_wrong_is_undone(tmp_path):
    wrong = replace(TINY, stages=(TINY.stages[0], replace(TINY.stages[1], undo_above=1e-9)))
    description = run(wrong, 3, tmp_path / "wrong", replicates=2, checkpoint_every=10)
    assert [each["undone"] for each in description["figures"][0]["replicates"]] == [False, False]
    assert [each["undone"] for each in description["figures"][1]["replicates"]] == [True, True]
    for replicate in (0, 1):
        before = split_model(load_model(tmp_path / "wrong" / "checkpoints" / "20", replicate))[1]
        middle = split_model(load_model(tmp_path / "wrong" / "checkpoints" / "40", replicate))[1]
        after = split_model(load_model(tmp_path / "wrong", replicate))[1]
        jax.tree.map(np.testing.assert_array_equal, after, before)
        assert not np.array_equal(middle["cell"]["hidden_kernel"], after["cell"]["hidden_kernel"])
    # Stopped in mid-stage, it knows from the checkpoint before what to go back to.
    shutil.rmtree(tmp_path / "wrong" / "checkpoints" / "50")
    run(wrong, 3, tmp_path / "wrong", replicates=2)
    jax.tree.map(
        np.testing.assert_array_equal, split_model(load_model(tmp_path / "wrong", 1))[1], after
    )

    kept = replace(TINY, stages=(TINY.stages[0], replace(TINY.stages[1], undo_above=1e9)))
    run(kept, 3, tmp_path / "kept")
    run(TINY, 3, tmp_path / "plain")
    jax.tree.map(
        np.testing.assert_array_equal, weights(tmp_path / "kept"), weights(tmp_path / "plain")
    )
