"""The limit of unknown amplitude and level against least squares, frequency by frequency."""

from functools import partial

import numpy as np
import pytest

from sinlstm_jax import NO_INPUT, InputError
from sinlstm_jax.evaluation import limit
from sinlstm_jax.evaluation.flat_limit import flat_limit_forecast
from sinlstm_jax.evaluation.limit import limit_forecast


def histories(count, past, noise, seed=1, missing=0.0, horizon=0):
    """Return (history, truth) of waves of amplitude 1 around 0, `[time, wave]`."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(0.5, 4, count), rng.uniform(0, 2 * np.pi, count)
    truth = np.sin(2 * np.pi * frequency * np.arange(past + horizon)[:, None] / 100 + phase)
    history = truth[:past] + noise * rng.standard_normal((past, count))
    return np.where(rng.random(history.shape) < missing, NO_INPUT, history), truth[past:]


def by_least_squares(history, horizon, noise, cells):
    """Return the mean forecast of fits at a fine grid of frequencies, each weighed by QR's parts.

    p(x | w) of a linear model with flat coefficients is exp(-|residual|^2 / 2 noise^2) / |det R|.
    """
    seen = np.flatnonzero(history != NO_INPUT)
    later = np.arange(len(history), len(history) + horizon)
    logs, forecasts = [], []
    for frequency in 0.5 + 3.5 * (np.arange(cells) + 0.5) / cells:
        turn = 2 * np.pi * frequency / 100

        def basis(steps, turn=turn):
            return np.stack([np.ones(len(steps)), np.cos(turn * steps), np.sin(turn * steps)], 1)

        q, r = np.linalg.qr(basis(seen))
        weights = np.linalg.solve(r, q.T @ history[seen])
        residual = history[seen] - basis(seen) @ weights
        logs.append(-(residual @ residual) / (2 * noise**2) - np.log(np.abs(np.diag(r))).sum())
        forecasts.append(basis(later) @ weights)
    chances = np.exp(np.array(logs) - np.max(logs))
    return chances @ np.array(forecasts) / chances.sum()


@pytest.mark.parametrize(("past", "noise", "missing"), [(40, 0.1, 0.0), (100, 0.2, 0.4)])
def test_it_is_the_mean_over_fits_by_their_evidence(past, noise, missing):
    history, _ = histories(6, past, noise, missing=missing)
    found = flat_limit_forecast(history, 120, noise)
    for wave in range(6):
        want = by_least_squares(history[:, wave], 120, noise, 6000)
        scale = np.abs(want).max()
        np.testing.assert_allclose(found[:, wave], want, atol=2e-3 * scale, rtol=0)


def test_it_is_the_truth_where_there_is_hardly_any_noise():
    history, truth = histories(5, 100, 1e-5, horizon=200)
    np.testing.assert_allclose(flat_limit_forecast(history, 200, 1e-5), truth, atol=1e-3)


def test_finer_and_coarser_grids_change_no_third_digit(monkeypatch):
    history, truth = histories(64, 100, 0.1, horizon=400)
    errors = []
    for step in (0.5, 1.0, 2.0):
        monkeypatch.setattr(limit, "STEP", step)
        errors.append(np.mean((flat_limit_forecast(history, 400, 0.1) - truth) ** 2))
    np.testing.assert_allclose(errors, errors[1], rtol=5e-3)


@pytest.mark.parametrize("noise", [0.1, 0.2])
def test_no_fit_is_better_and_who_knows_the_amplitude_is(noise):
    history, truth = histories(256, 100, noise, horizon=400)

    def error(forecast):
        return np.mean((forecast - truth) ** 2)

    unknown = error(flat_limit_forecast(history, 400, noise))
    assert error(limit_forecast(history, 400, noise)) < unknown
    best = []  # the fit of the lowest residual over a fine grid of frequencies
    steps, later = np.arange(100), np.arange(100, 500)
    for frequency in np.linspace(0.5, 4, 4000):
        turn = 2 * np.pi * frequency / 100
        basis, ahead = (
            np.stack([np.ones(len(t)), np.cos(turn * t), np.sin(turn * t)], 1)
            for t in (steps, later)
        )
        q, r = np.linalg.qr(basis)
        residual = np.sum(history**2, 0) - np.sum((q.T @ history) ** 2, 0)
        best.append((residual, ahead @ np.linalg.solve(r, q.T @ history)))
    residuals, forecasts = (np.array(x) for x in zip(*best, strict=True))
    fit = forecasts[residuals.argmin(0), :, np.arange(256)].T
    assert unknown < error(fit)


def test_level_and_amplitude_mean_nothing_to_it():
    history, _ = histories(20, 100, 0.1, missing=0.2)
    want = flat_limit_forecast(history, 50, 0.1)
    rng = np.random.default_rng(0)
    factor, level = 10 ** rng.uniform(-2, 4, 20), rng.uniform(-50_000, 50_000, 20)
    other = np.where(history == NO_INPUT, NO_INPUT, history * factor + level)
    found = flat_limit_forecast(other, 50, 0.1 * factor)
    np.testing.assert_allclose((found - level) / factor, want, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"noise": 0}, "noise is 0.0: give a number above 0"),
        ({"horizon": 0}, "horizon is 0"),
        ({"frequency": (0.5, 60)}, "60 Hz is above half"),
        ({"history": np.full((100, 2), NO_INPUT)}, "has 0 observed values: .* takes 4 or more"),
    ],
)
def test_what_has_no_limit_is_named(change, complaint):
    settings = {"history": histories(2, 100, 0.1)[0], "horizon": 5, "noise": 0.1} | change
    with pytest.raises(InputError, match=complaint):
        partial(flat_limit_forecast, **settings)()
