"""`sinlstm evaluate`: which signal runs are evaluated on, and what it prints of it."""

from dataclasses import dataclass

import jax
import numpy as np
import pytest

from sinlstm_jax import InputError, Observation, Recipe, Recording, Signal, Stage, Tones, run
from sinlstm_jax.commands import EvaluateOptions
from sinlstm_jax.commands.evaluate import evaluated_signal
from sinlstm_jax.runs.record import RunRecord, write_record
from sinlstm_jax.runs.signals import keep_signal
from sinlstm_jax.signals.sines import SINES


@jax.tree_util.register_static
@dataclass(frozen=True)
class Ramps(Signal):
    """What a user might learn."""

    def draw(self, key, batch_size):
        return jax.random.uniform(key, (batch_size,))

    def values(self, drawn, steps):
        return jax.numpy.arange(steps)[:, None] * drawn[None, :]


RAMPS, TONES = Ramps(), Tones(3)
RECORDING = Recording(np.sin(np.arange(600) / 7), 50.0)
# What ours would be called with: a module of the user's.
RECIPE = Recipe("ramps", "ramps", (Stage(3, 4),), 10, signal=RAMPS)


@pytest.fixture
def trained(tmp_path):
    def trained(name, signal, past=100, shortest=None):
        shown = Observation(shortest_past=shortest)
        recipe = Recipe(
            name, "for tests", (Stage(3, 4),), 10, past, signal=signal, observation=shown
        )
        (tmp_path / name).mkdir()
        keep_signal(tmp_path / name, signal)
        record = RunRecord.new(recipe, [1], device="", implementation="")
        write_record(tmp_path / name, record)
        return str(tmp_path / name)

    return trained


def test_a_runs_signal_and_past_are_taken_from_its_folder(trained, tmp_path):
    assert evaluated_signal((trained("tones", TONES, 37),), None) == (TONES, 37)
    found, past = evaluated_signal((trained("recording", RECORDING),), None)
    assert found.describe() == RECORDING.describe() and past == 100
    np.testing.assert_array_equal(found.scaled, RECORDING.scaled)
    assert evaluated_signal(("curriculum",), None) == (SINES, 100)
    (tmp_path / "converted").mkdir()
    converted = str(tmp_path / "converted")
    assert evaluated_signal((converted, "curriculum"), None) == (SINES, 100)


def test_runs_of_many_pasts_are_compared_at_the_most_that_all_of_them_know(trained):
    varied, longer = trained("varied", SINES, 300, 20), trained("longer", SINES, 400, 150)
    assert evaluated_signal((varied,), None) == (SINES, 300)
    assert evaluated_signal(("curriculum", varied, "tuned"), None) == (SINES, 100)
    assert evaluated_signal((varied, longer), None) == (SINES, 300)
    assert evaluated_signal((varied, longer), None, 50) == (SINES, 50)
    # Each two of them have some in common, and all three have none.
    with pytest.raises(InputError, match=r"varied was trained on 100 observed steps, and .*longer"):
        evaluated_signal((varied, "curriculum", longer), None)


def test_a_signal_of_a_users_own_is_given(trained):
    folder = trained("ramps", RAMPS)
    assert evaluated_signal((folder,), RAMPS) == (RAMPS, 100)
    with pytest.raises(InputError, match=r"was trained on Ramps.*: give --recipe MODULE:NAME"):
        evaluated_signal((folder,), None)


def test_runs_of_different_signals_or_pasts_are_refused_in_one_line(trained):
    tones = trained("tones", TONES)
    with pytest.raises(InputError) as refused:
        evaluated_signal((tones, "curriculum"), None)
    assert str(refused.value) == (
        f"{tones} was trained on Tones(sampling rate 100, count 3, frequency 0.5 to 4, harmonic "
        "False, power 0.5), and curriculum on Sines(sampling rate 100, frequency 0.5 to 4, "
        "offset 0 to 6.28319, amplitude 1, level 0): evaluate them one by one"
    )
    other = trained("short", TONES, 37)
    with pytest.raises(
        InputError, match=r"was trained on 100 observed steps, and .*short on 37: ev"
    ):
        evaluated_signal((tones, other), None)


@pytest.mark.usefixtures("no_pictures")
def test_a_recording_is_evaluated_as_far_as_half_its_tail_goes(tmp_path, capsys):
    recipe = Recipe("r", "a recording", (Stage(3, 4),), 10, 20, 2, 4, signal=RECORDING)
    run(recipe, 1, tmp_path / "run")
    capsys.readouterr()
    EvaluateOptions((str(tmp_path / "run"),)).execute()
    output = capsys.readouterr().out
    assert output.startswith("Recording(sampling rate 50, samples ")
    assert "), 20 steps observed\n" in output.splitlines(keepends=True)[0]
    assert "71 held-out windows, of samples over 1.0" in " ".join(output.split())
    assert "Error over steps 0-50 after noise" in output
    files = {path.name for path in (tmp_path / "run" / "evaluation").iterdir()}
    csv_files = {f"{name}.csv" for name in ("errors", "over_time", "robustness", "waves")}
    assert files == {*csv_files, "error.png", "robustness.png"}
    EvaluateOptions((str(tmp_path / "run"),), past=10).execute()
    assert "), 10 steps observed\n" in capsys.readouterr().out


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.slow
def test_a_users_own_signal_is_evaluated_by_its_recipe(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine_to_evaluate.py").write_text(f"from {__name__} import RECIPE as MINE\n")
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    run(Recipe("r", "ramps", (Stage(3, 4),), 10, 20, 2, 4, signal=RAMPS), 1, folder)
    EvaluateOptions((str(folder),), horizon=400, recipe="mine_to_evaluate:MINE").execute()
    output = capsys.readouterr().out
    assert "Ramps(), 20 steps observed" in output or "Ramps(sampling rate 100" in output
    assert "1024 held-out windows" in output
