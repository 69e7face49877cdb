import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from sinlstm_jax import RECIPES, InputError, Observation, Recipe, Stage
from sinlstm_jax.recipes import DEFAULT_SEED, TUTORIAL_FIGURES, find_recipe
from sinlstm_jax.sensor import LONGEST_PAST, SHORTEST_PAST


def test_recipes_are_the_tutorials():
    short, long, curriculum = (RECIPES[n] for n in ("short-window", "long-window", "curriculum"))
    assert short.stages == (Stage(50, 6000, 0.001, 0.02),)
    assert long.stages == (Stage(200, 20000, 0.001, 0.02),)
    assert curriculum.stages == (
        Stage(50, 10000, 0.001, 0.02),
        Stage(100, 6000, 0.001, 0.02),
        Stage(200, 8000, 0.001, 0.02),
        Stage(400, 20000, 0.0005, 0.04),
    )
    assert [recipe.display_every for recipe in (short, long, curriculum)] == [200, 800, 400]
    for recipe in (short, long, curriculum):
        assert (recipe.past, recipe.batch_size, recipe.hidden_size) == (100, 20, 15)
    for name, figures in TUTORIAL_FIGURES.items():
        assert len(figures) == len(RECIPES[name].stages)
    assert DEFAULT_SEED == 4112


@pytest.mark.parametrize(
    "bad",
    [
        {"horizon": 0},
        {"iterations": -1},
        {"learning_rate": 0.0},
        {"learning_rate": True},
        {"epsilon": float("nan")},
        {"b1": 1.0},
        {"b2": -0.1},
        {"clip_norm": 0},
        {"muon_learning_rate": 0.0},
        {"warmup": 1},
        {"final_fraction": 0},
        {"past": 0},
        {"undo_above": float("inf")},
        {"beta": 0.5},  # without an error_floor
    ],
)
def test_bad_stages_are_named(bad):
    ((name, value),) = bad.items()
    with pytest.raises(InputError, match=f"^{name} is {value}"):
        Stage(**({"horizon": 1, "iterations": 1} | bad))


def test_numbers_of_numpy_become_what_json_can_hold():
    stage = Stage(np.int64(20), np.int32(10), learning_rate=np.float32(0.5))
    recipe = Recipe("mine", "", (stage,), display_every=np.int64(5))
    found = json.loads(json.dumps(asdict(recipe)))
    own = asdict(Recipe("mine", "", (Stage(20, 10, learning_rate=0.5),), 5))
    assert found == json.loads(json.dumps(own))


@pytest.mark.parametrize("name", ["display_every", "past", "batch_size", "hidden_size"])
def test_bad_recipes_are_named(name):
    with pytest.raises(InputError, match=f"^{name} is 0"):
        Recipe(**({"name": "x", "summary": "", "stages": (), "display_every": 1} | {name: 0}))


def test_a_forget_bias_that_is_no_number_is_named():
    with pytest.raises(InputError, match=r"^forget_bias is nan: give a finite number"):
        Recipe("x", "", (Stage(5, 10),), 1, forget_bias=float("nan"))


def test_a_stage_may_observe_another_past_than_its_recipe():
    stages = (Stage(10, 5, past=20), Stage(30, 2))
    recipe = Recipe("mine", "", stages, 1, past=60)
    assert [recipe.past_of(stage) for stage in stages] == [20, 60]
    assert recipe.iteration_steps == 5 * (20 + 10) + 2 * (60 + 30)
    varied = replace(recipe, observation=Observation(gap=(0, 5), shortest_past=30))
    assert [varied.observation_of(stage).shortest_past for stage in stages] == [None, 30]
    assert varied.observation_of(stages[0]).gap == (0, 5)
    with pytest.raises(InputError, match=r"^the past has 20 steps.*give a longer past"):
        replace(recipe, observation=Observation(gap=(0, 30)))


def test_a_recipe_without_stages_is_named():
    with pytest.raises(InputError, match=r"^stages is \(\): give at least one"):
        Recipe("x", "", (), 1)


def test_unknown_recipes_are_named():
    with pytest.raises(InputError, match="'curiculum': give one of curriculum, short-window"):
        find_recipe("curiculum")


