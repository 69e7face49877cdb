"""A SensorLSTM: measured by its windows, in any units, with a spread that is a likelihood's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
from flax import nnx
from noise_reference import noise_by_projection
from scipy.stats import norm

from sinlstm_jax import (
    NO_INPUT,
    InputError,
    Observation,
    SensorLSTM,
    SineLSTM,
    Sines,
    adam,
    forecast,
    init_state,
    observe,
    params_from_torch,
    params_to_torch,
    rollout,
    rollout_with_spread,
    stepper,
    train_chunk,
)
from sinlstm_jax.loss import mean_squared_error, negative_log_likelihood
from sinlstm_jax.model import split_model
from sinlstm_jax.networks import put_together, take_apart
from sinlstm_jax.sensor import reach_of
from sinlstm_jax.signals.batches import batch_of, draw_ahead
from sinlstm_jax.window import measured

rng = np.random.default_rng(5)
HISTORY = np.sin(np.arange(60)[:, None] / np.array([7, 9, 30])) + 0.1 * rng.normal(size=(60, 3))
HISTORY[rng.random(HISTORY.shape) < 0.2] = np.nan


@pytest.fixture(scope="module")
def model(implementation):
    return SensorLSTM(6, rngs=nnx.Rngs(3), implementation=implementation)


def expected(model, history, horizon):
    """Return (forecast, spread) of a float64 LSTM on windows that NumPy measured, all steps."""
    level, scale = np.nanmean(history, axis=0), np.nanstd(history, axis=0)
    noise = np.array([noise_by_projection(samples) for samples in history.T])
    inputs = np.full((len(history) + horizon, history.shape[1]), NO_INPUT)
    inputs[: len(history)] = np.where(np.isnan(history), NO_INPUT, (history - level) / scale)
    reference = reference_lstm.arrays(*split_model(model)[1:])
    outputs = reference_lstm.forward(reference, inputs[:, :, None])
    spread = np.hypot(scale * np.exp(outputs[:, :, 1]), noise * np.exp(outputs[:, :, 2]))
    return level + scale * outputs[:, :, 0], spread


def test_it_forecasts_as_a_float64_lstm_on_measured_windows(model):
    want, want_spread = expected(model, HISTORY, 30)
    forecasts, spreads = rollout_with_spread(model, HISTORY, 30)
    np.testing.assert_allclose(forecasts[:, :, 0], want, atol=2e-6)
    np.testing.assert_allclose(spreads[:, :, 0], want_spread, rtol=2e-6)
    np.testing.assert_array_equal(rollout(model, HISTORY, 30), forecasts)
    window = np.where(np.isnan(HISTORY), NO_INPUT, HISTORY)
    window = np.concatenate([window, np.full((30, 3), NO_INPUT)])[:, :, None]
    outputs = model(np.float32(window))
    np.testing.assert_allclose(outputs[:, :, 0], want, atol=2e-6)
    np.testing.assert_allclose(outputs[:, :, 1], want_spread, rtol=2e-6)


def test_observing_and_forecasting_is_the_rollout(model):
    whole = rollout(model, HISTORY, 30)
    carry, seen = observe(model, HISTORY)
    carry, first = forecast(model, carry, 11)
    _, rest = forecast(model, carry, 19)
    np.testing.assert_array_equal(np.concatenate([seen, first, rest]), whole)
    step, (carry, _) = stepper(model), observe(model, HISTORY)
    outputs = []
    for _ in range(3):
        carry, output = step(carry, jnp.full((3, 1), NO_INPUT))
        outputs.append(output)
    np.testing.assert_allclose(np.stack(outputs)[:, :, :1], first[:3], atol=1e-6)
    # What is observed next is measured by what was: its inputs are in the samples' units.
    carry, _ = step(observe(model, HISTORY[:-1])[0], np.float32(HISTORY[-1:].T + 1))
    level, scale = np.nanmean(HISTORY[:-1], axis=0), np.nanstd(HISTORY[:-1], axis=0)
    same, _ = step(
        observe(model, (HISTORY[:-1] - level) / scale)[0],
        np.float32((HISTORY[-1:].T + 1 - level[:, None]) / scale[:, None]),
    )
    np.testing.assert_allclose(carry.hidden, same.hidden, atol=1e-5)


@pytest.mark.parametrize(
    ("factor", "level"), [(0.01, 0.0), (50_000.0, 0.0), (1000.0, 50_000.0), (1.0, 50_000.0)]
)
def test_level_and_amplitude_mean_nothing_to_it(model, factor, level):
    forecasts, spreads = rollout_with_spread(model, HISTORY, 30)
    other, other_spreads = rollout_with_spread(model, HISTORY * factor + level, 30)
    rounding = 4e-7 * (abs(level) + 3 * factor)
    np.testing.assert_allclose(other, factor * np.float64(forecasts) + level, atol=rounding)
    np.testing.assert_allclose(other_spreads, factor * np.float64(spreads), rtol=2e-5)


def test_a_sample_that_equals_no_input_is_a_sample(model):
    history = np.round(3 * np.sin(np.arange(40) / 6))  # -2 is among them
    assert (history == NO_INPUT).any()
    want, _ = expected(model, history[:, None], 5)
    np.testing.assert_allclose(rollout(model, history, 5)[:, :, 0], want, atol=1e-5)


@pytest.mark.parametrize("library", [np, jnp])
def test_windows_without_variation_have_a_level_and_none_without_samples(model, library):
    values = np.float32([[7, 1, 0], [7, np.nan, 0], [7, np.nan, 0]])[:, :, None]
    known = np.isfinite(values) & (values != 0)
    window = measured(library.asarray(values), library.asarray(known))
    np.testing.assert_array_equal(np.ravel(window.level), [7, 1, 0])
    assert (np.ravel(window.scale)[:2] < 1e-30).all() and np.ravel(window.scale)[2] == 1
    history = np.where(known, values, np.nan)[:, :, 0]
    forecasts = rollout(model, history, 4)[-4:, :, 0]
    np.testing.assert_array_equal(forecasts[:, :2], [[7, 1]] * 4)
    assert np.isnan(forecasts[:, 2]).all()  # no level is known, nor made up
    _, spreads = rollout_with_spread(model, history, 4)
    assert (spreads[-4:, 0, 0] < 1e-30).all()  # nothing varies
    assert np.isnan(spreads[-4:, 1:]).all()  # one sample tells no scale
    assert np.isfinite(model(np.where(known, values, NO_INPUT))).all()  # as in training


def test_the_loss_is_a_normal_likelihood(model):
    observation = Observation(noise=(0, 0.2), missing=(0, 0.5), shortest_past=5)
    drawn = draw_ahead(Sines(), jax.random.key(0), np.int32(0), 4, observation)
    batch = batch_of(Sines(), jax.tree.map(lambda x: x[2], drawn), 30, 12, observation)
    structure, weights, frozen = split_model(model)
    floor = 0.01

    def loss(weights):
        return negative_log_likelihood(structure, weights, frozen, batch, floor)

    inputs, targets = (np.float64(x[:, :, 0]) for x in batch)
    history = np.where(inputs == NO_INPUT, np.nan, inputs)
    mean, spread = expected(model, history, 0)
    deviation = np.sqrt(spread**2 + floor)
    want = -norm.logpdf(targets, mean, deviation).mean() - np.log(2 * np.pi) / 2
    np.testing.assert_allclose(loss(weights), want, rtol=1e-5, atol=1e-6)  # of terms of about 1
    counted = (jnp.zeros_like(batch[1]).at[3:9].set(2.0),)
    some = negative_log_likelihood(structure, weights, frozen, (*batch, *counted), floor)
    want = -norm.logpdf(targets, mean, deviation)[3:9].mean() - np.log(2 * np.pi) / 2
    np.testing.assert_allclose(some, want, rtol=1e-5)
    # A step along the gradient changes the loss by its square.
    gradient = jax.grad(loss)(weights)
    square = sum(float(jnp.sum(g**2)) for g in jax.tree.leaves(gradient))
    step = 1e-2 / square**0.5
    there, back = (
        float(loss(jax.tree.map(lambda w, g, s=s: w + s * g, weights, gradient)))
        for s in (step, -step)
    )
    np.testing.assert_allclose((there - back) / (2 * step), square, rtol=1e-2)


def test_a_floor_in_training_is_what_has_the_spread_learnt(model):
    structure, optimizer = nnx.graphdef(model), adam(0.01, 1e-8)
    sizes = {"batch_size": 4, "past": 20, "horizon": 10}
    plain, sure = (
        train_chunk(
            init_state(model, optimizer, 3),
            jax.random.key(1),
            3,
            structure=structure,
            optimizer=optimizer,
            error_floor=floor,
            **sizes,
        )
        for floor in (None, 0.01)
    )
    before = split_model(model)[1]["output"]
    for name in ("kernel", "bias"):
        old, new = (np.asarray(x[name]) for x in (before, plain.weights["output"]))
        np.testing.assert_array_equal(new[..., 1:], old[..., 1:])
        assert (new[..., 0] != old[..., 0]).all()
        assert (np.asarray(sure.weights["output"][name])[..., 1:] != old[..., 1:]).all()


@pytest.mark.parametrize("beta", [0.5, 1.0])
@pytest.mark.parametrize("floor", [1e-6, 0.01, 10.0])
def test_weighed_by_its_variance_a_likelihood_leads_spreads_to_the_error_below_its_floor_too(
    model, floor, beta
):
    structure, weights, frozen = split_model(model)
    rng = np.random.default_rng(3)
    inputs, targets = (rng.normal(size=(30, 2, 1)).astype(np.float32) for _ in range(2))
    mean, spread = expected(model, inputs[:, :, 0].astype(np.float64), 0)
    off, variance = mean - targets[:, :, 0], spread**2
    counts = (variance + floor) ** beta
    value, found = jax.value_and_grad(negative_log_likelihood, argnums=1)(
        structure, weights, frozen, (inputs, targets), floor, beta
    )
    terms = -norm.logpdf(off, scale=np.sqrt(variance + floor)) - np.log(2 * np.pi) / 2
    np.testing.assert_allclose(value, np.mean(counts * terms), rtol=1e-4)
    # Biases move all forecasts, in the window's deviations, and the logs of all spreads' parts. A
    # spread has no pull where its square is the squared error, whatever the floor.
    scale = inputs[:, :, 0].std(axis=0, dtype=np.float64)
    want = [np.mean(counts * scale * off / (variance + floor)),
            np.mean(counts * (variance - off**2) / (variance + floor))]  # fmt: skip
    bias = np.float64(found["output"]["bias"])
    np.testing.assert_allclose([bias[0], bias[1] + bias[2]], want, rtol=1e-4)

    def weighed(weights):
        forecast, spread = jnp.split(nnx.merge(structure, weights, frozen)(inputs), 2, axis=-1)
        counts = jax.lax.stop_gradient(spread**2 * (spread**2 + floor) ** (beta - 1))
        return -jnp.mean(counts * jax.scipy.stats.norm.logpdf(targets, forecast, spread))

    want = jax.grad(weighed)(weights)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), found, want)


def test_at_a_power_of_one_a_forecast_follows_its_squared_error(model):
    structure, weights, frozen = split_model(model)
    rng = np.random.default_rng(5)
    batch = tuple(rng.normal(size=(30, 2, 1)).astype(np.float32) for _ in range(2))

    def gradient(loss, *more):
        output = jax.grad(loss, argnums=1)(structure, weights, frozen, batch, *more)["output"]
        return np.asarray(output["kernel"])[:, 0]

    squared = gradient(mean_squared_error)
    np.testing.assert_allclose(
        2 * gradient(negative_log_likelihood, 0.05, 1.0), squared, rtol=1e-4, atol=1e-6
    )


def test_it_is_put_together_as_it_was(model):
    structure, arrays = take_apart(model)
    again = put_together(structure, arrays)
    assert type(again) is SensorLSTM and nnx.graphdef(again) == nnx.graphdef(model)


def test_its_weights_go_to_pytorchs_layout_and_back(model):
    state = params_to_torch(model)
    assert state["ip1.weight"].shape == (3, 6) and state["ip1.bias"].shape == (3,)
    again = params_from_torch(state)
    assert type(again) is SensorLSTM
    np.testing.assert_allclose(rollout(again, HISTORY, 9), rollout(model, HISTORY, 9), atol=1e-6)
    with pytest.raises(InputError, match=r"ip1.weight has shape \(1, 6\): expected \(3, 6\)"):
        params_from_torch(state | {"ip1.weight": state["ip1.weight"][:1]})


def test_a_band_is_that_of_a_normal_error(model):
    for band in (0.5, 0.9, 0.99):
        np.testing.assert_allclose(reach_of(model, band), norm.ppf((1 + band) / 2), rtol=1e-12)
    for band in (0, 1, 1 - 2**-53, 1.5, float("nan"), "x"):
        with pytest.raises(InputError, match="band is"):
            reach_of(model, band)
    with pytest.raises(InputError, match="a SineLSTM, which does not say how sure it is"):
        rollout_with_spread(SineLSTM(3), HISTORY, 5)


@pytest.mark.slow
def test_what_noise_makes_unavoidable_is_the_bound_of_cramer_and_rao():
    observation = Observation(noise=(0.1, 0.2), missing=(0.2, 0.2), shortest_past=80)
    keys = jax.random.split(jax.random.key(3), 7)
    past, steps, waves = 100, 300, 6
    sd = np.asarray(jax.random.uniform(keys[0], (waves,), jnp.float32, 0.1, 0.2), float)
    shown = observation.of(jax.random.key(3), jnp.zeros((past, waves)), 1.0)
    observed = np.asarray(shown) != NO_INPUT
    found = np.asarray(observation.unavoidable(jax.random.key(3), jnp.asarray(observed), steps))
    step = np.arange(steps)
    for wave in range(waves):
        bounds = []
        for phase in np.linspace(0, 2 * np.pi, 40, endpoint=False):
            angle = 0.8 * step + phase
            slopes = np.stack([np.sin(angle), np.cos(angle), step * np.cos(angle)])
            seen = slopes[:, :past][:, observed[:, wave]]
            covariance = np.linalg.inv(seen @ seen.T) * sd[wave] ** 2
            bounds.append(np.einsum("it,ij,jt->t", slopes, covariance, slopes))
        want = np.mean(bounds, axis=0)
        # A few per cent: cosines of twice the angle do not average out over a few periods.
        np.testing.assert_allclose(found[:, wave], np.minimum(want, 0.5), rtol=0.15, atol=1e-4)
