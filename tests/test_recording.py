"""Windows of recordings: which are drawn, how they are scaled, and what is never seen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
from flax import nnx

from sinlstm_jax import InputError, Recording, SineLSTM, adam, init_state, train_chunk
from sinlstm_jax.signals.batches import check_windows, draw_ahead
from sinlstm_jax.signals.observation import CLEAN

RNG = np.random.default_rng(5)
SAMPLES = 40 + 3 * RNG.standard_normal(100)
STEPS = 12


def drawn(recording, count, steps=STEPS, seed=0):
    windows = recording.draw(jax.random.key(seed), count)
    return np.float64(recording.values(windows, steps))


def windows_of(samples, steps=STEPS):
    return np.lib.stride_tricks.sliding_window_view(samples, steps).T


def test_samples_are_scaled_by_the_part_that_is_trained_on():
    samples = np.concatenate([SAMPLES[:80], 1000 * np.ones(20)])
    recording = Recording(samples)
    mean, scale = SAMPLES[:80].mean(), np.sqrt(2) * SAMPLES[:80].std()
    np.testing.assert_allclose(recording.scaling, (mean, scale), rtol=1e-12)
    np.testing.assert_allclose(recording.scaled, (samples - mean) / scale, rtol=1e-6, atol=1e-6)
    wave = Recording(7 + 3 * np.sin(2 * np.pi * np.arange(1000) / 50))
    np.testing.assert_allclose(wave.scaling, (7, 3), rtol=1e-12)  # a sine's amplitude


def test_each_window_that_is_trained_on_is_drawn_as_often_and_no_other():
    recording = Recording(SAMPLES)  # 69 windows in the first 80
    expected = windows_of(recording.scaled[:80])
    found = drawn(recording, 69_000)
    which = np.argmin(np.abs(found[0][:, None] - expected[0][None, :]), axis=1)
    np.testing.assert_array_equal(found, expected[:, which])
    counts = np.bincount(which, minlength=69)
    assert np.square(counts - 1000).sum() / 1000 < 112.3  # chi-squared of 68, once in a thousand


def test_no_window_goes_from_one_recording_into_the_next():
    parts = [SAMPLES[:40], SAMPLES[40:47], SAMPLES[47:]]  # the second is too short for any
    recording = Recording(parts, held_out=0.25)
    scaled = np.split(recording.scaled, [40, 47])
    expected = np.concatenate(
        [windows_of(scaled[0][:30]), windows_of(scaled[2][: round(53 * 0.75)])], axis=1
    )
    found = drawn(recording, 20_000)
    which = np.argmin(np.abs(found[0][:, None] - expected[0][None, :]), axis=1)
    np.testing.assert_array_equal(found, expected[:, which])
    counts = np.bincount(which, minlength=expected.shape[1])
    assert counts.min() > 0.8 * counts.mean() and counts.max() < 1.2 * counts.mean()


def test_held_out_windows_are_forecast_within_the_tail():
    recording = Recording(SAMPLES)
    past, horizon = 7, 5
    values, amplitude = recording.held_out(1000, past, horizon)
    np.testing.assert_array_equal(values, windows_of(recording.scaled[80 - past :]))
    assert (amplitude == 1).all() and recording.longest_horizon == 20
    few, _ = recording.held_out(3, past, horizon)
    np.testing.assert_array_equal(few, values[:, [0, 8, 15]])
    with pytest.raises(InputError, match="held-out tail has 20 steps: it takes 21"):
        recording.held_out(3, past, 21)


def test_what_is_missing_is_not_shown_and_does_not_count(implementation):
    samples = np.array(SAMPLES)
    samples[RNG.random(100) < 0.3] = np.nan
    recording, (past, horizon, batch) = Recording(samples), (9, 5, 6)
    model = SineLSTM(4, rngs=nnx.Rngs(0), implementation=implementation)
    optimizer, key = adam(0.01, 0.02), jax.random.key(3)
    state = init_state(model, optimizer, 40)
    arrays = reference_lstm.arrays(state.weights, state.frozen)
    which = draw_ahead(recording, key, np.int32(0), batch)[0]
    truth = np.float64(recording.values(which, past + horizon))
    inputs = np.where(np.isnan(truth), -2.0, truth)
    inputs[past:] = -2.0
    predictions = reference_lstm.forward(arrays, inputs[:, :, None])[:, :, 0]
    expected = np.nanmean(np.square(predictions - truth))
    state = train_chunk(
        state,
        key,
        40,
        signal=recording,
        structure=nnx.graphdef(model),
        optimizer=optimizer,
        batch_size=batch,
        past=past,
        horizon=horizon,
    )
    np.testing.assert_allclose(state.losses[0], expected, rtol=1e-5)
    assert np.isfinite(state.losses).all()


def test_windows_without_any_sample_leave_the_weights_alone():
    samples = np.full(300, np.nan)
    samples[:3] = (1, 2, 4)  # no window of 50 steps has any but the first three
    model, optimizer = SineLSTM(4, rngs=nnx.Rngs(0)), adam(0.01, 0.02)
    recording = Recording(samples, held_out=0)
    state = init_state(model, optimizer, 1)
    before = jax.tree.map(np.array, state.weights)
    key = next(
        key
        for key in jax.random.split(jax.random.key(0), 100)
        if np.isnan(recording.values(draw_ahead(recording, key, np.int32(0), 1)[0], 50)).all()
    )
    sizes = {"batch_size": 1, "past": 40, "horizon": 10}
    settings = {"structure": nnx.graphdef(model), "optimizer": optimizer, **sizes}
    state = train_chunk(state, key, 1, signal=recording, **settings)
    assert state.losses[0] == 0
    jax.tree.map(np.testing.assert_array_equal, before, state.weights)


def test_another_recording_of_the_same_length_compiles_nothing(compilations):
    model, optimizer = SineLSTM(4, rngs=nnx.Rngs(0)), adam(0.01, 0.02)

    def train(samples):
        state = init_state(model, optimizer, 3)
        sizes = {"batch_size": 2, "past": 9, "horizon": 5}
        settings = {"structure": nnx.graphdef(model), "optimizer": optimizer, **sizes}
        return train_chunk(state, jax.random.key(0), 3, signal=Recording(samples), **settings)

    first = train(SAMPLES)
    compilations.reset()
    second = train(np.where(RNG.random(100) < 0.1, np.nan, 5 * SAMPLES[::-1]))
    assert compilations.count == 0
    assert (first.losses != second.losses).all()


def test_windows_are_tested_where_something_is_known():
    samples = SAMPLES.copy()
    samples[82:95] = np.nan
    values, _ = Recording(samples).held_out(1000, 4, 3)
    assert np.isfinite(values[:4]).any(axis=0).all() and np.isfinite(values[4:]).any(axis=0).all()
    assert values.shape[1] == sum(
        np.isfinite(samples[a : a + 4]).any() and np.isfinite(samples[a + 4 : a + 7]).any()
        for a in range(76, 94)
    )


def test_half_of_a_tail_is_forecast_so_that_windows_are_left():
    recording = Recording(SAMPLES)  # 20 are held out
    assert [recording.test_horizon(*x) for x in ((600, 5), (600, 15), (7, 5), (3, 1))] == [
        10,
        15,
        7,
        3,
    ]
    assert Recording(SAMPLES) != recording and recording == recording


def test_it_is_kept_and_had_again_to_the_bit(tmp_path):
    samples = [np.where(SAMPLES > 45, np.nan, SAMPLES), SAMPLES[:31]]
    recording = Recording(samples, 44.1, held_out=0.3)
    recording.save(tmp_path / "r.safetensors")
    again = Recording.load(tmp_path / "r.safetensors")
    assert again.describe() == recording.describe()
    np.testing.assert_array_equal(again.scaled, recording.scaled)
    content = (tmp_path / "r.safetensors").read_bytes()
    (tmp_path / "r.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="safetensors is not a recording of this package"):
        Recording.load(tmp_path / "r.safetensors")


def test_samples_of_any_kind_are_taken():
    masked = np.ma.masked_array([1.0, 2.0, 9.0, 4.0], [0, 0, 1, 0])
    for samples in (
        masked,
        [1, 2, None, 4],
        jnp.array([1, 2, jnp.nan, 4]),
        [[1], [2], [None], [4]],
    ):
        np.testing.assert_array_equal(
            np.isnan(Recording(samples, held_out=0).scaled), [False, False, True, False]
        )


@pytest.mark.parametrize(
    ("samples", "complaint"),
    [
        ([], "there are no samples"),
        ([3.0] * 50, "all samples of the part that is trained on are 3: there is nothing to learn"),
        ([1e9 + 0.1] * 50, "there is nothing to learn, give a recording that varies"),
        ([*[3.0] * 40, *range(10)], "there is nothing to learn"),
        ([np.nan] * 50, "are missing"),
        ([*[np.nan] * 40, *range(10)], "part that is trained on are missing"),
        ([1.0, -np.inf, 2.0], "samples: there is -inf at 1: give NaN where one is missing"),
        ([[1.0, 2.0, 3.0], [1.0, np.inf]], "recording 1: there is inf at 1"),
        (np.ones((50, 2)), r"samples has shape \(50, 2\): give one column, \[time\], or several"),
        ("1,2,3", "samples: not an array of real numbers"),
        (
            [[1, 2], [2, 3], [3, 5]],
            "samples are 3 recordings of 2 samples each, as rows",
        ),
        ([1e200, 2e200, 4e200, 3e200, 1e200] * 9, "has a scale of inf: give them in other units"),
        ([*[1.0, 2.0] * 20, *[1e300] * 10], r"samples go from 1 to 1e\+300, .* in other units"),
        ([*[1.0, 2.0] * 20, *[None] * 10], "all samples that are held out, 0.2 of each recording"),
    ],
)
def test_samples_that_cannot_be_learnt_are_refused(samples, complaint):
    with pytest.raises(InputError, match=complaint) as refusal:
        Recording(samples)
    assert "\n" not in str(refusal.value)


def test_windows_that_are_too_long_are_refused():
    check_windows(Recording(SAMPLES), CLEAN, 70, 10, 2)
    with pytest.raises(InputError, match=r"window has 81 steps, .* and the recording 80 that are"):
        check_windows(Recording(SAMPLES), CLEAN, 70, 11, 2)
