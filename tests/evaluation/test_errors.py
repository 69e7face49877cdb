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
from sinlstm_jax.evaluation.baselines import sine_fit, zero
from sinlstm_jax.evaluation.errors import (
    FIRST_400,
    INTERVALS,
    SPOILINGS,
    Spoiling,
    Waves,
    evaluate,
    forecast_function,
    grid_waves,
    held_out_waves,
    in_trained_band,
    report,
    robustness,
    rollout_errors,
    spoil,
)
from sinlstm_jax.signals import NO_INPUT

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
    model = load_pretrained()
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
    rollout_errors(load_pretrained(), *WAVES, [(0, 10), (1200, 1201)])
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
        rollout_errors(load_pretrained(), *arguments)


def test_an_evaluation_holds_a_models_errors_by_interval_and_by_step():
    model = load_pretrained()
    evaluation = evaluate(forecast_function(model), WAVES, 900)
    assert evaluation.intervals == ((0, 50), (0, 100), (0, 200), (0, 400), (400, 900))
    expected = plain_errors(model, *WAVES, [*evaluation.intervals, (650, 651)], 100)
    np.testing.assert_allclose(evaluation.errors, expected[:-1], rtol=1e-9)
    np.testing.assert_allclose(evaluation.error_over_time[650], expected[-1].mean(), rtol=1e-9)


def test_an_evaluation_knows_a_forecast_that_runs_too_fast():
    """The forecaster continues with 0.01 Hz more and 0.8 of the amplitude, phase unbroken."""
    waves, past = Waves(np.array([1.0, 2.5]), np.array([0.2, 0.7])), 60

    def too_fast(history, horizon):
        assert history.shape == (past, 2)
        ahead = np.arange(horizon)[:, None] / 100
        start = 2 * np.pi * waves.frequency * (past / 100 + waves.offset)
        return 0.8 * np.sin(start + 2 * np.pi * (waves.frequency + 0.01) * ahead)

    evaluation = evaluate(too_fast, waves, 6000, past)
    np.testing.assert_allclose(evaluation.frequency_error, 0.01, rtol=0.01)
    np.testing.assert_allclose(np.nanmedian(evaluation.track.amplitude, axis=0), 0.8, rtol=0.01)
    # 0.1 rad after 1.59 s, half a cycle after 50 s.
    np.testing.assert_allclose(evaluation.slightly_lost, 159, atol=20)
    np.testing.assert_allclose(evaluation.lost, 5000, atol=30)


def test_a_sine_fit_is_exact_on_every_wave_there_is():
    measured = report(sine_fit, 1500)
    for evaluation in measured[:2]:
        assert evaluation.errors.max() < 1e-20
        assert np.abs(evaluation.frequency_error).max() < 1e-10
        assert (evaluation.lost == np.inf).all() and (evaluation.slightly_lost == np.inf).all()
    for spoiling, error in zip(SPOILINGS, measured.robustness, strict=True):
        assert (error < 1e-20) == (spoiling.noise == 0)


def test_zero_scores_a_half_on_the_grid_and_has_no_phase():
    evaluation = evaluate(zero, grid_waves(), 500)
    np.testing.assert_allclose(evaluation.errors.mean(axis=1), 0.5, rtol=1e-12)
    assert np.isfinite(evaluation.lost).all() and np.isnan(evaluation.frequency_error).all()


def test_held_out_waves_are_fixed_and_spread_like_those_of_training():
    frequency, offset = held_out_waves(1024)
    for few, many in zip(held_out_waves(64), (frequency, offset), strict=True):
        np.testing.assert_array_equal(few, many[:64])
    for values, low, high in ((frequency, 0.5, 4), (offset, 0, 2 * np.pi)):
        assert low <= values.min() < values.max() < high
        counts, _ = np.histogram(values, 8, (low, high))
        assert np.sum((counts - 128) ** 2 / 128) < 24.3  # chi squared, 7 degrees, 0.1 %
    assert abs(np.corrcoef(frequency, offset)[0, 1]) < 0.1


def test_the_grid_reaches_beyond_the_trained_band_in_all_phases():
    waves = grid_waves()
    inside = in_trained_band(waves.frequency)
    assert waves.frequency[inside].min() == 0.5 and waves.frequency[inside].max() == 4
    assert waves.frequency.min() < 0.5 and waves.frequency.max() > 4
    phases = (waves.frequency * waves.offset).reshape(-1, 4)
    np.testing.assert_allclose(phases, np.tile([0, 0.25, 0.5, 0.75], (39, 1)), atol=1e-12)


def test_waves_are_what_they_say_at_any_step():
    waves = Waves(np.array([0.5, 1.0]), np.array([0.5, 0.25]))
    np.testing.assert_allclose(waves.values(10000, 10002)[:, 1], np.sin([np.pi / 2, np.pi * 0.52]))
    np.testing.assert_allclose(waves.values(9900, 9951)[[0, 50], 0], [-1, 0], atol=1e-11)


def test_histories_are_spoilt_as_asked():
    history, rng = np.zeros((100, 1000)), np.random.default_rng(0)
    np.testing.assert_array_equal(spoil(history, Spoiling(), rng), history)
    spoilt = spoil(history, Spoiling(noise=0.1, missing=0.2), rng)
    missing = spoilt == NO_INPUT
    assert missing.mean() == pytest.approx(0.2, abs=0.005)
    assert spoilt[~missing].std() == pytest.approx(0.1, rel=0.01)


def test_robustness_is_the_error_after_spoilt_histories_against_the_clean_wave():
    seen = []

    def watching(history, horizon):
        seen.append(history)
        return np.zeros((horizon, history.shape[1]))

    errors = robustness(watching)
    truth = held_out_waves(256).values(100, 100 + FIRST_400[1])
    np.testing.assert_allclose(errors, np.mean(truth**2))
    clean = held_out_waves(256).values(0, 100)
    for spoiling, history in zip(SPOILINGS, seen, strict=True):
        missing = history == NO_INPUT
        assert missing.mean() == pytest.approx(spoiling.missing, abs=0.01)
        assert (history - clean)[~missing].std() == pytest.approx(spoiling.noise, rel=0.02)


def test_a_model_takes_missing_values():
    history = spoil(WAVES.values(0, 100), Spoiling(missing=0.5), np.random.default_rng(0))
    predicted = forecast_function(load_pretrained())(history, 20)
    assert isinstance(predicted, np.ndarray) and predicted.shape == (20, 5)
    assert np.isfinite(predicted).all()
    expected = rollout(load_pretrained(), history, 20)[100:, :, 0]
    np.testing.assert_array_equal(predicted, np.asarray(expected))
