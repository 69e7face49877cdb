from functools import partial

import numpy as np
import pytest
import scipy.optimize
import scipy.signal

from sinlstm_jax import InputError, Recording, Sines, Tones
from sinlstm_jax.evaluation.baselines import (
    NAMES,
    baselines_of,
    burg,
    fit_sine,
    last_value,
    linear_prediction,
    seasonal_naive,
    sine_fit,
    tones_fit,
    zero,
)
from sinlstm_jax.evaluation.fits import fit_tones
from sinlstm_jax.evaluation.sines import grid_waves, held_out_sines
from sinlstm_jax.signals.signal import NO_INPUT
from sinlstm_jax.signals.sines import SINES

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


@pytest.mark.parametrize("every", [10, 20, 25])
def test_a_sine_fit_is_finite_where_every_tenth_sample_alone_is_there(every):
    time = np.arange(300) / 100
    history = np.sin(2 * np.pi * 0.7 * time + 0.3)[:, None]
    history[np.arange(300) % every != 3] = NO_INPUT
    with np.errstate(all="raise"):
        frequency, cosine, sine = fit_sine(history)
    fitted = cosine * np.cos(2 * np.pi * frequency * time) + sine * np.sin(
        2 * np.pi * frequency * time
    )
    known = history[:, 0] != NO_INPUT
    np.testing.assert_allclose(fitted[known], history[known, 0], atol=1e-6)


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


ANY_SCALE = {
    "seasonal": seasonal_naive,
    "linear": linear_prediction,
    "one tone": partial(tones_fit, count=1),
    "two tones": tones_fit,
}


@pytest.mark.parametrize("forecaster", ANY_SCALE.values(), ids=ANY_SCALE)
@pytest.mark.parametrize("past", [20, 100])
@pytest.mark.parametrize("missing", [0, 0.5])
def test_a_forecast_goes_along_with_offset_and_scale(forecaster, past, missing):
    rng = np.random.default_rng(7)
    history = waves(0, past)[:, :20] + 0.1 * rng.standard_normal((past, 20))
    gaps = rng.permuted(np.arange(past)[:, None] < missing * past + np.zeros(20), axis=0)
    forecast = forecaster(np.where(gaps, NO_INPUT, history), 50)
    moved = forecaster(np.where(gaps, NO_INPUT, 50_000 + 1_000 * history), 50)
    assert forecast.shape == (50, 20) and np.isfinite(forecast).all()
    size = np.abs(forecast).max(axis=0)
    assert np.max(np.abs((moved - 50_000) / 1_000 - forecast) / size) < 1e-6


@pytest.mark.parametrize("forecaster", ANY_SCALE.values(), ids=ANY_SCALE)
@pytest.mark.parametrize("value", [0.0, 0.1, -1e8])
@pytest.mark.parametrize("spoil", [lambda history: history, with_gaps])
def test_a_constant_goes_on(forecaster, value, spoil):
    history = spoil(np.full((40, 3), value))
    np.testing.assert_allclose(forecaster(history, 30), value, rtol=1e-14)


@pytest.mark.parametrize("forecaster", [seasonal_naive, linear_prediction])
def test_one_observed_value_is_needed_and_enough(forecaster):
    history = np.full((20, 2), NO_INPUT)
    history[5, 0] = 0.5
    np.testing.assert_array_equal(forecaster(history[:, :1], 3), 0.5)
    np.testing.assert_array_equal(forecaster(history[5:6, :1], 3), 0.5)
    with pytest.raises(InputError, match="no observed value"):
        forecaster(history, 3)


