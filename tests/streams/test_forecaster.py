import itertools
import json
import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest
import reference_lstm
from flax import nnx

from sinlstm_jax import (
    NO_INPUT,
    Forecaster,
    InputError,
    Recipe,
    Recording,
    SensorLSTM,
    SineLSTM,
    Stage,
    load_pretrained,
    rollout,
    rollout_with_spread,
    save_model,
)
from sinlstm_jax.model import split_model
from sinlstm_jax.runs.record import RunRecord, write_record
from sinlstm_jax.runs.signals import keep_signal
from sinlstm_jax.streams.chunks import CHUNKS

HISTORY = np.sin(np.arange(900).reshape(300, 3) / 20)


@pytest.fixture(scope="module")
def model(implementation):
    return SineLSTM(rngs=nnx.Rngs(11), implementation=implementation)


def expected(model, inputs, steps):
    """Return what a float64 LSTM predicts for inputs `[time, batch]` and steps without any."""
    inputs = np.concatenate([inputs, np.full((steps, inputs.shape[1]), NO_INPUT)])
    reference = reference_lstm.arrays(*split_model(model)[1:])
    return reference_lstm.forward(reference, inputs[:, :, None])[:, :, 0]


def test_a_stream_is_a_float64_lstm_whatever_the_pieces(model):
    forecaster = Forecaster(model)
    history = HISTORY[:, 0]
    want = expected(model, HISTORY[:, :1], 700)[:, 0]
    cuts = [0, 1, 2, 9, 10, 75, 148, 300]
    pieces = [forecaster.observe(history[slice(*ends)]) for ends in itertools.pairwise(cuts)]
    forecast = forecaster.forecast(700)
    assert forecast.shape == (700,) and forecast.dtype == np.float32
    np.testing.assert_allclose(np.concatenate([*pieces, forecast]), want, atol=2e-6)
    np.testing.assert_allclose(rollout(model, history, 700)[300:, 0, 0], forecast, atol=1e-6)


def test_samples_one_by_one_are_the_same_stream(model):
    forecaster = Forecaster(model)
    want = expected(model, HISTORY[:40, :1], 5)[:, 0]
    answers = [forecaster.observe(value) for value in HISTORY[:40, 0]]
    assert answers[0].shape == ()
    np.testing.assert_allclose(answers, want[:40], atol=1e-6)
    np.testing.assert_allclose(forecaster.forecast(5), want[40:], atol=1e-6)


def test_a_batch_is_its_streams(model):
    forecaster = Forecaster(model, batch_size=3)
    want = expected(model, HISTORY, 20)
    first = forecaster.observe(HISTORY[0])
    rest = forecaster.observe(HISTORY[1:])
    assert first.shape == (3,) and rest.shape == (299, 3)
    np.testing.assert_allclose(np.concatenate([first[None], rest]), want[:300], atol=1e-6)
    np.testing.assert_allclose(forecaster.forecast(20), want[300:], atol=1e-6)


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan, np.float32("nan")])
def test_what_is_missing_is_no_input(model, missing):
    forecaster = Forecaster(model)
    inputs = HISTORY[:30, :1].copy()
    inputs[[3, 10, 11, 29]] = NO_INPUT
    want = expected(model, inputs, 10)[:, 0]
    given = [missing if value == NO_INPUT else value for value in inputs[:, 0].tolist()]
    np.testing.assert_allclose(forecaster.observe(given[:11]), want[:11], atol=1e-6)
    for value, answer in zip(given[11:], want[11:30], strict=True):
        np.testing.assert_allclose(forecaster.observe(value), answer, atol=1e-6)
    np.testing.assert_allclose(forecaster.forecast(10), want[30:], atol=1e-6)


def test_a_forecast_disturbs_nothing(model):
    forecaster, undisturbed = Forecaster(model), Forecaster(model)
    for value in HISTORY[:50, 0]:
        forecaster.observe(value)
        forecaster.forecast(13)
    undisturbed.observe(HISTORY[:50, 0])
    np.testing.assert_array_equal(forecaster.forecast(30), undisturbed.forecast(30))
    np.testing.assert_array_equal(forecaster.forecast(13), undisturbed.forecast(30)[:13])


