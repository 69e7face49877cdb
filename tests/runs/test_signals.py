"""What a run's folder tells of what it learnt."""

import json

import numpy as np
import own_signals
import pytest
from tiny import QUIET

from sinlstm_jax import InputError, SensorLSTM, SineLSTM, Sines, load_signal, run
from sinlstm_jax.runs.record import RunRecord, read_record, write_record
from sinlstm_jax.runs.signals import SENSORS, TUTORIALS, keep_signal, trained_on
from sinlstm_jax.signals.observation import CLEAN
from sinlstm_jax.signals.signal import Scaling
from sinlstm_jax.streams.doubts import doubts

KINDS = sorted(own_signals.RECIPES)
MODEL, SENSOR = SineLSTM(3), SensorLSTM(3)


def folder_of(kind, path):
    """Make a run's folder as it is before anything is trained."""
    recipe = own_signals.RECIPES[kind]
    path.mkdir()
    write_record(path, RunRecord.new(recipe, [1], device="cpu", implementation="scan"))
    keep_signal(path, recipe.signal)
    return recipe


def changed(path, **changes):
    record = json.loads((path / "run.json").read_text())
    for name, value in changes.items():
        if value is None:
            del record[name]
        else:
            record[name] = value
    (path / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize("kind", KINDS)
def test_a_runs_signal_is_had_again(kind, tmp_path):
    recipe = folder_of(kind, tmp_path / "run")
    own = None if kind != "sawtooth" else own_signals.Sawtooth(3.0)
    for name in ("", "checkpoints/10", "ensemble", "ensemble/checkpoints/0"):
        path = tmp_path / "run" / name
        path.mkdir(parents=True, exist_ok=True)
        found = load_signal(path, own)
        assert type(found) is type(recipe.signal)
        assert found.describe() == recipe.signal.describe()
        known = trained_on(path, MODEL)
        assert (known.past, known.sampling_rate) == (recipe.past, recipe.signal.sampling_rate)
        assert known.scaling == recipe.signal.scaling
        assert known.horizon == max(stage.horizon for stage in recipe.stages)
    for one, other in zip(
        found.held_out(4, 20, 30), recipe.signal.held_out(4, 20, 30), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_runs_of_before_and_folders_without_one_are_of_the_tutorials_waves(tmp_path):
    folder_of("tones", tmp_path / "run")
    changed(tmp_path / "run", signal=None, observation=None)
    record = read_record(tmp_path / "run")
    assert (record.signal, record.observation) == (Sines().describe(), CLEAN.describe())
    assert load_signal(tmp_path / "run") == Sines()
    (tmp_path / "empty").mkdir()
    assert load_signal(tmp_path / "empty") == Sines()
    assert trained_on(tmp_path / "empty", MODEL) == TUTORIALS
    assert trained_on(tmp_path / "empty", SENSOR) == SENSORS
    (tmp_path / "empty" / "ensemble").mkdir()  # a name as any other, where no run is around
    assert trained_on(tmp_path / "empty" / "ensemble", MODEL) == TUTORIALS
    assert Scaling() == (0, 1)


def test_a_class_of_ones_own_is_asked_for(tmp_path):
    folder_of("sawtooth", tmp_path / "run")
    with pytest.raises(InputError, match=r"on Sawtooth\(.*highest 3\): give --recipe MODULE:NAME"):
        load_signal(tmp_path / "run")
    with pytest.raises(InputError, match=r"highest 3\), and not on Sawtooth\(.*highest 4\)"):
        load_signal(tmp_path / "run", own_signals.Sawtooth())


@pytest.mark.parametrize(
    "told",
    [
        "Sines",
        ["Sines"],
        {},
        {"class": "Sines"},
        {"class": ["Sines"]},
        {"class": "Recording", "sampling_rate": 25},
        Sines().describe() | {"frequency": [4, 0.5]},
        Sines().describe() | {"frequency": "0.5 to 4"},
        Sines().describe() | {"sampling_rate": -1},
        Sines().describe() | {"scaling": [1, 2]},
    ],
)
def test_what_a_stranger_tells_of_a_signal_ends_in_one_line(told, tmp_path):
    folder_of("tones", tmp_path / "run")
    changed(tmp_path / "run", signal=told)
    with pytest.raises(InputError) as refusal:
        load_signal(tmp_path / "run")
    assert "\n" not in str(refusal.value) and str(tmp_path) in str(refusal.value)


@pytest.mark.parametrize("damage", [lambda x: x.unlink(), lambda x: x.write_bytes(b"{}" * 50)])
def test_a_recording_that_is_gone_or_damaged_is_named(damage, tmp_path):
    folder_of("recordings", tmp_path / "run")
    damage(tmp_path / "run" / "recording.safetensors")
    with pytest.raises(InputError, match=r"recording\.safetensors is (missing|not a recording)"):
        load_signal(tmp_path / "run")


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match="nothing does not exist: give a run's folder"):
        load_signal(tmp_path / "nothing")


def test_a_sensors_run_takes_any_units_and_shorter_pasts(tmp_path):
    folder_of("sensor", tmp_path / "run")
    trained = trained_on(tmp_path / "run", SENSOR)
    assert trained.in_any_units and trained.largest == np.inf
    assert (trained.past, trained.fewest) == (20, 10)
    assert not TUTORIALS.in_any_units
    samples = 500 + 70 * np.sin(0.12 * np.arange(40.0)[:, None])
    assert list(doubts(["v"], np.array([15]), samples, trained)) == []
    (few,) = doubts(["v"], np.array([9]), samples, trained)
    assert "has 9 samples: models are trained to forecast after 10" in few
    fast = 500 + 70 * np.sin(0.5 * np.arange(40.0)[:, None])
    (other,) = doubts(["v"], np.array([40]), fast, trained)
    assert "frequency of about 8 Hz" in other


@pytest.mark.slow
def test_a_run_from_before_there_were_networks_is_the_same_run(tmp_path, no_pictures):
    recipe, path = own_signals.RECIPES["sines"], tmp_path / "run" / "run.json"
    run(recipe, 0, tmp_path / "run", console=QUIET)
    told = json.loads(path.read_text())
    del told["network"], told["forget_bias"]
    del told["observation"]["noise_power"], told["observation"]["missing_power"]
    for stage in told["stages"]:
        for name in "error_floor past afresh beta muon_learning_rate".split():
            del stage[name]
    path.write_text(json.dumps(told))
    again = run(recipe, 0, tmp_path / "run", console=QUIET)
    assert (again["network"], again["forget_bias"]) == ("SineLSTM", 1)
    assert again["observation"] == CLEAN.describe()
