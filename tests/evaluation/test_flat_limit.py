"""The limit of unknown amplitude and level against sums and fits, frequency by frequency."""

from functools import partial

import numpy as np
import pytest

from sinlstm_jax import NO_INPUT, InputError
from sinlstm_jax.evaluation import limit
from sinlstm_jax.evaluation.flat_limit import flat_limit_forecast
from sinlstm_jax.evaluation.limit import limit_forecast

# Mean squared errors over 400 steps of 512 waves of 1 Hz and more, as a program that was written
# before this module had them: by noise, of 100 and 200 steps observed.
KNOWN = {0.1: (0.00956, 0.00182), 0.2: (0.0389, 0.00687)}


def histories(count, past, noise, seed=1, missing=0.0, horizon=0):
    """Return (history, truth) of waves of amplitude 1 around 0, `[time, wave]`."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(0.5, 4, count), rng.uniform(0, 2 * np.pi, count)
    truth = np.sin(2 * np.pi * frequency * np.arange(past + horizon)[:, None] / 100 + phase)
    history = truth[:past] + noise * rng.standard_normal((past, count))
    return np.where(rng.random(history.shape) < missing, NO_INPUT, history), truth[past:]


def basis(frequency, steps):
    """Return [1, cos, sin] of each frequency in Hz, at 100 Hz, `[frequency, step, 3]`."""
    angle = 2 * np.pi * frequency[:, None] * steps / 100
    return np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=2)


def fits(history, frequency):
    """Return (weights of the basis, squared residual, log |det R|) of least squares by QR."""
    seen = np.flatnonzero(history != NO_INPUT)
    q, r = np.linalg.qr(basis(frequency, seen))
    weights = np.linalg.solve(r, q.swapaxes(1, 2) @ history[seen, None])
    residual = history[seen] - (basis(frequency, seen) @ weights)[..., 0]
    size = np.log(np.abs(np.diagonal(r, axis1=1, axis2=2))).sum(axis=1)
    return weights[..., 0], np.square(residual).sum(axis=1), size


def by_least_squares(history, horizon, noise, cells):
    """Return the mean forecast of fits at a fine grid of frequencies, each weighed by QR's parts.

    p(x | w) of a linear model with flat coefficients is exp(-|residual|^2 / 2 noise^2) / |det R|.
    """
    frequency = 0.5 + 3.5 * (np.arange(cells) + 0.5) / cells
    weights, residual, size = fits(history, frequency)
    chance = -residual / (2 * noise**2) - size
    chance = np.exp(chance - chance.max())
    later = np.arange(len(history), len(history) + horizon)
    return np.einsum("f,fk,ftk->t", chance / chance.sum(), weights, basis(frequency, later))


def best_fit(history, horizon):
    """Return the forecast of the fit with the least residual of all frequencies there are."""
    low, high = 0.5, 4.0
    for _ in range(4):  # around the best so far, ever closer
        frequency = np.linspace(low, high, 300)
        weights, residual, _ = fits(history, frequency)
        best = residual.argmin()
        low, high = frequency[max(best - 1, 0)], frequency[min(best + 1, 299)]
    later = np.arange(len(history), len(history) + horizon)
    return basis(frequency[best : best + 1], later)[0] @ weights[best]


def cell_by_cell(history, horizon, noise, low, high, frequencies=120, farthest=4.0, values=49):
    """Sum a posterior over even grids of frequency, level, cosine and sine, all four."""
    total, forecast = 0.0, np.zeros(horizon)
    coefficients = np.linspace(-farthest, farthest, values)
    grid = np.stack(np.meshgrid(*[coefficients] * 3, indexing="ij")).reshape(3, -1)
    seen = np.flatnonzero(history != NO_INPUT)
    later = np.arange(len(history), len(history) + horizon)
    for i in range(frequencies):
        frequency = np.array([low + (high - low) * (i + 0.5) / frequencies])
        squares = np.zeros(grid.shape[1])
        for x, row in zip(history[seen], basis(frequency, seen)[0], strict=True):
            squares += np.square(x - row @ grid)
        weight = np.exp(-squares / (2 * noise**2))
        total += weight.sum()
        forecast += basis(frequency, later)[0] @ (grid @ weight)
    return forecast / total


def test_it_is_the_mean_of_the_posterior_summed_over_all_four_unknowns(monkeypatch):
    monkeypatch.setattr(limit, "STEP", 0.2)  # as fine a grid as the sum's
    rng, low, high, noise = np.random.default_rng(3), 12.0, 35.0, 0.5
    steps = np.arange(12)[:, None]
    history = 0.3 + np.sin(2 * np.pi * np.array([14.0, 25.0]) * steps / 100 + [1.0, 4.0])
    history += noise * rng.standard_normal(history.shape)
    history[[0, 5, 6], 1] = NO_INPUT
    found = flat_limit_forecast(history, 6, noise, (low, high))
    for wave in range(2):
        want = cell_by_cell(history[:, wave], 6, noise, low, high)
        assert np.abs(want).max() > 0.3
        np.testing.assert_allclose(found[:, wave], want, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("past", "noise", "missing"), [(40, 0.1, 0.0), (100, 0.2, 0.4)])
def test_it_is_the_mean_over_fits_by_their_evidence(past, noise, missing, monkeypatch):
    monkeypatch.setattr(limit, "STEP", 0.2)  # as fine a grid as that of the fits
    history, _ = histories(4, past, noise, missing=missing)
    found = flat_limit_forecast(history, 120, noise)
    for wave in range(4):
        want = by_least_squares(history[:, wave], 120, noise, 4000)
        np.testing.assert_allclose(found[:, wave], want, rtol=0, atol=1e-4 * np.abs(want).max())


def test_it_is_the_fit_where_it_is_told_of_hardly_any_noise():
    """Its evidence then rises by millions over the frequencies, far beyond what exp can take."""
    history, _ = histories(3, 40, 0.02, missing=0.1)
    found = flat_limit_forecast(history, 60, 1e-3)
    for wave in range(3):
        want = best_fit(history[:, wave], 60)
        np.testing.assert_allclose(found[:, wave], want, rtol=0, atol=1e-3 * np.abs(want).max())


@pytest.mark.slow
def test_it_has_the_known_errors():
    rng = np.random.default_rng(5)
    frequency, phase = rng.uniform(0.5, 4, 512), rng.uniform(0, 2 * np.pi, 512)
    for noise, errors in KNOWN.items():
        for past in (20, 30, 50, 100, 200, 300):  # what is not judged is drawn all the same
            steps = np.arange(past + 400)[:, None]
            truth = np.sin(2 * np.pi * frequency * steps / 100 + phase)
            history = truth[:past] + noise * rng.standard_normal((past, 512))
            if past in (100, 200):
                few = frequency >= 1
                forecast = flat_limit_forecast(history[:, few], 400, noise)
                error = np.mean((forecast - truth[past:, few]) ** 2)
                assert error == pytest.approx(errors[past // 100 - 1], rel=2e-3)


@pytest.mark.parametrize(("past", "noise", "missing"), [(100, 0.1, 0.0), (50, 0.2, 0.5)])
def test_finer_and_coarser_grids_change_no_third_digit(past, noise, missing, monkeypatch):
    history, truth = histories(64, past, noise, missing=missing, horizon=400)
    errors = []
    for step in (0.5, 1.0, 2.0):
        monkeypatch.setattr(limit, "STEP", step)
        errors.append(np.mean((flat_limit_forecast(history, 400, noise) - truth) ** 2))
    assert len(set(errors)) == 3
    np.testing.assert_allclose(errors, errors[1], rtol=1e-3)


@pytest.mark.parametrize("noise", [0.1, 0.2])
@pytest.mark.slow
def test_no_fit_is_better_and_who_knows_the_amplitude_is(noise):
    history, truth = histories(256, 100, noise, horizon=400)
    unknown, known, fitted = (
        np.mean((forecast - truth) ** 2)
        for forecast in (
            flat_limit_forecast(history, 400, noise),
            limit_forecast(history, 400, noise),
            np.stack([best_fit(each, 400) for each in history.T], axis=1),
        )
    )
    assert known < unknown < fitted


def test_level_and_amplitude_mean_nothing_to_it():
    history, _ = histories(20, 100, 0.1, missing=0.2)
    want = flat_limit_forecast(history, 50, 0.1)
    rng = np.random.default_rng(0)
    factor, level = 10 ** rng.uniform(0, 4, 20), rng.uniform(-50_000, 50_000, 20)
    other = np.where(history == NO_INPUT, NO_INPUT, history * factor + level)
    found = flat_limit_forecast(other, 50, 0.1 * factor)
    np.testing.assert_allclose((found - level) / factor, want, rtol=0, atol=1e-7)


def test_each_wave_has_its_own_noise():
    history, _ = histories(3, 60, 0.1)
    found = flat_limit_forecast(history, 40, [0.1, 0.2, 0.4])
    for wave, noise in enumerate((0.1, 0.2, 0.4)):
        alone = by_least_squares(history[:, wave], 40, noise, 4000)
        np.testing.assert_allclose(found[:, wave], alone, rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"noise": 0}, "noise is 0.0: give a number above 0; .* sine_fit"),
        ({"noise": [0.1, -1]}, "noise is -1.0: give a finite number above 0"),
        ({"noise": [0.1, np.inf]}, "noise is inf: give a finite number above 0"),
        ({"noise": "loud"}, "noise: not an array of real numbers"),
        ({"noise": [0.1] * 3}, r"noise has shape \(3,\): .* one for each wave, \(2,\)"),
        ({"horizon": 0}, "horizon is 0"),
        ({"frequency": (0.5, 60)}, "60 Hz is above half"),
        ({"frequency": (4, 0.5)}, r"frequency is \(4, 0.5\)"),
        ({"sampling_rate": 0}, "sampling_rate is 0"),
        (
            {"history": np.where(np.arange(9)[:, None] < [9, 3], 1.0, NO_INPUT)},
            "wave 1 of the history has 3 observed values: .* takes 4 or more",
        ),
    ],
)
def test_what_has_no_limit_is_named(change, complaint):
    settings = {"history": histories(2, 100, 0.1)[0], "horizon": 5, "noise": 0.1} | change
    with pytest.raises(InputError, match=complaint):
        partial(flat_limit_forecast, **settings)()
