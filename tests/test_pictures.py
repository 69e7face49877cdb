import numpy as np

from sinlstm_jax.pictures import draw_waves


def test_test_waves_are_the_tutorials_frequencies_with_phases_from_the_seed():
    waves = draw_waves(100, 900, seed=4)
    assert waves.shape == (1000, 3)
    time = np.arange(1000) / 100
    for wave, frequency in zip(waves.T, (1.1337, 2.1337, 3.1337), strict=True):
        # A sine of that frequency is a combination of sin and cos, with amplitude 1.
        angle = 2 * np.pi * frequency * time
        basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        amplitude, residual, _, _ = np.linalg.lstsq(basis, wave)
        assert residual[0] < 1e-20
        np.testing.assert_allclose(np.hypot(*amplitude), 1)
    assert not np.allclose(waves, draw_waves(100, 900, seed=5))


def test_longer_tests_go_on_with_the_same_waves():
    np.testing.assert_array_equal(draw_waves(100, 600, 1), draw_waves(100, 1500, 1)[:700])
