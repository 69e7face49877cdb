import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sinlstm_jax import (
    NO_INPUT,
    InputError,
    draw_waves,
    generate_sample,
    sample_batch,
    sample_batches,
    sine,
)


def closed_form(frequency, offset, steps):
    """Return sin(2 pi f (t + t0)) at 100 Hz in float64, `[steps, batch]`."""
    time = np.arange(steps)[:, None] / 100
    return np.sin(2 * np.pi * np.float64(frequency) * (time + np.float64(offset)))


def test_generate_sample_draws_offset_then_frequency_from_a_random_state_bit_for_bit():
    past, future = 100, 50
    got = generate_sample(None, None, 3, future, past, rng=np.random.RandomState(7))
    stream = np.random.RandomState(7)
    for series in range(3):
        offset = stream.rand() * 2 * np.pi
        frequency = stream.rand() * 3.5 + 0.5
        time = np.arange(past + future) / 100.0
        wave = np.sin(2 * np.pi * frequency * (time + offset))
        for array, expected in zip(
            got, (time[:past], wave[:past], time[past:], wave[past:]), strict=True
        ):
            assert array.dtype == np.float64
            np.testing.assert_array_equal(array[series], expected)


def test_generate_sample_spreads_a_given_offset_over_the_batch():
    _, observed, _, continuation = generate_sample(f=2.0, t0=0.3, batch_size=4)
    got = np.concatenate([observed, continuation], axis=1).T
    expected = closed_form([2.0] * 4, 0.3 + np.array([0, 0.25, 0.5, 0.75]), 150)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_generate_sample_defaults_to_one_series_at_1_hz():
    times, observed, later, continuation = generate_sample(t0=0.0)
    assert times.shape == observed.shape == (1, 100)
    assert later.shape == continuation.shape == (1, 50)
    np.testing.assert_allclose(observed[0, [0, 25, 50, 75]], [0, 1, 0, -1], atol=1e-12)
    np.testing.assert_allclose(later[0, [0, -1]], [1.0, 1.49])


def test_generate_sample_takes_a_generator():
    _, first, _, _ = generate_sample(None, rng=np.random.default_rng(1))
    _, second, _, _ = generate_sample(None, rng=np.random.default_rng(2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    "arguments",
    [
        {"f": 0.0},
        {"f": -1.0},
        {"f": float("nan")},
        {"f": "fast"},
        {"t0": float("inf")},
        {"t0": "late"},
        {"batch_size": 0},
        {"predict": 0},
        {"samples": -5},
        {"samples": 2.5},
    ],
)
def test_generate_sample_names_bad_values(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(InputError, match=rf"^{name} is {value!r}"):
        generate_sample(**arguments)


def test_sine_does_not_blur_in_long_windows():
    frequency, offset = draw_waves(jax.random.key(0), 200)
    extremes = jnp.array([0.5, np.nextafter(np.float32(4), np.float32(0))]), jnp.array([6.28, 6.28])
    frequency = jnp.concatenate([frequency, extremes[0]])
    offset = jnp.concatenate([offset, extremes[1]])
    got = sine(frequency, offset, 10_000)
    assert got.dtype == jnp.float32
    assert got.shape == (10_000, 202)
    # 6.6e-6 measured; the promise is 1e-4.
    np.testing.assert_allclose(got, closed_form(frequency, offset, 10_000), atol=1e-5)


def test_sine_stays_accurate_for_an_hour():
    frequency, offset = draw_waves(jax.random.key(1), 4)
    got = sine(frequency, offset, 360_000)
    np.testing.assert_allclose(got, closed_form(frequency, offset, 360_000), atol=1e-5)


def test_draw_waves_is_uniform_over_the_tutorials_ranges():
    frequency, offset = draw_waves(jax.random.key(3), 100_000)
    for draws, low, high in ((frequency, 0.5, 4.0), (offset, 0.0, 2 * np.pi)):
        assert draws.dtype == jnp.float32
        unit = np.sort((np.float64(draws) - low) / (high - low))
        assert 0 <= unit[0] and unit[-1] < 1
        # Kolmogorov-Smirnov: beyond 1.95 / sqrt(n) once in a thousand.
        assert np.abs(unit - np.linspace(0, 1, unit.size)).max() < 1.95 / np.sqrt(unit.size)
    assert abs(np.corrcoef(frequency, offset)[0, 1]) < 0.01


def test_sample_batch_pads_inputs_and_keeps_targets():
    key = jax.random.key(5)
    inputs, targets = sample_batch(key, 20, 100, 50)
    assert inputs.shape == targets.shape == (150, 20, 1)
    assert inputs.dtype == targets.dtype == jnp.float32
    np.testing.assert_array_equal(inputs[:100], targets[:100])
    assert NO_INPUT == -2
    np.testing.assert_array_equal(inputs[100:], np.full((50, 20, 1), -2, np.float32))
    np.testing.assert_allclose(targets[:, :, 0], closed_form(*draw_waves(key, 20), 150), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sample_batches_is_the_tutorials_stream(dtype):
    past, future, batch_size = 100, 50, 20
    batches = sample_batches(np.random.RandomState(3), batch_size, past, future, dtype)
    stream = np.random.RandomState(3)
    for _ in range(3):
        inputs, targets = next(batches)
        assert inputs.shape == targets.shape == (150, 20, 1)
        assert inputs.dtype == targets.dtype == dtype
        for series in range(batch_size):
            offset = stream.rand() * 2 * np.pi
            frequency = stream.rand() * 3.5 + 0.5
            wave = np.sin(2 * np.pi * frequency * (np.arange(150) / 100.0 + offset))
            np.testing.assert_array_equal(targets[:, series, 0], wave.astype(dtype))
            np.testing.assert_array_equal(inputs[:past, series, 0], wave[:past].astype(dtype))
        np.testing.assert_array_equal(inputs[past:], np.full((50, 20, 1), -2, dtype))
