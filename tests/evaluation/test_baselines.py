import numpy as np
import pytest
import scipy.optimize

from sinlstm_jax import InputError
from sinlstm_jax.evaluation.baselines import fit_sine, last_value, sine_fit, zero
from sinlstm_jax.signals.signal import NO_INPUT

RNG = np.random.default_rng(3)
FREQUENCY = RNG.uniform(0.25, 8, 60)
ANGLE = RNG.uniform(0, 2 * np.pi, 60)
AMPLITUDE = RNG.uniform(0.3, 2, 60)


def waves(first, last):
    time = np.arange(first, last)[:, None] / 100
    return AMPLITUDE * np.sin(2 * np.pi * FREQUENCY * time + ANGLE)


def with_gaps(history):
    return np.where(np.random.default_rng(1).random(history.shape) < 0.5, NO_INPUT, history)


@pytest.mark.parametrize("spoil", [lambda history: history, with_gaps])
def test_a_sine_fit_is_exact_on_clean_waves_with_and_without_gaps(spoil):
    history = spoil(waves(0, 100))
    np.testing.assert_allclose(sine_fit(history, 10000), waves(100, 10100), rtol=0, atol=1e-9)
    frequency, cosine, sine = fit_sine(history)
    np.testing.assert_allclose(frequency, FREQUENCY, rtol=1e-11)
    np.testing.assert_allclose(np.hypot(cosine, sine), AMPLITUDE, rtol=1e-10)


def test_a_sine_fit_to_noise_is_scipys_least_squares():
    history = with_gaps(waves(0, 100) + 0.2 * RNG.standard_normal((100, FREQUENCY.size)))
    frequency, cosine, sine = fit_sine(history)
    for wave in np.flatnonzero(FREQUENCY > 1):  # slower ones have no clear minimum
        seen = history[:, wave] != NO_INPUT
        time, values = np.arange(100)[seen] / 100, history[seen, wave]

        def residual(x, time=time, values=values):
            angle = 2 * np.pi * x[0] * time
            return x[1] * np.cos(angle) + x[2] * np.sin(angle) - values

        start = FREQUENCY[wave], AMPLITUDE[wave], AMPLITUDE[wave]
        best = scipy.optimize.least_squares(residual, start, xtol=1e-12, ftol=1e-12, gtol=1e-12)
        ours = np.sum(residual([frequency[wave], cosine[wave], sine[wave]]) ** 2)
        assert ours <= 2 * best.cost * (1 + 1e-9)


def test_a_sine_fit_needs_three_values():
    history = np.full((5, 2), NO_INPUT)
    history[:3, 0] = history[:2, 1] = 0.5
    with pytest.raises(InputError, match="fewer than 3 observed values"):
        fit_sine(history)


def test_zero_and_the_last_value_are_what_they_say():
    history = np.array([[1.0, 2.0, NO_INPUT], [3.0, NO_INPUT, NO_INPUT]])
    np.testing.assert_array_equal(zero(history, 2), [[0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(last_value(history, 2), [[3, 2, 0], [3, 2, 0]])