def test_nothing_is_compiled_as_a_stream_goes_on(compilations):
    model, other = (SineLSTM(7, rngs=nnx.Rngs(seed)) for seed in (0, 1))
    for batch_size, shape in ((None, ()), (2, (2,))):
        compilations.reset()
        forecaster = Forecaster(model, batch_size)
        assert compilations.count >= len(CHUNKS)
        compilations.reset()
        rng = np.random.default_rng(0)
        for length in (0, 1, 2, 7, 8, 9, 63, 100, 511, 600, 1500):
            forecaster.observe(rng.normal(size=(length, *shape)))
            forecaster.observe(np.full(shape, np.nan))
            forecaster.forecast(length + 1)
        forecaster.reset()
        forecaster.observe(np.zeros(shape))
        Forecaster.from_state(model, forecaster.state()).forecast(77)
        Forecaster(other, batch_size).observe(np.zeros((33, *shape)))
        assert compilations.count == 0


def test_reset_begins_anew(model):
    forecaster = Forecaster(model)
    forecaster.observe(0.3)
    before = forecaster.forecast(20)
    forecaster.observe(HISTORY[:, 0])
    assert np.abs(forecaster.forecast(20) - before).max() > 1e-3
    forecaster.reset()
    forecaster.observe(0.3)
    np.testing.assert_array_equal(forecaster.forecast(20), before)


@pytest.mark.parametrize("observed", [1, 6, 7, 20, 300])
def test_with_a_window_a_forecast_is_made_from_the_latest_steps(model, observed):
    history = HISTORY[:observed, :2].copy()
    history[-1, 1] = NO_INPUT
    forecaster = Forecaster(model, batch_size=2, window=7)
    half = observed // 2
    answers = [forecaster.observe(history[:half]), forecaster.observe(history[half:])]
    np.testing.assert_allclose(np.concatenate(answers), expected(model, history, 0), atol=1e-6)
    want = expected(model, history[-7:], 40)[-40:]
    np.testing.assert_allclose(forecaster.forecast(40), want, atol=1e-6)
    np.testing.assert_allclose(forecaster.forecast(40), want, atol=1e-6)


@pytest.mark.parametrize("window", [None, 50])
@pytest.mark.parametrize("batch_size", [None, 1, 3])
def test_a_state_goes_through_json_and_npz_without_loss(model, tmp_path, batch_size, window):
    history = HISTORY[:, 0] if batch_size is None else HISTORY[:, :batch_size]
    forecaster = Forecaster(model, batch_size, window)
    forecaster.observe(history)
    state = forecaster.state()
    np.savez(tmp_path / "state.npz", **state)
    text = json.dumps({name: array.tolist() for name, array in state.items()})
    for kept in (state, dict(np.load(tmp_path / "state.npz")), json.loads(text)):
        again = Forecaster.from_state(model, kept)
        assert (again.batch_size, again.window) == (batch_size, window)
        np.testing.assert_array_equal(again.forecast(50), forecaster.forecast(50))
    for stream in (again, forecaster):
        stream.observe(history[:9])
    np.testing.assert_array_equal(again.forecast(50), forecaster.forecast(50))


@pytest.mark.parametrize("batch_size", [None, 2])
def test_the_state_of_a_stream_that_has_not_begun_goes_through_json(model, batch_size):
    state = Forecaster(model, batch_size, 50).state()
    text = json.dumps({name: array.tolist() for name, array in state.items()})
    again = Forecaster.from_state(model, json.loads(text))
    for name, array in again.state().items():
        np.testing.assert_array_equal(array, state[name], strict=True)


def test_a_state_does_not_follow_its_stream(model):
    forecaster = Forecaster(model)
    state = forecaster.state()
    forecaster.observe(HISTORY[:, 0])
    assert not state["hidden"].any() and not state["cell"].any()


@pytest.mark.slow
def test_another_process_goes_on_from_a_run_and_a_state(tmp_path):
    save_model(load_pretrained("curriculum"), tmp_path / "run")
    forecaster = Forecaster.load(tmp_path / "run")
    forecaster.observe(HISTORY[:, 0])
    np.savez(tmp_path / "state.npz", **forecaster.state())
    code = """if True:
        import sys
        import numpy as np
        from sinlstm_jax import Forecaster, load_model
        state = dict(np.load("state.npz"))
        forecaster = Forecaster.from_state(load_model("run"), state)
        np.save("forecast.npy", forecaster.forecast(60))
    """
    subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=tmp_path, check=True)
    want = expected(load_pretrained("curriculum"), HISTORY[:, :1], 60)[300:, 0]
    np.testing.assert_allclose(np.load(tmp_path / "forecast.npy"), want, atol=1e-5)


