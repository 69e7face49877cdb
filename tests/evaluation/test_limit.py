import math

import numpy as np
import pytest

from sinlstm_jax import InputError
from sinlstm_jax.evaluation import limit
from sinlstm_jax.evaluation.baselines import sine_fit
from sinlstm_jax.evaluation.errors import HELD_OUT_SEED, held_out_waves
from sinlstm_jax.evaluation.limit import limit_forecast
from sinlstm_jax.evaluation.windows import Spoiling, spoil
from sinlstm_jax.signals.signal import NO_INPUT

# Mean squared errors of sine fits and of the limit on the waves of the robustness table, to the
# digits that were known before this module.
KNOWN = {
    Spoiling(noise=0.1): (0.00999, 0.0090),
    Spoiling(noise=0.2): (0.0390, 0.0347),
    Spoiling(noise=0.1, missing=0.5): (0.0186, 0.0151),
}


def spoilt(spoiling):
    """Return the histories of the robustness table, and how they go on."""
    waves = held_out_waves(256)
    rng = np.random.default_rng(HELD_OUT_SEED)
    return spoil(waves.values(0, 100), spoiling, rng), waves.values(100, 500)


def posterior_mean(history, horizon, noise, low, high, frequencies=300, phases=120):
    """Sum a posterior cell by cell, in plain Python; frequencies in radians a step."""
    total, forecast = 0.0, [0.0] * horizon
    for i in range(frequencies):
        frequency = low + (high - low) * (i + 0.5) / frequencies
        for j in range(phases):
            phase = 2 * math.pi * j / phases
            squares = sum(
                (x - math.sin(frequency * t + phase)) ** 2
                for t, x in enumerate(history)
                if x != NO_INPUT
            )
            weight = math.exp(-squares / (2 * noise**2))
            total += weight
            for step in range(horizon):
                forecast[step] += weight * math.sin(frequency * (len(history) + step) + phase)
    return [value / total for value in forecast]


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_the_limit_is_the_mean_of_the_posterior_summed_cell_by_cell(noise, monkeypatch):
    monkeypatch.setattr(limit, "STEP", 0.2)  # as fine a grid as the sum's
    rng = np.random.default_rng(5)
    time = np.arange(10)[:, None]
    history = np.sin(np.array([0.4, 1.3, 2.4]) * time + [0.3, 2.0, 5.0])
    history += noise * rng.standard_normal(history.shape)
    history[[0, 4, 5], 1] = history[1:, 2] = NO_INPUT  # some gaps; one value alone
    low, high, rate = 5.0, 40.0, 100.0
    forecast = limit_forecast(history, 6, noise, (low, high), rate)
    turn = 2 * math.pi / rate
    for wave in range(3):
        expected = posterior_mean(history[:, wave], 6, noise, turn * low, turn * high)
        np.testing.assert_allclose(forecast[:, wave], expected, rtol=0, atol=1e-4)


def test_the_evidence_may_rise_by_far_over_the_frequencies():
    """Two values near 0 side by side say that the wave is of half the sampling rate."""
    history = np.full((100, 1), NO_INPUT)
    history[98:, 0] = 0.02, -0.02
    forecast = limit_forecast(history, 3, 0.05, (26.0, 50.0))
    low, high = np.pi * 0.52, np.pi
    expected = posterior_mean(history[98:, 0], 3, 0.05, low, high, 300, 240)
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(forecast[:, 0], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("spoiling", KNOWN)
def test_the_limit_has_the_known_errors_and_beats_a_sine_fit(spoiling):
    history, truth = spoilt(spoiling)
    errors = [
        np.mean((forecast - truth) ** 2)
        for forecast in (sine_fit(history, 400), limit_forecast(history, 400, spoiling.noise))
    ]
    np.testing.assert_allclose(errors, KNOWN[spoiling], rtol=0, atol=0.5e-4)
    assert errors[1] < errors[0]


@pytest.mark.parametrize("spoiling", KNOWN)
def test_a_grid_of_half_the_steps_gives_the_same_errors(spoiling, monkeypatch):
    history, truth = (x[:, :64] for x in spoilt(spoiling))
    error = np.mean((limit_forecast(history, 400, spoiling.noise) - truth) ** 2)
    monkeypatch.setattr(limit, "STEP", limit.STEP / 2)
    finer = np.mean((limit_forecast(history, 400, spoiling.noise) - truth) ** 2)
    assert error != finer
    assert error == pytest.approx(finer, rel=1e-3)


def test_what_the_limit_leaves_is_uncorrelated_with_it():
    """So it is for a posterior mean alone, over waves that are drawn from the prior."""
    rng, past, noise, waves = np.random.default_rng(8), 40, 0.5, 4000
    frequency, phase = rng.uniform(0.5, 4, waves), rng.uniform(0, 2 * np.pi, waves)
    truth = np.sin(2 * np.pi * frequency * np.arange(past + 60)[:, None] / 100 + phase)
    history = truth[:past] + noise * rng.standard_normal((past, waves))
    forecast = limit_forecast(history, 60, noise)
    products = np.mean(forecast * (truth[past:] - forecast), axis=0)
    assert abs(products.mean()) < 4 * products.std() / np.sqrt(waves)
    for factor in (0.9, 1.1):
        scaled = np.mean(forecast * (truth[past:] - factor * forecast), axis=0)
        assert abs(scaled.mean()) > 4 * scaled.std() / np.sqrt(waves)


def test_the_limit_of_nothing_observed_is_zero():
    np.testing.assert_allclose(limit_forecast(np.full((9, 2), NO_INPUT), 5, 0.2), 0, atol=1e-12)


def test_the_limit_of_little_noise_is_the_wave():
    waves = held_out_waves(8)
    forecast = limit_forecast(waves.values(0, 100), 50, 0.01)
    np.testing.assert_allclose(forecast, waves.values(100, 150), rtol=0, atol=1e-3)


def test_only_cycles_a_step_matter():
    history, _ = (x[:, :8] for x in spoilt(Spoiling(noise=0.2)))
    np.testing.assert_allclose(
        limit_forecast(history, 100, 0.2, (5.0, 40.0), 1000),
        limit_forecast(history, 100, 0.2),
        rtol=0,
        atol=1e-9,
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((10, 0), "noise is 0: .* sine_fit"),
        ((10, 0.0), "noise is 0.0: .* sine_fit"),
        ((10, -1), "noise is -1: give a finite number above 0"),
        ((10, "loud"), "noise is 'loud': give a finite number above 0"),
        ((0, 0.1), "horizon is 0"),
        ((10, 0.1, (4.0, 0.5)), r"frequency is \(4.0, 0.5\)"),
        ((10, 0.1, (0.5, 60.0)), "above half the sampling rate"),
        ((10, 0.1, (0.5, 4.0), 0), "sampling_rate is 0"),
    ],
)
def test_what_the_limit_cannot_use_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        limit_forecast(np.zeros((20, 1)), *arguments)
