"""Several networks as one, against the mean of what each of them answers."""

import numpy as np
import pytest
from flax import nnx

from sinlstm_jax import InputError
from sinlstm_jax.ensemble import ensemble_of, widened
from sinlstm_jax.model import SineLSTM
from sinlstm_jax.rollout import rollout, rollout_with_spread
from sinlstm_jax.sensor import SensorLSTM

SIZES = (3, 5, 8)


def networks(kind):
    models = [kind(size, rngs=nnx.Rngs(size)) for size in SIZES]
    for model in models:  # as a network has it whose input bias was trained
        model.cell.input_bias[...] += 0.05 * model.hidden_size
    return models


def samples(steps=40):
    rng = np.random.default_rng(4)
    values = rng.normal(5, 3, (steps, 2)).astype(np.float32)
    values[7:9] = np.nan
    return values


def test_it_answers_with_the_mean_of_all_answers():
    models = networks(SineLSTM)
    each = [np.asarray(rollout(model, samples(), 30), np.float64) for model in models]
    joined = rollout(ensemble_of(models), samples(), 30)
    np.testing.assert_allclose(joined, np.mean(each, axis=0), rtol=0, atol=2e-6)


@pytest.mark.parametrize(("part", "other"), [(1, 2), (2, 1)])
def test_spreads_are_averaged_in_the_logs_of_their_parts(part, other):
    models = networks(SensorLSTM)
    for model in models:  # of which the other part is next to nothing
        model.output.bias[...] = model.output.bias[...].at[other].add(-30.0)
    values, spreads = zip(
        *(rollout_with_spread(model, samples(), 30) for model in models), strict=True
    )
    mean, spread = rollout_with_spread(ensemble_of(models), samples(), 30)
    np.testing.assert_allclose(mean, np.mean(values, axis=0), rtol=0, atol=2e-5)
    geometric = np.exp(np.mean(np.log(np.asarray(spreads, np.float64)), axis=0))
    np.testing.assert_allclose(spread, geometric, rtol=2e-5)


def test_an_ensemble_of_one_is_that_one():
    (model, *_) = networks(SensorLSTM)
    alone = rollout(model, samples(), 20)
    np.testing.assert_allclose(rollout(ensemble_of([model]), samples(), 20), alone, atol=2e-6)


def test_a_wider_spread_leaves_the_forecast():
    (model, *_) = networks(SensorLSTM)
    value, spread = rollout_with_spread(model, samples(), 20)
    same, wider = rollout_with_spread(widened(model, 2.5), samples(), 20)
    np.testing.assert_array_equal(same, value)
    np.testing.assert_allclose(wider, 2.5 * np.asarray(spread, np.float64), rtol=1e-5)


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ([], "there are no models: give at least one"),
        ([SineLSTM(3), SensorLSTM(3)], "SensorLSTM and SineLSTM: give those of one class"),
        ([SineLSTM(3), 3], "the model is 3: give a SineLSTM"),
    ],
)
def test_what_cannot_be_joined_is_named(models, told):
    with pytest.raises(InputError, match=told):
        ensemble_of(models)


def test_only_what_says_how_sure_it_is_can_be_widened():
    with pytest.raises(InputError, match="does not say how sure it is"):
        widened(SineLSTM(3), 2.0)
    with pytest.raises(InputError, match="factor is 0"):
        widened(SensorLSTM(3), 0)