@pytest.mark.parametrize(
    ("batch_size", "values", "complaint"),
    [
        (None, "0.5", "samples: not an array of real numbers"),
        (None, [1j], "samples: not an array of real numbers"),
        (None, [0.1, "x"], "samples: not an array of real numbers"),
        (None, [[0.1]], r"shape \(1, 1\): give a number or \[time\]"),
        (None, [0.0, float("inf")], r"samples: there is inf at \[1\]"),
        (None, 1e300, r"samples: there is 1e\+300 at \[\]: give values that are finite in float32"),
        (2, 0.1, r"shape \(\): give \[2\] or \[time, 2\]"),
        (2, [0.1, 0.2, 0.3], r"shape \(3,\): give \[2\]"),
        (2, [[0.1], [0.2]], r"shape \(2, 1\): give \[2\]"),
        (2, [[0.0, 1.0], [-float("inf"), 0.0]], r"samples: there is -inf at \[1, 0\]"),
    ],
)
def test_bad_samples_are_named_and_change_nothing(model, batch_size, values, complaint):
    forecaster = Forecaster(model, batch_size)
    forecaster.observe(HISTORY[:5, 0] if batch_size is None else HISTORY[:5, :2])
    before = forecaster.state()
    with pytest.raises(InputError, match=complaint):
        forecaster.observe(values)
    jax.tree.map(np.testing.assert_array_equal, forecaster.state(), before)


@pytest.mark.parametrize("steps", [0, -1, 2.5, None, True])
def test_bad_steps_and_batch_sizes_are_named(model, steps):
    with pytest.raises(InputError, match=f"^steps is {steps}"):
        Forecaster(model).forecast(steps)
    if steps is not None:
        with pytest.raises(InputError, match=f"^batch_size is {steps}"):
            Forecaster(model, steps)
        with pytest.raises(InputError, match=f"^window is {steps}"):
            Forecaster(model, window=steps)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"other": [0.0]}, r"entries \['cell', 'hidden', 'other'\]"),
        ({"hidden": [0.0] * 14}, r"hidden of the state has shape \(14,\): this model takes \[15\]"),
        ({"hidden": [[0.0] * 15]}, r"cell of the state has shape \(15,\): give \(1, 15\)"),
        ({"cell": ["x"] * 15}, "cell of the state: not an array of real numbers"),
        ({"cell": [float("nan")] * 15}, "cell of the state holds values that are not finite"),
        ({"hidden": np.zeros((0, 15))}, r"shape \(0, 15\)"),
        ({"window": 5}, r"entries \['cell', 'hidden', 'window'\]"),
        ({"window": 0, "recent": []}, "^window is"),
        ({"window": 2.5, "recent": []}, "^window is"),
        ({"window": 5, "recent": [[1.0]]}, r"recent of the state has shape \(1, 1\)"),
        ({"window": 5, "recent": 1.0}, r"recent of the state has shape \(\)"),
    ],
)
def test_bad_states_are_named(model, change, complaint):
    state = Forecaster(model).state() | change
    with pytest.raises(InputError, match=complaint):
        Forecaster.from_state(model, state)


@pytest.fixture(scope="module")
def sensor(implementation):
    return SensorLSTM(5, rngs=nnx.Rngs(12), implementation=implementation)


def test_a_sensors_window_is_measured_anew_each_time(sensor):
    forecaster = Forecaster(sensor, window=40)
    history = 50 * HISTORY[:, 0] + 7000
    history[::7] = np.nan
    for start, stop in ((0, 3), (3, 4), (4, 130), (130, 300)):
        seen = forecaster.observe(history[start:stop])
        want, spread = rollout_with_spread(sensor, history[max(0, stop - 40) : stop], 25)
        band = forecaster.forecast(25, band=0.9)
        np.testing.assert_allclose(seen[-1], want[-26, 0, 0], rtol=1e-6)
        np.testing.assert_allclose(band.values, want[-25:, 0, 0], rtol=1e-6)
        reach = 1.6448536 * np.float64(spread[-25:, 0, 0])
        np.testing.assert_allclose(band.high - np.float64(band.values), reach, atol=0.01)
        np.testing.assert_allclose(np.float64(band.values) - band.low, reach, atol=0.01)
        np.testing.assert_array_equal(forecaster.forecast(25), band.values)
        assert band.low.dtype == np.float64 and len(seen) == stop - start


def run_of_a_recording(path, model, past=8):
    """Keep a model as that of a run on a recording; return its signal."""
    samples = 40 + 3 * np.sin(2 * np.pi * np.arange(1000) / 20)
    recipe = Recipe("volts", "", (Stage(5, 9),), 1, past=past, signal=Recording(samples))
    save_model(model, path)
    write_record(path, RunRecord.new(recipe, [1], device="cpu", implementation="scan"))
    keep_signal(path, recipe.signal)
    return recipe.signal


