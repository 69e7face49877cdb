import numpy as np
import reference_lstm
from flax import nnx

from sinlstm_jax import (
    NO_INPUT,
    Observation,
    Recipe,
    SensorLSTM,
    SineLSTM,
    Stage,
    rollout_with_spread,
)
from sinlstm_jax.model import split_model
from sinlstm_jax.runs.pictures import Shown, draw_long_term, draw_stage, picture_waves


def test_test_waves_are_the_tutorials_frequencies_with_phases_from_the_seed():
    waves = picture_waves(100, 900, seed=4)
    assert waves.shape == (1000, 3)
    time = np.arange(1000) / 100
    for wave, frequency in zip(waves.T, (1.1337, 2.1337, 3.1337), strict=True):
        # A sine of that frequency is a combination of sin and cos, with amplitude 1.
        angle = 2 * np.pi * frequency * time
        basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        amplitude, residual, _, _ = np.linalg.lstsq(basis, wave)
        assert residual[0] < 1e-20
        np.testing.assert_allclose(np.hypot(*amplitude), 1)
    assert not np.allclose(waves, picture_waves(100, 900, seed=5))


def test_longer_tests_go_on_with_the_same_waves():
    np.testing.assert_array_equal(picture_waves(100, 600, 1), picture_waves(100, 1500, 1)[:700])


def test_pictures_show_what_a_float64_lstm_makes_of_the_waves(tmp_path, monkeypatch):
    drawn, titles = {}, {}

    def note(path, forecasts, past, title, sampling_rate):
        drawn[path.name], titles[path.name] = forecasts, title
        assert title.endswith(" (tiny, seed 6, the median of 3)") and sampling_rate == 100

    monkeypatch.setattr("sinlstm_jax.runs.pictures.plot_forecasts", note)
    model = SineLSTM(3, rngs=nnx.Rngs(0))
    recipe = Recipe("tiny", "for tests", (Stage(9, 4), Stage(50, 4)), 2)
    shown = Shown([4, 5, 6], 2, [None, None, model])
    draw_stage(tmp_path, recipe, 2, shown, np.ones((3, 4)))
    draw_long_term(tmp_path, recipe, shown)
    (tmp_path / "far").mkdir()
    far = Recipe("tiny", "for tests", (Stage(700, 4),), 2)
    draw_stage(tmp_path / "far", far, 1, shown, np.ones((3, 4)))
    assert len(drawn.pop("stage-1-horizon-700-windowed.png")[0].truth) == 700
    assert "horizon 700, its first 600 steps (" in titles["stage-1-horizon-700-windowed.png"]
    del drawn["stage-1-horizon-700-stepwise.png"]

    reference = reference_lstm.arrays(*split_model(model)[1:])
    for name, future in (
        ("stage-2-horizon-50-windowed.png", 50),
        ("stage-2-horizon-50-stepwise.png", 600),
        ("long-term.png", 1500),
    ):
        waves = picture_waves(100, future, seed=4)
        inputs = np.concatenate([waves[:100], np.full((future, 3), NO_INPUT)])[:, :, None]
        expected = reference_lstm.forward(reference, inputs)[:, :, 0]
        forecasts = drawn.pop(name)
        assert [forecast.title for forecast in forecasts] == ["1.1337 Hz", "2.1337 Hz", "3.1337 Hz"]
        for i, forecast in enumerate(forecasts):
            np.testing.assert_array_equal(forecast.truth, waves[:, i])
            np.testing.assert_allclose(forecast.prediction, expected[:, i], atol=1e-6)
    assert not drawn
    assert [path.name for path in tmp_path.glob("*.png")] == ["stage-2-horizon-50-loss.png"]


def test_pictures_tell_whose_they_are():
    recipe = Recipe("tiny", "for tests", (Stage(9, 4),), 2)
    assert Shown([5], 0, []).all_named(recipe) == Shown([5], 0, []).one_named(recipe)
    assert Shown([5], 0, []).one_named(recipe) == "tiny, seed 5"
    assert Shown([5, 6, 7], 1, []).all_named(recipe) == "tiny, seeds 5 to 7"
    assert Shown([5, 6, 7], 1, []).one_named(recipe) == "tiny, seed 6, the median of 3"


def test_pictures_shade_the_band_from_the_stage_on_that_learns_it(tmp_path, monkeypatch):
    drawn, losses = {}, {}
    pictures = "sinlstm_jax.runs.pictures"
    monkeypatch.setattr(
        f"{pictures}.plot_forecasts", lambda path, each, *_: drawn.update({path.name: each})
    )
    monkeypatch.setattr(
        f"{pictures}.plot_loss", lambda path, *each: losses.update({path.name: each[-1]})
    )
    model = SensorLSTM(3, rngs=nnx.Rngs(0))
    observation = Observation(missing=(0.3, 0.3))
    settings = {"network": "SensorLSTM", "past": 30, "observation": observation}
    recipe = Recipe("tiny", "", (Stage(9, 4), Stage(9, 4, error_floor=0.1)), 2, **settings)
    shown = Shown([4], 0, [model])
    for number in (1, 2):
        draw_stage(tmp_path, recipe, number, shown, np.ones((1, 4)))
    assert losses == {
        "stage-1-horizon-9-loss.png": "mean squared error",
        "stage-2-horizon-9-loss.png": "negative log-likelihood",
    }
    for kind, steps in (("windowed", 9), ("stepwise", 600)):
        assert all(each.low is None for each in drawn[f"stage-1-horizon-9-{kind}.png"])
        for each in drawn[f"stage-2-horizon-9-{kind}.png"]:
            # What was shown is what was observed, and nothing in place of what is missing.
            assert 0 < np.isnan(each.observed).sum() < 30 and len(each.truth) == 30 + steps
            forecast, spread = rollout_with_spread(model, each.observed, steps)
            np.testing.assert_allclose(each.prediction, forecast[:, 0, 0], atol=1e-5)
            np.testing.assert_allclose(
                each.high - each.prediction, 1.644854 * spread[:, 0, 0], rtol=1e-4
            )
            np.testing.assert_allclose(
                each.prediction - each.low, 1.644854 * spread[:, 0, 0], rtol=1e-4
            )
            assert each.band == 0.9