@pytest.mark.parametrize("period", [2, 7, 31, 50])
def test_a_seasonal_forecast_is_exact_where_periods_are_whole(period):
    pattern = 1e4 + np.random.default_rng(2).standard_normal((period, 5))
    series = np.tile(pattern, (500 // period + 1, 1))
    np.testing.assert_array_equal(seasonal_naive(series[:100], 300), series[100:400])


def test_a_seasonal_forecast_takes_no_shorter_period_that_fits_worse():
    time = np.arange(400)[:, None]
    series = np.sin(2 * np.pi * time / 10) + 0.35 * np.sin(2 * np.pi * time / 20)
    np.testing.assert_allclose(seasonal_naive(series[:100], 300), series[100:], atol=1e-12)


def test_a_seasonal_forecast_looks_back_where_the_last_period_has_gaps():
    series = np.tile(np.random.default_rng(2).standard_normal((9, 5)), (50, 1))
    history = with_gaps(series[:100])
    assert (history[-9:] == NO_INPUT).any(axis=0).all()
    np.testing.assert_array_equal(seasonal_naive(history, 300), series[100:400])


def test_a_seasonal_forecast_interpolates_what_no_period_has():
    series = np.tile(np.random.default_rng(2).standard_normal((9, 1)), (50, 1))
    history = series[:100].copy()
    history[::9] = NO_INPUT  # so it lies between the pattern's last and second
    expected = series.copy()
    expected[::9] = (series[8] + series[1]) / 2
    np.testing.assert_allclose(seasonal_naive(history, 300), expected[100:400], rtol=1e-14)


def test_a_seasonal_forecast_is_the_mean_where_nothing_comes_again():
    ramp, noise = np.arange(60.0), np.random.default_rng(2).standard_normal(60)
    history = np.stack([ramp, noise], axis=1)
    np.testing.assert_allclose(
        seasonal_naive(history, 10), np.tile(history.mean(axis=0), (10, 1)), rtol=1e-12
    )


def test_a_seasonal_forecast_of_noisy_sines_is_their_last_period():
    """Of whole periods, it has the noise of the history and no error else."""
    rng, period = np.random.default_rng(4), np.array([20, 25, 30, 40])
    time = np.arange(500)[:, None]
    truth = np.sin(2 * np.pi * time / period + [0, 1, 2, 3])
    noise = 0.05 * rng.standard_normal((100, 4))
    forecast = seasonal_naive(truth[:100] + noise, 400)
    for wave, steps in enumerate(period):
        last = (truth[:100] + noise)[-steps:, wave]
        np.testing.assert_array_equal(forecast[:steps, wave], last)


def plain_burg(values, order):
    """Return the weights of an AR model by Burg's method, one wave, one number after the other."""
    steps = len(values)
    forward, backward, weights = list(values), list(values), []
    for m in range(1, order + 1):
        pairs = [(forward[t], backward[t - 1]) for t in range(m, steps)]
        k = 2 * sum(f * b for f, b in pairs) / sum(f * f + b * b for f, b in pairs)
        weights = [w - k * back for w, back in zip(weights, weights[::-1], strict=True)] + [k]
        before = list(backward)
        for t in range(m, steps):
            backward[t] = before[t - 1] - k * forward[t]
            forward[t] -= k * before[t - 1]
    return weights


def test_linear_prediction_is_burgs_recursion_in_plain_python():
    history = waves(0, 40)[:, :5] + 0.3 * np.random.default_rng(3).standard_normal((40, 5))
    forecast = linear_prediction(history, 60)
    for wave in range(5):
        mean = history[:, wave].mean()
        series = list(history[:, wave] - mean)
        weights = plain_burg(series, 20)
        for _ in range(60):
            series.append(sum(w * x for w, x in zip(weights, series[::-1], strict=False)))
        np.testing.assert_allclose(forecast[:, wave], mean + np.array(series[40:]), atol=1e-9)


def test_burg_knows_an_autoregressive_process():
    first, second, steps = 1.5, -0.8, 100_000
    noise = np.random.default_rng(6).standard_normal((steps, 4))
    values = scipy.signal.lfilter([1], [1, -first, -second], noise, axis=0)
    reflection, held = burg(values, 4)
    estimates = reflection[0] * (1 - reflection[1]), reflection[1]
    # Both weights have the variance (1 - second**2) / steps, and those of what is not there
    # 1 / steps (Box and Jenkins).
    spread = np.sqrt((1 - second**2) / steps)
    np.testing.assert_allclose(estimates[0], first, rtol=0, atol=4 * spread)
    np.testing.assert_allclose(estimates[1], second, rtol=0, atol=4 * spread)
    np.testing.assert_allclose(reflection[2:], 0, atol=4 / np.sqrt(steps))
    np.testing.assert_array_equal(held[0], values[-1])


def test_burg_misses_a_clean_tone_by_as_much_as_is_known():
    """With n pairs of neighbours and C the sum of the cosines of their angles' sums,

    k_1 is (n cos w - C) / (n - C cos w), and |C| at most 1 / sin w. With k_2 near -1, the frequency
    that two weights find is then off by at most 1 / n radians, to first order in 1 / n.
    """
    pairs = 49
    w, phase = np.meshgrid(2 * np.pi * np.linspace(0.1, 0.4, 31), np.linspace(0, 2 * np.pi, 25))
    w, angle = w.ravel(), w.ravel() * np.arange(pairs + 1)[:, None] + phase.ravel()
    (first, second), _ = burg(np.sin(angle), 2)
    c = np.cos(angle[1:] + angle[:-1]).sum(axis=0)
    np.testing.assert_allclose(
        first, (pairs * np.cos(w) - c) / (pairs - c * np.cos(w)), rtol=0, atol=1e-12
    )
    found = np.arccos(first * (1 - second) / (2 * np.sqrt(-second)))
    assert np.abs(found - w).max() < 1 / pairs + 1 / pairs**2
    np.testing.assert_allclose(second, -1, atol=1 / pairs)


def test_linear_prediction_is_exact_where_burg_has_no_bias():
    history = np.stack([np.tile([1.0, 0.0, -1.0, 0.0], 25), np.tile([1.0, -1.0], 50)], axis=1)
    np.testing.assert_allclose(linear_prediction(history, 4000), np.tile(history, (40, 1)))


def test_linear_prediction_stays_bounded():
    series = np.sin(2 * np.pi * np.linspace(0.002, 0.45, 80) * np.arange(100)[:, None] + 0.5)
    size = np.abs(linear_prediction(series, 20_000))
    assert size[10_000:].max() <= 1.01 * size[:10_000].max() < 4


def test_linear_prediction_fills_gaps_by_straight_lines():
    filled = waves(0, 50)[:, :1].copy()
    history = filled.copy()
    filled[11:14, 0] = np.linspace(filled[10, 0], filled[14, 0], 5)[1:4]
    filled[:2], filled[48:] = filled[2], filled[47]
    history[11:14] = history[:2] = history[48:] = NO_INPUT
    np.testing.assert_allclose(
        linear_prediction(history, 30), linear_prediction(filled, 30), atol=1e-9
    )


TONES = np.random.default_rng(9)
SLOW, APART = TONES.uniform(0.02, 0.2, 30), TONES.uniform(0.05, 0.25, 30)
PAIR = np.stack([SLOW, SLOW + APART])  # cycles a step, five cycles of a history apart and more
SIZES, TURNS = TONES.uniform(0.2, 1, (2, 30)), TONES.uniform(0, 2 * np.pi, (2, 30))


def tones(first, last, count):
    angle = 2 * np.pi * PAIR * np.arange(first, last)[:, None, None] + TURNS
    return np.sum((SIZES * np.sin(angle))[:, :count], axis=1)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("level, scale", [(0.3, 1.0), (50_000.0, 1_000.0)])
@pytest.mark.parametrize("spoil", [lambda history: history, with_gaps])
def test_a_fit_of_tones_is_exact_on_clean_ones(count, level, scale, spoil):
    history = spoil(level + scale * tones(0, 100, count))
    forecast = (tones_fit(history, 2000, count) - level) / scale
    np.testing.assert_allclose(forecast, tones(100, 2100, count), rtol=0, atol=1e-8)
    found_level, frequency, cosine, sine = fit_tones(history, count)
    np.testing.assert_allclose(found_level, level, rtol=1e-10)
    order = np.argsort(frequency, axis=0)
    frequency, size = (
        np.take_along_axis(x, order, 0) for x in (frequency, np.hypot(cosine, sine) / scale)
    )
    np.testing.assert_allclose(frequency, PAIR[:count], rtol=1e-10)
    np.testing.assert_allclose(size, SIZES[:count], rtol=1e-8)


def test_a_fit_of_tones_to_noise_is_scipys_least_squares():
    history = tones(0, 100, 2) + 0.1 * np.random.default_rng(5).standard_normal((100, 30))
    level, *found = fit_tones(history, 2)
    time = np.arange(100)[:, None]

    def residual(x, values):
        frequency, cosine, sine = x[1:].reshape(3, 2)
        angle = 2 * np.pi * frequency * time
        return x[0] + (cosine * np.cos(angle) + sine * np.sin(angle)).sum(axis=1) - values

    for wave, values in enumerate(history.T):
        phased = SIZES[:, wave] * np.sin(TURNS[:, wave]), SIZES[:, wave] * np.cos(TURNS[:, wave])
        start = np.concatenate([[0.0], PAIR[:, wave], *phased])  # the truth
        best = scipy.optimize.least_squares(residual, start, args=(values,), x_scale="jac")
        ours = residual(np.concatenate([[level[wave]], *(x[:, wave] for x in found)]), values)
        assert np.sum(ours**2) <= 2 * best.cost * (1 + 1e-6)


@pytest.mark.parametrize("count, needed", [(1, 4), (2, 7)])
def test_a_fit_of_tones_needs_a_value_for_each_unknown(count, needed):
    history = np.full((20, 2), NO_INPUT)
    history[:needed, 0] = history[: needed - 1, 1] = np.arange(needed)[: needed - 1].sum()
    assert np.isfinite(tones_fit(history[:, :1], 5, count)).all()
    with pytest.raises(InputError, match=f"fewer than {needed} observed values"):
        tones_fit(history, 5, count)
    with pytest.raises(InputError, match="count is 0"):
        tones_fit(history, 5, 0)


@pytest.mark.parametrize(
    ("signal", "fit"),
    [
        (SINES, ["sine fit"]),
        (Sines(level=(0, 1)), ["sine fit"]),
        (Tones(3), ["tones fit"]),
        (Tones(2, harmonic=True), []),
        (Recording(np.sin(np.arange(500.0))), []),
        (type("Others", (Sines,), {})(), []),
    ],
)
def test_each_signal_has_the_baselines_that_fit_it(signal, fit):
    there = ["zero", "last value", *fit, "seasonal naive", "linear prediction"]
    assert list(baselines_of(signal)) == there
    assert set(there) <= set(NAMES)


@pytest.mark.parametrize(
    "signal",
    [
        SINES,
        Sines(amplitude=(1, 2), level=(-1, 1)),
        Sines((5, 40), amplitude=(1, 2), level=(3, 3), sampling_rate=1000),
        Sines((5, 30)),
        Sines((5, 40), sampling_rate=1000),
    ],
)
@pytest.mark.parametrize("spoil", [lambda history: history, with_gaps])
def test_sine_fits_are_exact_on_whatever_sines_they_are_for(signal, spoil):
    for waves in (held_out_sines(signal, 30), grid_waves(signal)):
        forecast = baselines_of(signal)["sine fit"](spoil(waves.values(0, 100)), 900)
        np.testing.assert_allclose(forecast, waves.values(100, 1000), rtol=0, atol=1e-7)


def test_a_tones_fit_is_of_as_many_as_there_are():
    time = np.arange(600)[:, None] / 100
    values = sum(
        a * np.sin(2 * np.pi * f * time + f) for a, f in ((1, 0.8), (0.5, 2.1), (0.7, 3.9))
    )
    fit = baselines_of(Tones(3))["tones fit"]
    np.testing.assert_allclose(fit(values[:200], 400), values[200:], rtol=0, atol=1e-6)


@pytest.mark.parametrize("signal", [SINES, Sines(level=(0, 1)), Tones(2)])
def test_what_has_too_few_values_goes_on_as_the_last_and_the_others_as_ever(signal):
    history = held_out_sines(SINES, 3).values(0, 60)
    history += 0.1 * np.random.default_rng(0).standard_normal(history.shape)
    history[:, 1] = NO_INPUT
    history[[2, 9], 1] = 0.5, 0.7
    history[:, 2] = NO_INPUT
    for name, each in baselines_of(signal).items():
        forecast = each(history, 40)
        np.testing.assert_array_equal(forecast[:, 2], 0)
        if name.endswith("fit"):
            np.testing.assert_array_equal(forecast[:, 1], 0.7)
        np.testing.assert_allclose(forecast[:, :1], each(history[:, :1], 40), atol=1e-6)


@pytest.mark.parametrize(("true", "fitted"), [(0.02, 0.05), (10.3, 9.95)])  # Hz
def test_a_sine_fit_stays_within_its_frequencies(true, fitted):
    history = np.sin(2 * np.pi * true * np.arange(100) / 100)[:, None]
    assert fit_sine(history)[0] == pytest.approx(fitted, abs=1e-9)


def test_a_fit_of_tones_stays_within_its_frequencies():
    step, ends = np.arange(100), np.array([0.001, 0.4999])  # cycles a step
    history = np.cos(2 * np.pi * ends * step[:, None] + 0.5)
    _, frequency, _, _ = fit_tones(history, 1)
    np.testing.assert_allclose(frequency[0], [0.0025, 0.4975], rtol=1e-9)


def yin(values):
    """Return the period as the docstring tells it, of values with None where missing."""
    past = len(values)
    squares = {}
    for lag in range(1, 3 * past // 4 + 1):
        pairs = [
            (values[step] - values[step - lag]) ** 2
            for step in range(lag, past)
            if values[step] is not None and values[step - lag] is not None
        ]
        if len(pairs) >= 3:
            squares[lag] = sum(pairs) / len(pairs)
    ratio = {}
    for lag in squares:
        before = [squares[each] for each in squares if each <= lag]
        ratio[lag] = squares[lag] / (sum(before) / len(before))
    far = float("inf")
    dips = {
        lag: each
        for lag, each in ratio.items()
        if each < 0.3 and each <= min(ratio.get(lag - 1, far), ratio.get(lag + 1, far))
    }
    return min((lag for lag in dips if dips[lag] <= min(dips.values()) + 0.1), default=0)


def test_a_seasonal_forecasts_period_is_yins_in_plain_python():
    rng, past, waves = np.random.default_rng(11), 24, 400
    period = rng.integers(3, 15, waves)
    history = np.sin(2 * np.pi * np.arange(past)[:, None] / period + rng.uniform(0, 6, waves))
    history += rng.uniform(0, 0.6, waves) * rng.standard_normal((past, waves))
    observed = rng.random((past, waves)) > rng.uniform(0, 0.8, waves)
    observed[0] = True
    history = np.where(observed, history, NO_INPUT)
    found = seasonal_naive(history, past)
    periods = []
    for values, seen, forecast in zip(history.T, observed.T, found.T, strict=True):
        lag = yin([value if known else None for value, known in zip(values, seen, strict=True)])
        periods.append(lag)
        if lag == 0:
            np.testing.assert_allclose(forecast, values[seen].mean(), rtol=1e-12)
            continue
        np.testing.assert_array_equal(forecast[lag:], forecast[:-lag])
        last = {}  # of each step of the period, the latest value
        for step in np.flatnonzero(seen):
            last[step % lag] = values[step]
        for step in range(past):
            if (past + step) % lag in last:
                assert forecast[step] == last[(past + step) % lag]
    assert len(set(periods)) > 10 and periods.count(0) > 50


def test_burg_does_not_predict_what_rounding_leaves():
    values = np.sin(np.pi / 2 * np.arange(13) + 0.3)[:, None]  # two lags predict it
    reflection, _ = burg(values, 6)
    np.testing.assert_allclose(reflection[:2, 0], [0, -1], atol=1e-12)
    np.testing.assert_array_equal(reflection[2:], 0)
