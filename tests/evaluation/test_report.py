import numpy as np
import pytest

from sinlstm_jax import load_pretrained, rollout
from sinlstm_jax.evaluation.baselines import sine_fit, zero
from sinlstm_jax.evaluation.errors import Waves, forecast_function, held_out_waves
from sinlstm_jax.evaluation.report import (
    FIRST_400,
    SPOILINGS,
    Spoiling,
    evaluate,
    grid_waves,
    in_trained_band,
    report,
    robustness,
    spoil,
)
from sinlstm_jax.signals.signal import NO_INPUT


def test_an_evaluation_holds_a_models_errors_by_interval_and_by_step():
    model, (frequency, offset) = load_pretrained(), held_out_waves(5)
    evaluation = evaluate(forecast_function(model), Waves(frequency, offset), 900)
    assert evaluation.intervals == ((0, 50), (0, 100), (0, 200), (0, 400), (400, 900))
    truth = np.sin(2 * np.pi * frequency * (np.arange(1000)[:, None] / 100 + offset))
    squared = (np.asarray(rollout(model, truth[:100], 900))[:, :, 0] - truth)[100:] ** 2
    expected = [squared[first:last].mean(axis=0) for first, last in evaluation.intervals]
    np.testing.assert_allclose(evaluation.errors, expected, rtol=1e-9)
    np.testing.assert_allclose(evaluation.error_over_time, squared.mean(axis=1), rtol=1e-9)


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


def test_the_grid_reaches_beyond_the_trained_band_in_all_phases():
    waves = grid_waves()
    inside = in_trained_band(waves.frequency)
    assert waves.frequency[inside].min() == 0.5 and waves.frequency[inside].max() == 4
    assert waves.frequency.min() < 0.5 and waves.frequency.max() > 4
    phases = (waves.frequency * waves.offset).reshape(-1, 4)
    np.testing.assert_allclose(phases, np.tile([0, 0.25, 0.5, 0.75], (39, 1)), atol=1e-12)


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
