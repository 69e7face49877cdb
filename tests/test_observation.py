"""What is shown of a window: noise, missing samples, gaps and pasts as their distributions say."""

import jax
import numpy as np
import pytest
import reference_lstm
from flax import nnx

from sinlstm_jax import (
    InputError,
    Observation,
    SineLSTM,
    Sines,
    Tones,
    adam,
    init_state,
    train_chunk,
)
from sinlstm_jax.signals.batches import batch_of, check_windows, draw_ahead

WAVES, PAST, FUTURE = 2000, 400, 3


def shown(observation, signal=Sines(), past=PAST, seed=0):  # noqa: B008
    """Return (inputs, targets) of many waves, `[time, wave]`, float64."""
    drawn = draw_ahead(signal, jax.random.key(seed), np.int32(0), WAVES, observation)
    now = jax.tree.map(lambda x: x[5], drawn)
    inputs, targets = batch_of(signal, now, past, FUTURE, observation)
    return np.float64(inputs[:, :, 0]), np.float64(targets[:, :, 0])


def assert_even(counts):
    """Chi-squared: such counts, or odder ones, come once in a thousand times."""
    expected = counts.sum() / counts.size
    most = {10: 27.9, 11: 29.6, 5: 18.5}[counts.size]
    assert np.square(counts - expected).sum() / expected < most


def test_a_clean_one_changes_nothing():
    inputs, targets = shown(Observation())
    np.testing.assert_array_equal(inputs[:PAST], targets[:PAST])
    assert (inputs[PAST:] == -2).all()
    with_noise, truth = shown(Observation(noise=(0.1, 0.1)))
    np.testing.assert_array_equal(truth, targets)
    assert (with_noise[PAST:] == -2).all() and (with_noise[:PAST] != targets[:PAST]).all()


@pytest.mark.parametrize(
    ("signal", "amplitude"),
    [
        (Sines(), 1.0),
        (Sines(amplitude=(3, 3), level=(5, 5)), 3.0),
        (Tones(3, power=8.0), 4.0),
    ],
)
def test_noise_is_normal_and_of_a_share_of_the_amplitude(signal, amplitude):
    inputs, targets = shown(Observation(noise=(0.1, 0.1)), signal)
    noise = ((inputs - targets)[:PAST] / amplitude).ravel()  # 800,000
    # Five standard errors of each moment.
    assert abs(noise.mean()) < 5 * 0.1 / noise.size**0.5
    assert abs(noise.std() / 0.1 - 1) < 5 / (2 * noise.size) ** 0.5
    assert abs(np.mean((noise / 0.1) ** 4) - 3) < 5 * (96 / noise.size) ** 0.5
    # No step knows of the one before.
    steps = (inputs - targets)[:PAST]
    assert abs(np.corrcoef(steps[:-1].ravel(), steps[1:].ravel())[0, 1]) < 5 / noise.size**0.5


def test_each_wave_has_its_own_noise_evenly_from_the_range():
    inputs, targets = shown(Observation(noise=(0, 0.2)))
    deviations = (inputs - targets)[:PAST].std(axis=0)
    # Of 400 samples a deviation is known to 4 %, which blurs only the ends.
    assert_even(np.histogram(deviations, 5, (0, 0.2))[0])
    assert deviations.max() < 0.2 * (1 + 5 / 800**0.5)


def test_a_power_draws_more_of_what_is_nearly_clean():
    inputs, targets = shown(
        Observation(noise=(0.1, 0.3), noise_power=2, missing=(0, 0.5), missing_power=3)
    )
    observed = inputs[:PAST] != -2
    rates = np.cbrt(1 - observed.mean(axis=0)) / np.cbrt(0.5)  # 0.5 u^3: u again
    # Of 400 samples a small rate is known badly: from 0.4 on, u is known to its last bin.
    known = rates[rates >= 0.4]
    assert abs(len(known) / WAVES - 0.6) < 5 * (0.24 / WAVES) ** 0.5
    assert_even(np.histogram(known, 5, (0.4, 1))[0])
    inputs, targets = shown(Observation(noise=(0.1, 0.3), noise_power=2))
    squares = (inputs - targets)[:PAST].std(axis=0)
    u = np.sqrt(np.clip(squares - 0.1, 0, None) / 0.2)  # 0.1 + 0.2 u^2
    known = u[u >= 0.4]
    assert abs(len(known) / WAVES - 0.6) < 5 * (0.24 / WAVES) ** 0.5
    assert_even(np.histogram(known, 5, (0.4, 1))[0])


def test_samples_are_missing_each_by_itself_at_a_rate_of_the_waves_own():
    inputs, targets = shown(Observation(missing=(0.1, 0.6)))
    missing = inputs[:PAST] == -2
    np.testing.assert_array_equal(inputs[:PAST][~missing], targets[:PAST][~missing])
    rates = missing.mean(axis=0)
    assert_even(np.histogram(rates, 5, (0.1, 0.6))[0])
    fixed = shown(Observation(missing=(0.3, 0.3)))[0][:PAST] == -2
    assert abs(fixed.mean() - 0.3) < 5 * (0.21 / fixed.size) ** 0.5
    both = (fixed[1:] & fixed[:-1]).mean()
    assert abs(both - 0.09) < 5 * (0.09 / fixed.size) ** 0.5


