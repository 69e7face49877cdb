"""Signals of one's own, trained as the tutorial's waves are."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
from flax import nnx
from tiny import QUIET

from scripts.publish import signals
from sinlstm_jax import (
    Diverged,
    InputError,
    Recipe,
    Recording,
    Signal,
    SineLSTM,
    Sines,
    Stage,
    Tones,
    adam,
    draw_waves,
    init_state,
    run,
    train_chunk,
    train_stage,
)
from sinlstm_jax.commands.main import main

ROOT = Path(__file__).parents[1]
PAST, HORIZON, BATCH = 20, 10, 4
STEPS = np.arange(PAST + HORIZON)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Ramps(Signal):
    """Straight lines through 0."""

    steepest: float

    def draw(self, key, batch_size):
        return {"slope": jax.random.uniform(key, (batch_size,), maxval=self.steepest)}

    def values(self, drawn, steps):
        return jnp.arange(steps)[:, None] * drawn["slope"][None, :]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Recorded(Signal):
    """Windows of a recording."""

    samples: jax.Array
    scale: float = field(metadata={"static": True}, default=1.0)

    def draw(self, key, batch_size):
        return jax.random.randint(key, (batch_size,), 0, len(self.samples) - len(STEPS))

    def values(self, drawn, steps):
        return self.scale * self.samples[drawn[None, :] + jnp.arange(steps)[:, None]]


@pytest.fixture
def model(implementation):
    return SineLSTM(6, rngs=nnx.Rngs(2), implementation=implementation)


def settings(model):
    sizes = {"batch_size": BATCH, "past": PAST, "horizon": HORIZON}
    return {"structure": nnx.graphdef(model), "optimizer": adam(0.01, 0.02), **sizes}


def trained(model, signal, iterations, key):
    state = init_state(model, adam(0.01, 0.02), iterations)
    return train_chunk(state, key, iterations, signal=signal, **settings(model))


def first_loss(model, truth):
    """Return the loss on windows [time, batch], in float64."""
    inputs = np.where(STEPS[:, None] < PAST, truth, -2.0)
    state = init_state(model, adam(0.01, 0.02), 1)
    reference = reference_lstm.arrays(state.weights, state.frozen)
    return reference_lstm.loss(reference, inputs[:, :, None], truth[:, :, None])


def test_a_signal_of_ones_own_is_trained_on(model):
    key = jax.random.key(3)
    slopes = jax.random.uniform(jax.random.fold_in(key, 0), (BATCH,), maxval=0.1)
    expected = first_loss(model, STEPS[:, None] * np.float64(slopes))
    state = trained(model, Ramps(0.1), 200, key)
    np.testing.assert_allclose(state.losses[0], expected, rtol=1e-5)
    assert state.losses[-50:].mean() < 0.6 * state.losses[:50].mean()


def test_windows_of_a_recording_are_trained_on(model):
    key, samples = jax.random.key(4), np.random.default_rng(0).normal(size=500)
    starts = jax.random.randint(jax.random.fold_in(key, 0), (BATCH,), 0, 470)
    expected = first_loss(model, 2 * samples[np.asarray(starts) + STEPS[:, None]])
    state = trained(model, Recorded(jnp.float32(samples), 2.0), 3, key)
    np.testing.assert_allclose(state.losses[0], expected, rtol=1e-5)


def test_another_recording_compiles_nothing(model, compilations):
    first, second = jax.random.normal(jax.random.key(0), (2, 77))
    trained(model, Recorded(first), 3, jax.random.key(1))
    compilations.reset()
    state = trained(model, Recorded(second), 3, jax.random.key(1))
    assert compilations.count == 0
    assert state.losses[0] != trained(model, Recorded(first), 3, jax.random.key(1)).losses[0]


def test_replicates_of_it_are_single_runs_to_the_bit(model):
    keys = jax.random.split(jax.random.key(5), 3)
    single = init_state(model, adam(0.01, 0.02), 30)
    states = jax.tree.map(lambda x: jnp.stack([x] * 3), single)
    together = train_chunk(states, keys, 30, signal=Ramps(0.1), **settings(model))
    for k, key in enumerate(keys):
        np.testing.assert_array_equal(
            together.losses[k], trained(model, Ramps(0.1), 30, key).losses
        )


def test_a_stage_takes_it_too(model):
    state = init_state(model, adam(0.01, 0.02), 30)
    key = jax.random.key(6)
    *_, ended = train_stage(state, key, pause_every=(7,), signal=Ramps(0.1), **settings(model))
    np.testing.assert_array_equal(ended.losses, trained(model, Ramps(0.1), 30, key).losses)


@dataclass(frozen=True)
class Unregistered(Ramps):
    pass


@jax.tree_util.register_static
@dataclass(frozen=True)
class Sideways(Ramps):
    def values(self, drawn, steps):
        return super().values(drawn, steps).T


@jax.tree_util.register_static
@dataclass(frozen=True)
class Wrong(Ramps):
    """Ramps that return what their fields say."""

    returned: str = "float32"
    telling: str = "ok"

    def values(self, drawn, steps):
        right = super().values(drawn, steps)
        return {
            "float32": lambda: right,
            "int32": lambda: right.astype(jnp.int32),
            "one column": lambda: right[:, :1],
            "NumPy": lambda: np.zeros((steps, 2), np.float32),
            "an error": lambda: 1 / 0,
            "Python's numbers": lambda: right + float(drawn["slope"][0]),
        }[self.returned]()

    def describe(self):
        return {
            "ok": super().describe(),
            "no class": {"x": 1},
            "infinity": {"class": "Wrong", "x": np.inf},
            "an object": {"class": "Wrong", "x": print},
        }[self.telling]


@jax.tree_util.register_static
@dataclass(frozen=True)
class Rated(Ramps):
    sampling_rate: object = 100.0


def recipe_of(signal):
    return Recipe("mine", "", (Stage(HORIZON, 1),), 1, PAST, BATCH, 4, signal)


@pytest.mark.parametrize(
    ("signal", "complaint"),
    [
        (Wrong(0.1, "int32"), r"returned shape \(30, 4\) of int32 for 30 steps of a batch of 4"),
        (Wrong(0.1, "one column"), r"returned shape \(30, 1\) of float32"),
        (Wrong(0.1, "NumPy"), r"returned shape \(30, 2\) of float32"),
        (Wrong(0.1, "an error"), r"cannot be drawn from under jax.jit \(ZeroDivisionError"),
        (Wrong(0.1, "Python's numbers"), "cannot be drawn from under jax.jit .*see that draw"),
    ],
)
def test_what_cannot_be_drawn_from_is_named_before_a_run_begins(signal, complaint, tmp_path):
    with pytest.raises(InputError, match=complaint) as refusal:
        run(recipe_of(signal), 1, tmp_path / "run")
    assert "\n" not in str(refusal.value) and not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("signal", "complaint"),
    [
        (Wrong(0.1, telling="no class"), "describe returned {'x': 1}: have it return a dict with"),
        (Wrong(0.1, telling="infinity"), "describe returned what JSON cannot hold"),
        (Wrong(0.1, telling="an object"), "describe returned what JSON cannot hold"),
        (Rated(0.1, 0), "sampling_rate of the signal is 0: give a finite number above 0"),
        (Rated(0.1, "100"), "sampling_rate of the signal is '100'"),
        (Sines, "give one of a class that inherits from Signal"),
        (Recording, "give one of a class that inherits from Signal"),
    ],
)
def test_what_tells_something_wrong_of_itself_is_no_part_of_a_recipe(signal, complaint):
    with pytest.raises(InputError, match=complaint):
        recipe_of(signal)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Holey(Ramps):
    def values(self, drawn, steps):
        return super().values(drawn, steps).at[3].set(jnp.nan)


def test_values_that_are_missing_without_a_word_are_named(tmp_path, no_pictures):
    with pytest.raises(Diverged, match=r"at iteration 0, loss nan.* has_gaps"):
        run(recipe_of(Holey(0.1)), 1, tmp_path / "run", console=QUIET)


def test_a_class_that_is_called_like_one_of_ours_is_told_apart():
    @jax.tree_util.register_static
    @dataclass(frozen=True)
    class Tones(Ramps):
        pass

    assert Tones(0.1).describe()["class"] == "another Tones"
    assert Ramps(0.1).describe()["class"] == "Ramps"


@pytest.mark.parametrize(
    ("signal", "complaint"),
    [
        (7, "signal is 7: give one of a class that inherits from Signal"),
        (Sines, "give one of a class that inherits from Signal, such as Sines"),
        (Unregistered(0.1), "Unregistered, which is no pytree: decorate the class"),
        (Sideways(0.1), r"Sideways.values returned shape \(4, 30\) of float32 for 30 steps"),
    ],
)
def test_what_is_no_signal_is_refused(signal, complaint):
    with pytest.raises(InputError, match=complaint):
        trained(SineLSTM(6), signal, 3, jax.random.key(0))


def test_the_default_draws_the_tutorials_waves():
    key = jax.random.key(1)
    for own, tutorials in zip(Sines().draw(key, 7), draw_waves(key, 7), strict=True):
        np.testing.assert_array_equal(own, tutorials)


@pytest.mark.parametrize("rate", [100.0, 50.0, 0.7, 44100.0])
def test_sines_are_the_closed_form(rate):
    signal = Sines(
        frequency=(0.005 * rate, 0.04 * rate),
        amplitude=(0.3, 2.0),
        level=(-1.0, 1.0),
        sampling_rate=rate,
    )
    drawn = signal.draw(jax.random.key(2), 50)
    frequency, offset, amplitude, level = (np.float64(x) for x in drawn)
    seconds = np.arange(10_000)[:, None] / rate
    # The offset in periods, as float32 holds it, is what is left of a phase of many.
    phase = frequency * seconds + np.float64(np.float32(frequency) * np.float32(offset))
    expected = level + amplitude * np.sin(2 * np.pi * phase)
    values = np.float64(signal.values(drawn, 10_000))
    np.testing.assert_allclose(values / amplitude, expected / amplitude, atol=1e-4)


@pytest.mark.parametrize("harmonic", [False, True])
def test_tones_are_the_closed_form(harmonic):
    signal = Tones(3, frequency=(0.5, 4), harmonic=harmonic)
    drawn = signal.draw(jax.random.key(3), 20)
    frequency, offset, amplitude = (np.float64(x) for x in drawn)
    if harmonic:
        np.testing.assert_allclose(frequency, frequency[:, :1] * [1, 2, 3], rtol=1e-6)
    phase = frequency * np.arange(10_000)[:, None, None] / 100 + offset
    expected = (amplitude * np.sin(2 * np.pi * phase)).sum(axis=2)
    np.testing.assert_allclose(signal.values(drawn, 10_000), expected, atol=1e-4)


@pytest.mark.parametrize("signal", [Tones(1), Tones(4, power=2.0), Tones(5, harmonic=True)])
@pytest.mark.slow
def test_a_wave_of_tones_has_the_power_that_was_asked_for(signal):
    values = np.float64(signal.values(signal.draw(jax.random.key(4), 30), 60_000))
    assert values.shape == (60_000, 30)
    # In ten minutes a beat of two tones averages out to a few percent.
    np.testing.assert_allclose(np.square(values).mean(axis=0), signal.power, rtol=0.05)


def test_what_is_drawn_is_spread_evenly_over_its_range():
    signal = Sines(frequency=(1, 3), offset=(0, 2), amplitude=(0.5, 0.6), level=(-4, 4))
    ranges = (signal.frequency, signal.offset, signal.amplitude, signal.level)
    for values, (low, high) in zip(signal.draw(jax.random.key(5), 4000), ranges, strict=True):
        counts, _ = np.histogram(np.float64(values), 10, (low, high))
        assert counts.sum() == 4000
        assert np.square(counts - 400).sum() / 400 < 27.9  # chi-squared of 9, one in a thousand


@pytest.mark.parametrize("signal", [Sines(level=(0, 1)), Tones(2), Tones(2, harmonic=True)])
def test_what_is_drawn_is_float32_whatever_is_jaxs_default(signal):
    with jax.enable_x64(True):
        drawn = signal.draw(jax.random.key(7), 3)
        values = signal.values(drawn, 5)
    assert {x.dtype for x in (*drawn, values)} == {np.dtype(np.float32)}


def test_an_empty_range_is_a_number():
    frequency, _, amplitude, level = Sines((2, 2), amplitude=(3, 3)).draw(jax.random.key(6), 5)
    assert (frequency == 2).all() and (amplitude == 3).all() and (level == 0).all()


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Sines(frequency=2.0), "frequency is 2.0: give a range"),
        (lambda: Sines(frequency=(0, 2)), "frequency is 0: give a finite number above 0"),
        (lambda: Sines(amplitude=(2, 1)), r"amplitude is \(2, 1\): .* low at most high"),
        (lambda: Sines(level=(0, np.nan)), "level is nan: give a finite number"),
        (lambda: Sines(sampling_rate=7.9), "4 Hz is above half the sampling rate of 7.9 Hz"),
        (lambda: Tones(0), "count is 0"),
        (lambda: Tones(harmonic=1), "harmonic is 1: give True or False"),
        (lambda: Tones(20, harmonic=True), "80 Hz is above half the sampling rate of 100 Hz"),
    ],
)
def test_signals_that_cannot_be_are_refused(make, complaint):
    with pytest.raises(InputError, match=complaint):
        make()


PAGE = (ROOT / "docs" / "signals.md").read_text()


@pytest.mark.slow
def test_the_pages_picture_is_of_the_signals_that_it_names(tmp_path):
    names = {"Sines": Sines, "Tones": Tones, "Recording": Recording, "samples": signals.tide()}
    for name, signal in signals.SHOWN.items():
        assert eval(name, dict(names)).describe() == signal.describe()
    signals.draw(tmp_path / "signals.png")
    assert (tmp_path / "signals.png").stat().st_size > 10_000


@pytest.mark.slow
def test_what_the_page_shows_works(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recipe, recorded, sensor = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "mine.py").write_text(recipe)
    wave = np.sin(2 * np.pi * 0.017 * np.arange(100))
    (tmp_path / "samples.csv").write_text("\n".join(map(str, wave)))
    (commands,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for command in commands.splitlines():
        sinlstm, *arguments = command.split()
        assert sinlstm == "sinlstm"
        main(arguments)
    losses = np.loadtxt(tmp_path / "runs" / "tones" / "metrics.csv", delimiter=",", skiprows=1)
    assert losses[250:300, 2].mean() < 0.7 * losses[:50, 2].mean()
    assert capsys.readouterr().out.count("\n100,") == 400  # values, after 100 samples
    namespace = {}
    exec(recorded, namespace)
    assert abs(namespace["recording"].scaling.mean - 40) < 0.1
    exec(sensor, namespace)
    values, low, high = (namespace[name] for name in ("values", "low", "high"))
    assert values.shape == (20,) and (low < values).all() and (values < high).all()
    assert (np.abs(values - 1013) < 15).all(), "it is in the samples' units"
