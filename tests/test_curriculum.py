import io
import json
import re
import shutil
from dataclasses import replace
from unittest.mock import Mock

import jax
import numpy as np
import pytest
import reference_lstm
from flax import nnx
from rich.console import Console
from tiny import QUIET, tiny_recipe, weights

from sinlstm_jax import (
    InputError,
    Observation,
    Recipe,
    Recording,
    SineLSTM,
    Stage,
    curriculum,
    held_out_waves,
    init_state,
    load_model,
    rollout_errors,
    run,
    sample_batch,
    save_model,
    train_chunk,
)
from sinlstm_jax.errors import Diverged
from sinlstm_jax.files import read_json
from sinlstm_jax.model import split_model
from sinlstm_jax.runs.replicates import fresh_models, run_keys, run_seeds

TINY = tiny_recipe()
PICTURES = {
    "long-term.png",
    *(
        f"stage-{number}-horizon-{horizon}-{kind}.png"
        for number, horizon in ((1, 3), (2, 5))
        for kind in ("loss", "windowed", "stepwise")
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run on a terminal: (its folder, its record, what it printed)."""
    out = tmp_path_factory.mktemp("whole") / "run"
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=120)
    return out, run(TINY, 7, out, console=terminal), terminal.file.getvalue()


@pytest.fixture
def again(whole, tmp_path):
    """A copy of that run: (its folder, its record)."""
    out, description, _ = whole
    return shutil.copytree(out, tmp_path / "run"), description


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", True])
def test_bad_seeds_are_named(tmp_path, seed):
    with pytest.raises(InputError, match=f"^seed is {seed!r}"):
        run(TINY, seed, tmp_path / "run", console=QUIET)
    assert not (tmp_path / "run").exists()


def test_seeds_may_be_any_whole_numbers():
    assert run_seeds(np.int64(3), np.int8(2)) == [3, 4]
    assert {type(seed) for seed in run_seeds(np.uint32(3), 2)} == {int}


def test_seeds_decide_weights_and_data_apart():
    keys = [jax.random.key_data(key) for seed in (0, 1, 2**32 - 1) for key in run_keys(seed)]
    assert len({key.tobytes() for key in map(np.asarray, keys)}) == 6


def test_a_run_leaves_all_it_promises(whole):
    out, description, shown = whole
    for text in (
        "stage 1: horizon 3, 20 iterations",
        "stage 2: horizon 5",
        "step     10  loss",
        "done     20  loss",
    ):
        assert text in shown
    assert re.search(r"stage 2/2 .*\d it/s, left: stage \d+:\d\d, run \d+:\d\d", shown)
    files = PICTURES | {"run.json", "metrics.csv", "checkpoints"}
    assert {path.name for path in out.iterdir()} == files
    assert read_json(out / "run.json") == description
    rows = np.loadtxt(out / "metrics.csv", delimiter=",", skiprows=1)
    assert rows[:, :2].tolist() == [[1, i] for i in range(20)] + [[2, i] for i in range(30)]
    for number, (stage, figures) in enumerate(
        zip(TINY.stages, description["figures"], strict=True), 1
    ):
        losses = rows[rows[:, 0] == number, 2]
        (replicate,) = figures["replicates"]
        assert (replicate["seed"], replicate["failed_at"]) == (7, None)
        assert replicate["final_loss"] == pytest.approx(losses[-1])
        assert replicate["average_loss"] == pytest.approx(np.mean(losses[-10:]))
        assert figures["averaged_over"] == 10
        checkpoint = out / figures["checkpoint"]
        assert {path.name for path in checkpoint.iterdir()} >= {"model", "state", "meta"}
        meta = read_json(checkpoint / "meta" / "metadata")
        assert (meta["stage"], meta["iteration"]) == (number, figures["iterations"])
        for name in ("recipe", "seed", "replicates", "seeds", "hidden_size", "versions"):
            assert meta[name] == description[name]
        intervals = {"horizon": (0, stage.horizon), "0-400": (0, 400)}
        intervals |= {"400-900": (400, 900), "900-1500": (900, 1500)}
        waves = held_out_waves(64)
        errors = rollout_errors(load_model(checkpoint), *waves, list(intervals.values()), TINY.past)
        expected = zip(intervals, errors.mean(axis=1).tolist(), strict=True)
        assert list(replicate["rollout_errors"].items()) == list(expected)


def test_each_stage_goes_on_from_the_weights_before_with_a_fresh_adam(tmp_path, no_pictures):
    """The first two losses of every stage, by a float64 LSTM and one step of Adam by hand."""
    stages = (Stage(3, 2, 0.01, 0.02), Stage(5, 2, 0.03, 0.1))
    recipe = tiny_recipe(*stages, hidden_size=2)
    out = tmp_path / "run"
    run(recipe, 7, out, console=QUIET)
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
        expected = [reference_lstm.loss(reference, *first), reference_lstm.loss(moved, *second)]
        np.testing.assert_allclose(losses[losses[:, 0] == number, 2], expected, rtol=1e-6)
        (before,) = weights(out / "checkpoints" / str(end))


def test_a_stage_of_another_past_trains_on_the_windows_of_that_past(tmp_path, no_pictures):
    def losses(name, **settings):
        stage = replace(TINY.stages[0], past=settings.pop("of_stage", None))
        recipe = replace(TINY, stages=(stage,), **settings)
        run(recipe, 7, tmp_path / name, console=QUIET)
        return (tmp_path / name / "metrics.csv").read_text()

    short = losses("short", past=4)
    assert losses("of the stage", past=9, of_stage=4) == short != losses("long", past=9)
    varied = {"past": 9, "observation": Observation(shortest_past=2)}
    assert losses("all of it", of_stage=4, **varied) == short


def test_a_complete_run_only_draws_its_pictures_again(again, capsys):
    out, description = again
    kept = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for picture in PICTURES:
        (out / picture).unlink()
    assert run(TINY, 7, out) == description
    assert "is complete: drawing its pictures again" in capsys.readouterr().out.replace("\n", " ")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept


def test_a_run_tells_what_it_was_computed_with_and_not_what_draws_it_again(again, no_pictures):
    out, now = again
    then = {"device": "abacus", "implementation": "fused", "versions": {"jax": "0.1"}}
    (out / "run.json").write_text(json.dumps(now | then))
    redrawn = run(TINY, 7, out, implementation="scan", console=QUIET)
    assert {name: redrawn[name] for name in then} == then
    assert read_json(out / "run.json") == redrawn
    shutil.rmtree(out / "checkpoints" / "50")
    trained = run(TINY, 7, out, implementation="scan", console=QUIET)
    here = {name: now[name] for name in then} | {"implementation": "scan"}
    assert {name: trained[name] for name in then} == here


@pytest.mark.slow
def test_pictures_are_of_each_stages_models_and_losses(tmp_path, monkeypatch):
    drawn = Mock()
    monkeypatch.setattr(curriculum, "draw_stage", drawn.stage)
    monkeypatch.setattr(curriculum, "draw_long_term", drawn.end)
    out = tmp_path / "run"
    run(TINY, 9, out, replicates=2, console=QUIET)
    losses = np.loadtxt(out / "metrics.csv", delimiter=",", skiprows=1)
    for number, step in ((1, 20), (2, 50)):
        *named, shown, drawn_losses = drawn.stage.call_args_list[number - 1].args
        assert (*named, shown.seeds) == (out, TINY, number, [9, 10])
        models = [split_model(model)[1:] for model in shown.models]
        jax.tree.map(
            np.testing.assert_array_equal, models, weights(out / "checkpoints" / str(step))
        )
        np.testing.assert_allclose(drawn_losses.T, losses[losses[:, 0] == number, 2:])
    drawn.end.assert_called_once_with(out, TINY, shown)


@pytest.mark.slow
def test_of_tries_afresh_the_best_goes_on(tmp_path, no_pictures):
    def recipe(*rates):
        stages = [Stage(3, 40, rate, 1e-8) for rate in rates]
        return tiny_recipe(stages[0], *(replace(stage, afresh=True) for stage in stages[1:]))

    def train(name, *rates):
        settings = {"replicates": 2, "checkpoint_every": 30, "console": QUIET}
        figures = run(recipe(*rates), 3, tmp_path / name, **settings)["figures"]
        return [[each["undone"] for each in stage["replicates"]] for stage in figures]

    # A rate of next to nothing leaves a network as it was drawn, which any training improves on.
    still, good = 1e-12, 0.05
    assert train("better", still, good) == [[False, False], [False, False]]
    assert train("worse", good, still, still) == [[False] * 2, [True] * 2, [True] * 2]
    checkpoints = tmp_path / "worse" / "checkpoints"
    for step in ("80", "120"):
        jax.tree.map(
            np.testing.assert_array_equal, weights(checkpoints / step), weights(checkpoints / "40")
        )
    # What went on is what training from the try's own fresh weights gives, on its own batches.
    for k, seed in enumerate((3, 4)):
        (model,) = fresh_models(recipe(still, good), [seed], "auto", 2)
        optimizer = Stage(3, 40, good, 1e-8).optimizer()
        settings = {"structure": nnx.graphdef(model), "optimizer": optimizer}
        settings |= {"batch_size": 2, "past": 5, "horizon": 3}
        key = jax.random.fold_in(run_keys(seed)[1], 2)
        state = train_chunk(init_state(model, optimizer, 40), key, 40, **settings)
        ours, _ = weights(tmp_path / "better")[k]
        jax.tree.map(np.testing.assert_array_equal, ours, state.weights)
    # Stopped in the middle of a try, it goes on to the same bits.
    for name in ("better", "worse"):
        whole = weights(tmp_path / name)
        shutil.rmtree(tmp_path / name / "checkpoints" / "80")
        train(name, *((still, good) if name == "better" else (good, still, still)))
        jax.tree.map(np.testing.assert_array_equal, weights(tmp_path / name), whole)


@pytest.mark.slow
def test_a_try_afresh_rescues_what_failed_and_may_fail_itself(tmp_path, capsys):
    def train(name, *rates, **settings):
        stages = [Stage(3, 40, rate, 1e-8) for rate in rates]
        recipe = tiny_recipe(stages[0], *(replace(stage, afresh=True) for stage in stages[1:]))
        recipe = replace(recipe, stages=(*recipe.stages, Stage(5, 10, 0.01, 1e-8)))
        figures = run(recipe, 3, tmp_path / name, console=QUIET, **settings)["figures"]
        return [stage["replicates"][0] for stage in figures]

    failing, good = 1e38, 0.05
    for name, rates, failed, undone in (
        ("first", (failing, good), (0, None, None), (False, False, False)),
        ("last", (good, failing), (None, None, None), (False, True, False)),
    ):
        found = train(name, *rates)
        assert [each["failed_at"] is None for each in found] == [each is None for each in failed]
        assert tuple(each["undone"] for each in found) == undone
        assert np.isfinite(found[-1]["final_loss"])
        assert (tmp_path / name / "stage-2-horizon-3-loss.png").exists()
    # A replicate is its single run.
    train("two", failing, good, replicates=2)
    first, _ = weights(tmp_path / "two")
    jax.tree.map(np.testing.assert_array_equal, [first], weights(tmp_path / "first"))
    with pytest.raises(Diverged, match="stage 2"):  # no try is left
        train("none", failing, failing)
    again = Stage(3, 40, good, 1e-8, afresh=True, undo_above=1e-9)  # one that is not good enough
    recipe = tiny_recipe(Stage(3, 40, failing, 1e-8), again, Stage(5, 10, 0.01, 1e-8))
    with pytest.raises(Diverged, match="stage 2"):
        run(recipe, 3, tmp_path / "undone", console=QUIET)


@pytest.mark.slow
def test_a_folder_with_an_ensemble_makes_no_way_for_another_run(tmp_path, no_pictures):
    run(TINY, 3, tmp_path / "a", replicates=2, console=QUIET)
    save_model(load_model(tmp_path / "a", 0), tmp_path / "a" / "ensemble")
    shutil.rmtree(tmp_path / "a" / "checkpoints")
    with pytest.raises(InputError, match="holds a run with hidden_size 4, not 5: give another"):
        run(replace(TINY, hidden_size=5), 3, tmp_path / "a", replicates=2, console=QUIET)
    shutil.rmtree(tmp_path / "a" / "ensemble")
    run(replace(TINY, hidden_size=5), 3, tmp_path / "a", replicates=2, console=QUIET)


def test_what_is_held_out_is_looked_at_before_training(tmp_path):
    values = np.sin(np.arange(200.0))
    values[140:186] = np.nan
    recording = Recording(values, 1.0, 0.2)
    stages = (Stage(5, 1000000), Stage(14, 1000000))
    recipe = Recipe("r", "", stages, 5, past=20, signal=recording, network="SensorLSTM")
    with pytest.raises(InputError, match="40 steps: it takes 14, not all missing, to test"):
        run(recipe, 1, tmp_path / "run", console=QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_stage_that_went_wrong_is_undone(tmp_path, no_pictures):
    def train(name, undo_above):
        stages = (TINY.stages[0], replace(TINY.stages[1], undo_above=undo_above))
        settings = {"replicates": 2, "checkpoint_every": 10, "console": QUIET}
        return run(replace(TINY, stages=stages), 3, tmp_path / name, **settings)

    first, second = train("wrong", undo_above=1e-9)["figures"]
    assert [each["undone"] for each in first["replicates"]] == [False, False]
    assert [each["undone"] for each in second["replicates"]] == [True, True]
    checkpoints = tmp_path / "wrong" / "checkpoints"
    before, middle, after = (weights(checkpoints / step) for step in ("20", "40", "50"))
    jax.tree.map(np.testing.assert_array_equal, after, before)
    for (trained, _), (undone, _) in zip(middle, after, strict=True):
        assert not np.array_equal(trained["cell"]["hidden_kernel"], undone["cell"]["hidden_kernel"])
    # Stopped in mid-stage, it knows from the checkpoint before what to go back to.
    shutil.rmtree(checkpoints / "50")
    train("wrong", undo_above=1e-9)
    jax.tree.map(np.testing.assert_array_equal, weights(tmp_path / "wrong"), after)

    train("kept", undo_above=1e9)
    train("plain", undo_above=None)
    ours, expected = (weights(tmp_path / name) for name in ("kept", "plain"))
    jax.tree.map(np.testing.assert_array_equal, ours, expected)
