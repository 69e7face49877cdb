import csv
from pathlib import Path

import numpy as np
import pytest
from flax import nnx

from sinlstm_jax import (
    InputError,
    SineLSTM,
    forecast,
    load_pretrained,
    params_from_torch,
    rollout,
)
from sinlstm_jax.evaluation.errors import (
    INTERVALS,
    Waves,
    forecast_function,
    held_out_waves,
    rollout_errors,
)
from sinlstm_jax.evaluation.windows import Spoiling, spoil

ROOT = Path(__file__).parents[2]
WAVES = held_out_waves(5)


def plain_errors(model, frequency, offset, intervals, past):
    """Compute what `rollout_errors` does in one piece, [interval, wave]."""
    last = max(last for _, last in intervals)
    time = np.arange(past + last)[:, None] / 100
    truth = np.sin(2 * np.pi * frequency * (time + offset))
    predicted = np.asarray(rollout(model, truth[:past], last))[past:, :, 0]
    squared = (predicted - truth[past:]) ** 2
    return np.stack([squared[first:last].mean(axis=0) for first, last in intervals])


@pytest.mark.parametrize("past", [100, 37])
@pytest.mark.parametrize(
    "intervals",
    [[(0, 50)], [(0, 500), (400, 900)], [(499, 501), (0, 1), (999, 1300), (1000, 1001)]],
)
def test_rollout_errors_are_those_of_the_whole_rollout(intervals, past):
    model = load_pretrained("curriculum")
    errors = rollout_errors(model, *WAVES, intervals, past)
    assert errors.shape == (len(intervals), 5)
    expected = plain_errors(model, *WAVES, intervals, past)
    np.testing.assert_allclose(errors, expected, rtol=1e-9)


def test_long_rollouts_are_streamed_in_chunks(monkeypatch):
    lengths = []

    def watched(model, carry, steps):
        lengths.append(steps)
        return forecast(model, carry, steps)

    monkeypatch.setattr("sinlstm_jax.evaluation.errors.forecast", watched)
    rollout_errors(load_pretrained("curriculum"), *WAVES, [(0, 10), (1200, 1201)])
    assert lengths == [500, 500, 201]


def test_models_of_one_size_share_a_compilation(compilations):
    frequency, offset = np.full(3, 1.3), np.arange(3.0)
    models = [SineLSTM(4, rngs=nnx.Rngs(seed)) for seed in range(3)]
    rollout_errors(models[0], frequency, offset, [(0, 700)])
    compilations.reset()
    errors = [rollout_errors(model, frequency, offset, [(0, 700)]) for model in models[1:]]
    assert compilations.count == 0
    assert not np.array_equal(*errors)


def test_the_originals_final_model_scores_what_was_measured_of_it():
    """docs/torch_runs.csv: its errors over 64 other waves, with PyTorch."""
    with (ROOT / "docs" / "torch_runs.csv").open() as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    (row,) = (row for row in rows if (row["seed"], row["stage"]) == ("4112", "3"))
    fixtures = np.load(ROOT / "tests" / "data" / "torch_fixtures.npz")
    model = params_from_torch(
        {k.removeprefix("trained/"): fixtures[k] for k in fixtures if k.startswith("trained/")}
    )
    errors = rollout_errors(model, *held_out_waves(1024), INTERVALS[:6])
    of_64_waves = errors.reshape(6, 16, 64).mean(axis=2)
    for (first, last), measured in zip(INTERVALS, of_64_waves, strict=False):
        expected = float(row[f"mse_{first}_{last}"])
        assert measured.min() < expected < measured.max()
        assert measured.max() < 4 * measured.min()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (([1.0], [0.0, 1.0]), r"frequency has shape \(1,\) and offset \(2,\)"),
        ((1.0, 0.0), r"frequency has shape \(\)"),
        (([], []), r"frequency has shape \(0,\)"),
        (([0.0], [0.0]), "a frequency is not above 0 Hz"),
        (([np.nan], [0.0]), "a frequency is not above 0 Hz"),
        (([1.0], [np.inf]), "offset not finite"),
        (([1.0], [0.0], []), "intervals is empty"),
        (([1.0], [0.0], [(5, 5)]), r"interval \(5, 5\) is empty"),
        (([1.0], [0.0], [(-1, 5)]), r"interval \(-1, 5\) is empty"),
        (([1.0], [0.0], [(0, 5)], 0), "past is 0"),
    ],
)
def test_bad_waves_and_intervals_are_named(arguments, complaint):
    with pytest.raises(InputError, match=complaint):
        rollout_errors(load_pretrained("curriculum"), *arguments)


def test_held_out_waves_are_fixed_and_spread_like_those_of_training():
    frequency, offset = held_out_waves(1024)
    for few, many in zip(held_out_waves(64), (frequency, offset), strict=True):
        np.testing.assert_array_equal(few, many[:64])
    for values, low, high in ((frequency, 0.5, 4), (offset, 0, 2 * np.pi)):
        assert low <= values.min() < values.max() < high
        counts, _ = np.histogram(values, 8, (low, high))
        assert np.sum((counts - 128) ** 2 / 128) < 24.3  # chi squared, 7 degrees, 0.1 %
    assert abs(np.corrcoef(frequency, offset)[0, 1]) < 0.1


def test_waves_are_what_they_say_at_any_step():
    waves = Waves(np.array([0.5, 1.0]), np.array([0.5, 0.25]))
    np.testing.assert_allclose(waves.values(10000, 10002)[:, 1], np.sin([np.pi / 2, np.pi * 0.52]))
    np.testing.assert_allclose(waves.values(9900, 9951)[[0, 50], 0], [-1, 0], atol=1e-11)


def test_a_model_takes_missing_values():
    history = spoil(WAVES.values(0, 100), Spoiling(missing=0.5), np.random.default_rng(0))
    predicted = forecast_function(load_pretrained("curriculum"))(history, 20)
    assert isinstance(predicted, np.ndarray) and predicted.shape == (20, 5)
    assert np.isfinite(predicted).all()
    expected = rollout(load_pretrained("curriculum"), history, 20)[100:, :, 0]
    np.testing.assert_array_equal(predicted, np.asarray(expected))
