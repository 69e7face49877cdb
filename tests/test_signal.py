"""Signals of one's own, trained as the tutorial's waves are."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
from flax import nnx

from sinlstm_jax import InputError, SineLSTM, Sines, adam, init_state, train_chunk, train_stage

PAST, HORIZON, BATCH = 20, 10, 4
STEPS = np.arange(PAST + HORIZON)


@jax.tree_util.register_static
@dataclass(frozen=True)
class Ramps:
    """Straight lines through 0."""

    steepest: float

    def draw(self, key, batch_size):
        return {"slope": jax.random.uniform(key, (batch_size,), maxval=self.steepest)}

    def values(self, drawn, steps):
        return jnp.arange(steps)[:, None] * drawn["slope"][None, :]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Recorded:
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


@pytest.mark.parametrize(
    ("signal", "complaint"),
    [
        (7, "signal is 7: give one with draw and values"),
        (Sines, "give one with draw and values, as Sines"),
        (Unregistered(0.1), "Unregistered, which is no pytree: decorate the class"),
        (Sideways(0.1), r"Sideways.values returned shape \(4, 30\) for 30 steps"),
    ],
)
def test_what_is_no_signal_is_refused(signal, complaint):
    with pytest.raises(InputError, match=complaint):
        trained(SineLSTM(6), signal, 3, jax.random.key(0))
