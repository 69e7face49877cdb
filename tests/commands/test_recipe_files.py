"""Recipes in TOML files."""

import tomllib
from dataclasses import replace

import pytest

from sinlstm_jax import InputError, Observation, Recipe, Sines, Stage, Tones
from sinlstm_jax.recipe_files import read_recipe, recipe_in_toml
from sinlstm_jax.recipes import RECIPES
from sinlstm_jax.runs.record import RunRecord
from sinlstm_jax.runs.report import losses_table

OWN = Recipe(
    "my-own_1",
    'words with "quotes", a \\ and ü',
    (Stage(5, 30, nesterov=True, past=7), Stage(5, 20, past=7, afresh=True, clip_norm=0.5)),
    display_every=10,
    past=9,
    batch_size=3,
    hidden_size=4,
    signal=Sines(frequency=(1.0, 2.5), level=(-3, 3), sampling_rate=50.0),
    observation=Observation(noise=(0, 0.1), gap=(0, 3), shortest_past=6, missing_power=2.0),
    network="SensorLSTM",
    forget_bias=2.5,
)
SMALL = "[mine]\nsummary = 'x'\ndisplay_every = 5\nstages = [{horizon = 5, iterations = 9}]\n"


GERMAN = replace(OWN, name="Schwingungen-für-mich")


@pytest.mark.parametrize("recipe", [*RECIPES.values(), OWN, GERMAN], ids=lambda recipe: recipe.name)
def test_what_is_written_is_read_back(recipe, tmp_path):
    (tmp_path / "r.toml").write_text(recipe_in_toml(recipe), encoding="utf-8")
    assert read_recipe(tmp_path / "r.toml") == recipe


def test_all_recipes_are_printed_as_one_toml_document(command):
    code, output, errors = command("curriculum", "--list-recipes", "--format", "toml")
    assert (code, errors) == (0, "")
    found = tomllib.loads(output)
    assert list(found) == list(RECIPES)
    assert [s["horizon"] for s in found["curriculum"]["stages"]] == [50, 100, 200, 400]


def test_one_that_is_printed_is_read_by_the_command(command, tmp_path):
    code, output, _ = command(*"curriculum --list-recipes --recipe smoke --format toml".split())
    assert code == 0
    (tmp_path / "r.toml").write_text(output)
    told = command(*"curriculum --list-recipes --recipe smoke".split())
    assert command(*"curriculum --list-recipes --recipe-file r.toml".split()) == told
    assert told[1].startswith("smoke: two tiny stages") and "tuned" not in told[1]