def test_a_stage_describes_what_is_not_the_default():
    assert Stage(5, 10).describe() == (
        "horizon 5, 10 iterations, learning rate 0.001, epsilon 0.02"
    )
    stage = Stage(5, 10, b1=0.8, nesterov=True, clip_norm=0.1, warmup=2, final_fraction=0.01)
    assert stage.describe().endswith(
        "epsilon 0.02, b1 0.8, nesterov, clip norm 0.1, warmup 2, final fraction 0.01"
    )


def test_a_stage_went_wrong_where_its_last_tenth_is_too_high_or_no_number():
    losses = np.full((4, 20), 0.2)
    losses[1, -2:] = 0.05
    losses[2, -2:] = 0.4
    losses[2, :-2] = 0.0
    losses[3, -1] = np.nan
    assert Stage(5, 20, undo_above=0.1).went_wrong(losses).tolist() == [True, False, True, True]
    assert not Stage(5, 20).went_wrong(losses).any()
    likelihoods = Stage(5, 20, error_floor=0.1, undo_above=-0.1)
    assert likelihoods.went_wrong(np.where(losses > 0.3, -0.05, -0.2)).tolist() == [
        *(False, False, True, False)
    ]


def test_a_try_afresh_goes_wrong_where_it_ends_no_lower_than_what_was_there():
    losses = np.full((4, 20), 0.2)
    losses[1, -1] = np.nan
    losses[2, :-2] = 9.0
    standing = np.array([0.3, 0.3, 0.1, 0.2])
    again = Stage(5, 20, afresh=True)
    assert again.went_wrong(losses, standing).tolist() == [False, True, True, True]
    np.testing.assert_allclose(again.ended_at(losses, standing), [0.2, 0.3, 0.1, 0.2])
    # What failed stands at no number, and what was undone at infinity: any try ends below both.
    np.testing.assert_allclose(Stage(5, 20).ended_at(losses), [0.2, np.nan, 0.2, 0.2])
    undone = Stage(5, 20, undo_above=0.1).ended_at(losses, standing)
    np.testing.assert_allclose(undone, [np.inf, np.nan, np.inf, np.inf])
    assert again.went_wrong(losses, undone).tolist() == [False, True, False, False]
    assert not again.went_wrong(losses[:1], np.array([np.nan])).any()
    both = Stage(5, 20, afresh=True, undo_above=0.1)
    assert both.went_wrong(losses, standing).all()


@pytest.mark.parametrize(
    "stages",
    [
        (Stage(5, 20, afresh=True),),
        (Stage(6, 20), Stage(5, 20, afresh=True)),
        (Stage(5, 20), Stage(5, 20, error_floor=0.1, afresh=True)),
        (Stage(5, 20), Stage(5, 20, past=9, afresh=True)),
        (Stage(5, 20, error_floor=0.1), Stage(5, 20, error_floor=0.1, beta=0.5, afresh=True)),
    ],
)
def test_a_try_afresh_comes_after_what_it_is_compared_with(stages):
    with pytest.raises(InputError, match=r"^a stage begins afresh: put it after one of the same"):
        Recipe("mine", "", stages, 1)


def test_the_tuned_recipes_keep_within_their_budgets():
    tutorial = RECIPES["curriculum"].iteration_steps
    assert tutorial == 10000 * 150 + 6000 * 200 + 8000 * 300 + 20000 * 500
    for name in ("tuned", "noisy"):
        recipe = RECIPES[name]
        assert recipe.iteration_steps <= tutorial
        assert (recipe.past, recipe.batch_size, recipe.hidden_size) == (100, 20, 15)
    assert RECIPES["fast"].iteration_steps <= tutorial / 5


def test_the_recipes_for_sensors_and_for_long_forecasts_are_as_promised():
    sensor, long = RECIPES["sensor"], RECIPES["long"]
    assert sensor.iteration_steps <= 40e6 and sensor.hidden_size <= 64
    assert (sensor.observation.shortest_past, sensor.past) == (SHORTEST_PAST, LONGEST_PAST)
    assert sensor.observation.noise == (0, 0.2) and sensor.observation.missing == (0, 0.5)
    assert long.iteration_steps <= 100e6 and long.stages[-1].horizon == 10000
