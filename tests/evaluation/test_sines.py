"""Sine waves of any amplitude, level and rate, against closed forms."""

import numpy as np
import pytest

from sinlstm_jax import Sines
from sinlstm_jax.evaluation.baselines import sine_fit
from sinlstm_jax.evaluation.errors import held_out_waves
from sinlstm_jax.evaluation.sines import (
    SineWaves,
    are_sines,
    evaluate,
    evaluate_sines,
    grid_waves,
    held_out_sines,
    in_trained_band,
)
from sinlstm_jax.signals.sines import SINES

FAST = Sines((5.0, 40.0), (0.0, 1.0), (1.0, 2.0), (-1.0, 1.0), 1000.0)


def test_the_tutorials_held_out_waves_are_those_there_always_were():
    for ours, known in zip(held_out_sines(SINES, 50), held_out_waves(50), strict=False):
        np.testing.assert_array_equal(ours, known)
    values = held_out_sines(SINES, 50).values(3, 2000)
    np.testing.assert_array_equal(values, held_out_waves(50).values(3, 2000))
    np.testing.assert_array_equal(held_out_sines(SINES, 50).windows(9).amplitude, np.ones(50))


def test_held_out_waves_are_drawn_from_the_signals_ranges():
    waves = held_out_sines(FAST, 1024)
    for name in ("frequency", "offset", "amplitude", "level"):
        (low, high), drawn = getattr(FAST, name), getattr(waves, name)
        np.testing.assert_array_equal(getattr(held_out_sines(FAST, 64), name), drawn[:64])
        counts, _ = np.histogram(drawn, 8, (low, high))
        assert counts.sum() == 1024
        assert np.sum((counts - 128) ** 2 / 128) < 24.3  # chi squared, 7 degrees, 0.1 %
    drawn = np.corrcoef(np.stack(waves[:4]))
    assert np.abs(drawn - np.eye(4)).max() < 0.12


def test_waves_are_what_they_say():
    frequency, offset, amplitude, level = 10.0, 0.025, 3.0, 10.0
    waves = SineWaves(*(np.array([x]) for x in (frequency, offset, amplitude, level)), 1000.0)
    np.testing.assert_allclose(waves.values(0, 76)[[0, 25, 50, 75], 0], [13, 10, 7, 10])
    np.testing.assert_array_equal(waves.windows(5).amplitude, [3.0])


def test_phase_frequency_and_amplitude_are_relative_to_the_wave_and_its_rate():
    """The forecaster continues with 0.1 Hz more and 0.8 of the amplitude, around a wrong level."""
    waves, past = held_out_sines(FAST, 5), 60

    def too_fast(history, horizon):
        ahead = np.arange(horizon)[:, None] / 1000
        start = 2 * np.pi * waves.frequency * (past / 1000 + waves.offset)
        angle = start + 2 * np.pi * (waves.frequency + 0.1) * ahead
        return waves.level + 0.3 + 0.8 * waves.amplitude * np.sin(angle)

    measured = evaluate_sines(too_fast, waves, 6000, past)
    np.testing.assert_allclose(measured.frequency_error, 0.1, rtol=0.01)
    np.testing.assert_allclose(np.nanmedian(measured.track.amplitude, axis=0), 0.8, rtol=0.01)
    # 0.1 rad after 0.159 s, half a cycle after 5 s.
    np.testing.assert_allclose(measured.slightly_lost, 159, atol=20)
    np.testing.assert_allclose(measured.lost, 5000, atol=30)
    time = np.arange(past, past + 6000)[:, None] / 1000
    truth = np.sin(2 * np.pi * waves.frequency * (time + waves.offset))
    squared = (too_fast(None, 6000) - waves.level - waves.amplitude * truth) ** 2
    expected = [squared[first:last].mean(axis=0) for first, last in measured.intervals]
    np.testing.assert_allclose(measured.errors, expected, rtol=1e-9)
    np.testing.assert_allclose(measured.error_over_time, squared.mean(axis=1), rtol=1e-9)


def test_the_same_waves_in_other_units_have_the_same_phases():
    plain = held_out_waves(4)
    scaled = SineWaves(10 * plain.frequency, plain.offset / 10, np.full(4, 3.0), 2.0, 1000.0)

    def in_their_units(history, horizon):
        return 2 + 3 * sine_fit((history - 2) / 3, horizon) ** 3

    one = evaluate(lambda *x: sine_fit(*x) ** 3, plain, 900)
    other = evaluate_sines(in_their_units, scaled, 900, 100)
    np.testing.assert_allclose(other.errors, 9 * one.errors, rtol=1e-6)
    np.testing.assert_allclose(other.track.amplitude, one.track.amplitude, atol=1e-9)
    np.testing.assert_allclose(other.track.phase, one.track.phase, atol=1e-9)
    np.testing.assert_allclose(other.frequency_error, 10 * one.frequency_error, atol=1e-9)


def test_the_tutorials_grid_goes_from_a_quarter_to_five_hertz():
    expected = np.repeat(np.arange(0.25, 5.01, 0.125), 4)
    np.testing.assert_array_equal(grid_waves().frequency, expected)


@pytest.mark.parametrize(
    "signal",
    [FAST, Sines((3.0, 3.0)), Sines((10.0, 50.0)), Sines((10.0, 45.0), level=(1.0, 3.0))],
)
def test_every_grid_has_the_bands_ends_and_goes_around_it_below_half_the_rate(signal):
    waves = grid_waves(signal)
    low, high = signal.frequency
    assert {low / 2, low, high} <= set(waves.frequency)
    assert waves.frequency.min() == low / 2
    assert high <= waves.frequency.max() <= max(high, 0.49 * signal.sampling_rate)
    inside = in_trained_band(waves.frequency, signal)
    assert waves.frequency[inside].min() == low and waves.frequency[inside].max() == high
    for name in ("amplitude", "level"):
        np.testing.assert_array_equal(getattr(waves, name), np.mean(getattr(signal, name)))


def test_a_class_that_goes_its_own_way_is_not_taken_for_sines():
    class Others(Sines):
        pass

    assert are_sines(Sines(frequency=(1.0, 2.0))) and not are_sines(Others())