def test_a_file_may_be_written_by_hand(tmp_path):
    (tmp_path / "r.toml").write_text(
        "[mine]  # a comment\nsummary = 'mine'\ndisplay_every = 5\nsignal.frequency = [1, 2]\n"
        "[mine.observation]\nnoise = [0, 0.2]\n"
        "[[mine.stages]]\nhorizon = 5\niterations = 20\n[[mine.stages]]\nhorizon = 9\n"
        "iterations = 10\nlearning_rate = 1e-2\n"
    )
    assert read_recipe(tmp_path / "r.toml") == Recipe(
        "mine",
        "mine",
        (Stage(5, 20), Stage(9, 10, learning_rate=0.01)),
        display_every=5,
        signal=Sines(frequency=(1, 2)),
        observation=Observation(noise=(0, 0.2)),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds 0 recipes; have it hold one"),
        (SMALL + SMALL.replace("mine", "yours"), "holds 2 recipes: mine, yours; have it hold one"),
        ("x = 1", "x is 1: give a table"),
        ("[mine", "is not a recipe in TOML ("),
        ("[mine]\nstages = []\n[mine]", "is not a recipe in TOML ("),
        ("[mine]\nsummary = 'x'\ndisplay_every = 5", "mine has no stages: give it one"),
        (SMALL.replace("[mine]", "['a/b']"), "called 'a/b': give letters, digits, - and _"),
        (SMALL.replace("display_", "dispaly_"), "has dispaly_every = 5: give summary, stages, "),
        (SMALL.replace("display_", "dispaly_"), "; did you mean display_every?"),
        (SMALL + "name = 'you'", "mine has name = 'you': give summary"),
        (SMALL + "past = 0", "mine: past is 0: give a whole number of at least 1"),
        (SMALL + "summary.x = 1", "is not a recipe in TOML ("),
        (SMALL + "network = 'SineLTSM'", "mine: network is 'SineLTSM': give one of SineLSTM"),
        (SMALL + "signal = 'Sines'", "signal of mine is 'Sines': give a table"),
        (SMALL + "signal = {frequency = [0, 4]}", "signal of mine: frequency is 0: give a finite"),
        (SMALL + "signal = {count = 2}", "signal of mine has count = 2: give frequency, offset"),
        (SMALL + "observation = {noise = 0.2}", "observation of mine: noise is 0.2: give a range"),
        (SMALL.replace("9}", "nan}"), "stage 1 of mine: iterations is nan: give a whole number"),
        (SMALL.replace(", iterations = 9", ""), "stage 1 of mine has no iterations: give it one"),
        (SMALL.replace("9}", "9, warmup = 9}"), "stage 1 of mine: warmup is 9: give fewer than"),
        (SMALL.replace("[{horizon = 5, iterations = 9}]", "5"), "stages of mine is 5: give an arr"),
        (SMALL.replace("[{horizon = 5, iterations = 9}]", "[5]"), "stage 1 of mine is 5: give a"),
        (SMALL.replace("[{horizon = 5, iterations = 9}]", "[]"), "mine: stages is (): give at le"),
        ("x = " + 5000 * "[" + 5000 * "]", "is not a recipe in TOML ("),
        (2**21 * "#", "is not a recipe in TOML (it is larger than"),
    ],
)
def test_bad_files_end_with_one_line_that_names_key_and_value(command, tmp_path, text, complaint):
    (tmp_path / "r.toml").write_text(text)
    code, output, errors = command("curriculum", "--recipe-file", "r.toml")
    assert (code, output) == (2, "")
    assert errors.startswith("error: r.toml") and complaint in errors and errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["r.toml"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("--recipe-file nothing.toml", "nothing.toml is not a file: give a recipe in TOML"),
        ("--recipe-file .", ". is not a file: give"),
        ("--recipe smoke --recipe-file r.toml", "'smoke', and --recipe-file 'r.toml': give one"),
        ("--recipe smoke --format toml", "--format is toml: give --list-recipes, too"),
    ],
)
def test_options_that_do_not_go_together_are_named(command, tmp_path, line, complaint):
    code, output, errors = command("curriculum", *line.split())
    assert (code, output) == (2, "")
    assert complaint in errors and errors.count("\n") == 1


def test_other_signals_and_names_are_in_no_file():
    with pytest.raises(InputError, match="a recipe is called 'my own': give letters, digits"):
        recipe_in_toml(replace(OWN, name="my own"))
    with pytest.raises(InputError, match=r"^my-own_1 learns Tones\(.*a file tells of Sines alone"):
        recipe_in_toml(replace(OWN, signal=Tones(2)))


def test_a_run_of_a_file_is_resumed_and_known_by_its_folder(command, tmp_path, no_pictures):
    (tmp_path / "r.toml").write_text(recipe_in_toml(replace(OWN, network="SineLSTM")))
    line = "curriculum --recipe-file r.toml --seed 3".split()
    code, output, _ = command(*line)
    assert code == 0 and "runs/my-own_1-3" in output
    code, output, _ = command(*line)
    assert code == 0 and "is complete" in output
    text = (tmp_path / "r.toml").read_text()
    (tmp_path / "r.toml").write_text(text.replace("iterations = 30", "iterations = 31"))
    code, _, errors = command(*line)
    assert code == 2
    assert (
        "runs/my-own_1-3 holds a run with iterations 30 in stage 1, not 31: give another" in errors
    )
    (tmp_path / "r.toml").write_text(text.replace("afresh = true", "afresh = false"))
    assert "with afresh True in stage 2, not False" in command(*line)[2]


def test_the_tutorials_figures_are_not_shown_beside_another_recipe_of_that_name():
    own = replace(RECIPES["curriculum"], stages=(Stage(50, 100),))
    record = RunRecord.new(own, [1], device="", implementation="")
    replicate = {
        **{"seed": 1, "final_loss": 0.5, "average_loss": 0.5, "rollout_errors": {"horizon": 0.5}},
        **{"failed_at": None, "undone": False},
    }
    stage = {
        **{"stage": 1, "horizon": 50, "iterations": 100, "seconds": 1.0, "implementation": ""},
        **{"averaged_over": 400, "checkpoint": "", "replicates": [replicate]},
    }
    told = losses_table(RunRecord.from_json(record.to_json() | {"figures": [stage]}))
    assert not any("tutorial" in str(column.header) for column in told.columns)