def test_a_gap_is_anywhere_and_of_any_length_of_its_range():
    missing = shown(Observation(gap=(0, 10)), past=20)[0][:20] == -2
    lengths = missing.sum(axis=0)
    assert_even(np.bincount(lengths, minlength=11))
    starts = np.diff(np.concatenate([np.zeros((1, WAVES)), missing]), axis=0) > 0
    assert (starts.sum(axis=0) == (lengths > 0)).all(), "it is in one piece"
    first = np.argmax(missing, axis=0)[lengths == 10]  # from 0 to 10
    assert_even(np.bincount(first, minlength=11))


def test_a_past_is_of_any_length_from_the_shortest_on():
    inputs, targets = shown(Observation(shortest_past=11), past=20)
    missing = inputs[:20] == -2
    assert_even(np.bincount(20 - missing.sum(axis=0), minlength=21)[11:])
    # What is missing is its end: the forecast begins earlier.
    assert (missing[1:] >= missing[:-1]).all()
    np.testing.assert_array_equal(inputs[:11], targets[:11])


def test_a_gap_is_within_a_shorter_past_and_at_most_half_of_it():
    inputs, _ = shown(Observation(gap=(0, 20), shortest_past=4), past=20)
    missing = inputs[:20] == -2
    ends = 20 - np.argmin(missing[::-1], axis=0)
    # One that reaches the end cannot be told from an earlier end: at least half of it is left.
    observed = (~missing).sum(axis=0)
    assert observed.min() == 2 and (observed >= np.ceil(ends / 2)).all()
    within = missing & (np.arange(20)[:, None] < ends)
    starts = np.diff(np.concatenate([np.zeros((1, WAVES)), within]), axis=0) > 0
    assert starts.sum(axis=0).max() == 1, "it is in one piece"
    assert 5 < within.sum(axis=0).max() <= 10


def test_what_is_observed_is_drawn_apart_from_the_waves_and_anew_each_time():
    observation = Observation(noise=(0.1, 0.1))
    drawn = draw_ahead(Sines(), jax.random.key(0), np.int32(0), 3, observation)
    clean = draw_ahead(Sines(), jax.random.key(0), np.int32(0), 3)
    jax.tree.map(np.testing.assert_array_equal, drawn[0], clean)
    keys = np.asarray(drawn[1])
    assert len(np.unique(keys, axis=0)) == len(keys)


def test_training_takes_the_loss_of_what_is_shown():
    observation = Observation(noise=(0.2, 0.2), missing=(0.5, 0.5))
    model, key, (past, horizon) = SineLSTM(4, rngs=nnx.Rngs(0)), jax.random.key(9), (30, 8)
    sizes = {"batch_size": 3, "past": past, "horizon": horizon, "observation": observation}
    optimizer = adam(0.01, 0.02)
    state = init_state(model, optimizer, 2)
    arrays = reference_lstm.arrays(state.weights, state.frozen)
    drawn = jax.tree.map(lambda x: x[0], draw_ahead(Sines(), key, np.int32(0), 3, observation))
    inputs, targets = batch_of(Sines(), drawn, past, horizon, observation)
    expected = reference_lstm.loss(arrays, np.float64(inputs), np.float64(targets))
    settings = {"structure": nnx.graphdef(model), "optimizer": optimizer, **sizes}
    state = train_chunk(state, key, 2, **settings)
    np.testing.assert_allclose(state.losses[0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"noise": (0.2, 0.1)}, r"noise is \(0.2, 0.1\): .* low at most high"),
        ({"noise": (-0.1, 0.1)}, r"noise is \(-0.1, 0.1\): give a range from 0 on"),
        ({"missing": (0, 1.5)}, r"missing is \(0.0, 1.5\): give a range from 0 to 1"),
        ({"noise_power": 0}, "noise_power is 0"),
        ({"missing": 0.5}, "missing is 0.5: give a range"),
        ({"gap": (0, 2.5)}, r"gap is \(0, 2.5\): give whole numbers of steps"),
        ({"shortest_past": 0}, "shortest_past is 0"),
    ],
)
def test_what_cannot_be_observed_is_named(settings, complaint):
    with pytest.raises(InputError, match=complaint):
        Observation(**settings)


@pytest.mark.parametrize("settings", [{"gap": (0, 50)}, {"shortest_past": 50}])
def test_a_past_that_is_too_short_is_named(settings):
    with pytest.raises(InputError, match="the past has 49 steps, and the observation"):
        check_windows(Sines(), Observation(**settings), 49, 10, 2)
