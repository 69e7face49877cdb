"""What windows are measured by: noise beside projections in float64, and noise that is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from noise_reference import noise_by_projection

from sinlstm_jax.window import measured


def samples(steps, windows, noise, missing, seed=3):
    """Return waves with noise on them, `[time, window]`, NaN where one is missing."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * rng.uniform(0.5, 4, windows) * (np.arange(steps)[:, None] / 100 + 1)
    values = np.sin(angle) + noise * rng.standard_normal((steps, windows))
    values[rng.random(values.shape) < missing] = np.nan
    return values


def noise_on(values, library=np, dtype=np.float64):
    """Return what `measured` tells of the noise on windows `[time, window]`, in their units."""
    values = library.asarray(values[:, :, None], dtype)
    window = measured(values, ~library.isnan(values))
    return np.ravel(window.noise * window.scale)


@pytest.mark.parametrize(("library", "dtype"), [(np, np.float64), (jnp, np.float32)])
@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("steps", [3, 5, 20, 300])
def test_noise_is_what_cubics_leave_of_five_neighbours(steps, missing, library, dtype):
    values = samples(steps, 6, 0.1, missing)
    found = noise_on(values, library, dtype)
    want = [noise_by_projection(each) for each in values.T]
    np.testing.assert_allclose(found, want, rtol=1e-9 if library is np else 2e-4, atol=2e-7)


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.2])
@pytest.mark.parametrize(("steps", "missing"), [(30, 0.0), (100, 0.2), (300, 0.5)])
def test_noise_that_is_known_is_found(noise, steps, missing):
    found = noise_on(samples(steps, 400, noise, missing))
    np.testing.assert_allclose(np.sqrt(np.mean(found**2)), noise, rtol=0.08)


def test_of_smooth_waves_next_to_nothing_is_taken_for_noise():
    assert noise_on(samples(100, 400, 0, 0)).max() < 0.001
    assert noise_on(samples(100, 400, 0, 0.5)).max() < 0.02


def test_level_and_amplitude_mean_nothing_to_it():
    values = samples(100, 6, 0.1, 0.2)
    np.testing.assert_allclose(noise_on(50_000 + 1000 * values), 1000 * noise_on(values), rtol=1e-8)


@pytest.mark.parametrize("library", [np, jnp])
def test_samples_far_apart_and_windows_without_any_have_a_finite_noise(library):
    values = np.full((100_000, 3), np.nan)
    values[::24_000, 0] = [1, 2, 1, 3, 1]
    values[10:14, 1] = [1, 2, 1, 3]
    found = noise_on(values, library, np.float32)
    want = [noise_by_projection(values[:, 0]), 0.1 * np.std([1, 2, 1, 3]), 0.1]
    np.testing.assert_allclose(found, want, rtol=1e-3)


def test_what_was_not_observed_may_hold_anything_and_has_no_gradient():
    values, observed = np.float32(samples(40, 2, 0.1, 0))[:, :, None], np.ones((40, 2, 1), bool)
    observed[::3] = False

    def noise(values):
        return measured(values, observed).noise.sum()

    other = np.where(observed, values, 1e10)
    np.testing.assert_array_equal(measured(other, observed).noise, measured(values, observed).noise)
    gradient = np.asarray(jax.grad(noise)(jnp.asarray(values)))
    assert np.isfinite(gradient).all() and not gradient[~observed].any()