@pytest.mark.parametrize(("batch_size", "window"), [(None, None), (2, 30)])
def test_a_run_of_a_recording_is_followed_in_its_units(tmp_path, batch_size, window):
    model = SineLSTM(4, rngs=nnx.Rngs(3))
    mean, scale = run_of_a_recording(tmp_path / "run", model).scaling
    assert (mean, scale) == (pytest.approx(40), pytest.approx(3))
    stream = Forecaster.load(tmp_path / "run", batch_size, window)
    assert (stream.batch_size, stream.window) == (batch_size, window)
    given = 41 + 2 * HISTORY[:80, : batch_size or 1]
    shown = (given[-(window or 80) :] - mean) / scale
    want = mean + scale * expected(model, shown, 25)[-25:]
    stream.observe(given if batch_size else given[:, 0])
    state = json.loads(json.dumps({name: x.tolist() for name, x in stream.state().items()}))
    for each in (stream, Forecaster.from_state(model, state)):
        assert (each.batch_size, each.window) == (batch_size, window)
        np.testing.assert_allclose(each.forecast(25).reshape(25, -1), want, atol=2e-5)


def test_a_sensors_run_is_followed_over_what_it_was_trained_to_observe(tmp_path, sensor):
    run_of_a_recording(tmp_path / "run", sensor, past=60)
    assert Forecaster.load(tmp_path / "run").window == 60
    assert Forecaster.load(tmp_path / "run", window=9).window == 9


def test_what_too_few_samples_do_not_tell_is_nan(sensor):
    forecaster = Forecaster(sensor, batch_size=3, window=10)
    forecaster.observe(1013 + HISTORY[:20])
    forecaster.observe([[np.nan, np.nan, 1013.0]] + [[np.nan, 1012.0, 1013.0]] * 4)
    forecaster.observe(np.full((5, 3), np.nan))
    band = forecaster.forecast(7, band=0.9)
    assert np.isnan(band.values[:, 0]).all()  # no level: 1013 was long before
    np.testing.assert_array_equal(band.values[:, 1:], [[1012, 1013]] * 7)
    np.testing.assert_array_equal(band.high[:, 1:], [[1012, 1013]] * 7)  # none of them varies
    for each in (band.low, band.high):
        assert np.isnan(each[:, 0]).all()
    forecaster.observe(np.full((4, 3), np.nan))
    forecaster.observe([[4.0, np.nan, 5.0]])
    band = forecaster.forecast(7, band=0.9)
    np.testing.assert_array_equal(band.values[:, [0, 2]], [[4, 5]] * 7)
    for each in (band.low, band.high):  # one sample tells no scale
        assert np.isnan(each).all()
    assert np.isnan(forecaster.observe(np.full((10, 3), np.nan))[-1]).all()


def test_a_large_level_rounds_no_waves_away(sensor):
    near, far = Forecaster(sensor), Forecaster(sensor)
    near.observe(50 * HISTORY[:, 0])
    far.observe(123456789 + 50 * HISTORY[:, 0])
    for a, b in zip(near.forecast(40, band=0.9), far.forecast(40, band=0.9), strict=True):
        np.testing.assert_allclose(b - 123456789, a, atol=2e-4)


def test_a_sensor_observes_as_long_as_it_likes(sensor):
    forecaster = Forecaster(sensor, batch_size=3)
    forecaster.observe(np.full((500, 3), 1e6))  # long forgotten
    forecaster.observe(HISTORY)
    want = rollout(sensor, HISTORY, 9)[-9:, :, 0]
    np.testing.assert_allclose(forecaster.forecast(9), want, rtol=1e-6, atol=1e-7)
    restored = Forecaster.from_state(
        sensor, json.loads(json.dumps({k: v.tolist() for k, v in forecaster.state().items()}))
    )
    pickled = pickle.loads(pickle.dumps(forecaster))
    for each in (restored, pickled):
        np.testing.assert_array_equal(each.forecast(9, 0.5).low, forecaster.forecast(9, 0.5).low)
    want = forecaster.observe(HISTORY[:4])
    for each in (restored, pickled):
        np.testing.assert_array_equal(each.observe(HISTORY[:4]), want)


def test_only_a_model_with_a_spread_gives_a_band(model):
    with pytest.raises(InputError, match="a SineLSTM, which does not say how sure it is"):
        Forecaster(model).forecast(5, band=0.9)
