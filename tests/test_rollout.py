import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
from flax import nnx
from lstm_cases import assert_close

from sinlstm_jax import (
    NO_INPUT,
    Forecaster,
    InputError,
    SensorLSTM,
    SineLSTM,
    forecast,
    observe,
    params_to_torch,
    rollout,
    sample_batch,
    save_model,
    stepper,
)
from sinlstm_jax.formats.export import export
from sinlstm_jax.model import split_model
from sinlstm_jax.networks import put_together, take_apart
from sinlstm_jax.rollout import _forecast


@pytest.fixture(scope="module")
def model(implementation):
    return SineLSTM(rngs=nnx.Rngs(11), implementation=implementation)


@pytest.fixture
def history():
    return np.sin(np.arange(300).reshape(100, 3) / 20)


def test_rollout_is_a_float64_lstm_fed_with_history_then_no_input(model, history):
    inputs = np.concatenate([history, np.full((200, 3), NO_INPUT)])[:, :, None]
    reference = reference_lstm.arrays(*split_model(model)[1:])
    predictions = rollout(model, history, 200)
    assert predictions.shape == (300, 3, 1)
    assert predictions.dtype == jnp.float32
    np.testing.assert_allclose(predictions, reference_lstm.forward(reference, inputs), atol=1e-6)


def test_stepwise_rollout_agrees_with_the_windowed_forward_pass(model):
    inputs, targets = sample_batch(jax.random.key(0), 8, 100, 400)
    np.testing.assert_allclose(rollout(model, targets[:100], 400), model(inputs), atol=1e-6)


@pytest.mark.parametrize("batch", [1, 3])
def test_histories_of_every_rank_mean_the_same(model, history, batch):
    history = history[:, :batch]
    expected = rollout(model, history[:, :, None], 30)
    np.testing.assert_array_equal(rollout(model, history, 30), expected)
    if batch == 1:
        np.testing.assert_array_equal(rollout(model, history[:, 0], 30), expected)
        np.testing.assert_array_equal(rollout(model, history[:, 0].tolist(), 30), expected)


@pytest.mark.parametrize("first", [1, 2, 7, 300, 599])
@pytest.mark.parametrize("batch", [1, 3])
def test_threading_the_carry_loses_no_bit(model, history, batch, first):
    carry, observed = observe(model, history[:, :batch])
    whole_carry, whole = forecast(model, carry, 600)
    carry, head = forecast(model, carry, first)
    carry, tail = forecast(model, carry, 600 - first)
    np.testing.assert_array_equal(np.concatenate([head, tail]), whole)
    jax.tree.map(np.testing.assert_array_equal, carry, whole_carry)
    np.testing.assert_array_equal(
        rollout(model, history[:, :batch], 600), np.concatenate([observed, whole])
    )


def test_a_million_steps_take_no_memory_beyond_the_output(model):
    carry, _ = observe(model, np.zeros(10))

    def temporary_bytes(steps):
        compiled = _forecast.lower(*take_apart(model), carry, steps).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporary_bytes(1_000_000) == temporary_bytes(1_000)
    _, predictions = forecast(model, carry, 1_000_000)
    assert predictions.shape == (1_000_000, 1, 1)
    assert np.isfinite(predictions).all()


def test_the_same_shapes_compile_once(compilations):
    first, second = SineLSTM(4, rngs=nnx.Rngs(0)), SineLSTM(4, rngs=nnx.Rngs(1))
    rollout(first, np.zeros(17), 23).block_until_ready()
    assert compilations.count > 0
    compilations.reset()
    rollout(second, np.ones(17), 23).block_until_ready()
    assert compilations.count == 0
    rollout(second, np.ones(17), 24).block_until_ready()
    assert compilations.count > 0


def test_the_next_call_sees_a_change_of_a_weight(implementation, history):
    model = SineLSTM(rngs=nnx.Rngs(11), implementation=implementation)
    inputs = np.concatenate([history, np.full((20, 3), NO_INPUT)])[:, :, None]
    rollout(model, history, 20)
    changes = [(model.cell, "hidden_bias", 0.5), (model.cell, "input_bias", -0.2)]
    changes += [(model.output, "kernel", 2.0), (model.cell, "input_kernel", 0.1)]
    for part, name, value in changes:
        variable = getattr(part, name)
        variable[...] = variable[...] + value
        expected = reference_lstm.forward(reference_lstm.arrays(*split_model(model)[1:]), inputs)
        carry, seen = observe(model, history)
        _, future = forecast(model, carry, 20)
        for got in (rollout(model, history, 20), np.concatenate([seen, future])):
            np.testing.assert_allclose(got, expected, atol=1e-5)


class Doubled(SineLSTM):
    def step(self, carry, inputs):
        carry, predictions = super().step(carry, inputs)
        return carry, 2 * predictions


class DoubledParam(nnx.Param):
    def get_value(self, **index):
        return 2 * super().get_value(**index)


def doubled(value):
    model = SineLSTM(rngs=nnx.Rngs(11), implementation="scan")
    for name in ("kernel", "bias"):
        setattr(model.output, name, value(getattr(model.output, name)[...]))
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: Doubled(rngs=nnx.Rngs(11), implementation="scan"),
        lambda: doubled(lambda x: nnx.Param(x, on_get_value=lambda _, given: 2 * given)),
        lambda: doubled(DoubledParam),
        lambda: doubled(lambda x: nnx.BatchStat(2 * x)),
        lambda: doubled(lambda x: 2 * x),
    ],
    ids=["a subclass", "a hook", "an own variable", "another kind of variable", "bare arrays"],
)
@pytest.mark.filterwarnings("ignore:Variable hooks are deprecated")
def test_what_is_not_as_it_was_made_goes_through_flax(make, history):
    plain = SineLSTM(rngs=nnx.Rngs(11), implementation="scan")
    expected = 2 * reference_lstm.forward(
        reference_lstm.arrays(*split_model(plain)[1:]), history[:, :, None]
    )
    np.testing.assert_allclose(observe(make(), history)[1], expected, atol=1e-5)
    structure, arrays = take_apart(plain)
    assert structure == "scan" and nnx.graphdef(put_together(structure, arrays)) == nnx.graphdef(
        plain
    )


def test_rollout_works_inside_jit_and_grad(model):
    def total(scale):
        return rollout(model, scale * jnp.ones(5), 3).sum()

    step = 1e-2
    slope = (total(1.0 + step) - total(1.0 - step)) / (2 * step)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(1.0), slope, rtol=1e-2)


def test_a_missing_sample_is_one_inside_jit_and_has_no_gradient(model):
    history = jnp.sin(jnp.arange(40) / 5).at[7].set(jnp.nan)
    for each in (model, SensorLSTM(4, rngs=nnx.Rngs(2))):
        inside = jax.jit(lambda history, each=each: rollout(each, history, 3))(history)
        np.testing.assert_allclose(inside, rollout(each, history, 3), atol=1e-5)
        slope = jax.grad(lambda history, each=each: rollout(each, history, 3).sum())(history)
        assert slope[7] == 0 and np.isfinite(slope).all() and (slope[8:] != 0).all()


def test_a_rollouts_gradient_is_the_scans(history):
    def gradients(implementation):
        model = SineLSTM(rngs=nnx.Rngs(11), implementation=implementation)

        def loss(weights, history):
            return (rollout(nnx.merge(structure, weights, frozen), history, 40) ** 2).sum()

        structure, weights, frozen = split_model(model)
        return jax.jit(jax.grad(loss, argnums=(0, 1)))(weights, jnp.float32(history))

    assert_close(gradients("auto"), gradients("scan"), 1e-5)


@pytest.mark.parametrize(
    ("history", "complaint"),
    [
        ([], r"shape \(0,\)"),
        (np.zeros((5, 0)), r"shape \(5, 0\)"),
        (0.5, r"shape \(\)"),
        (np.zeros((5, 2, 2)), r"shape \(5, 2, 2\)"),
        (np.zeros((5, 2, 1, 1)), r"shape \(5, 2, 1, 1\)"),
        ([[0.0, 1.0], [0.0, float("inf")]], r"there is inf at \[1, 1\]"),
        ([0.0, 1e300], r"there is 1e\+300 at \[1\]: give values that are finite in float32"),
        (["a"], "not an array of real numbers"),
        ([1j], "not an array of real numbers"),
    ],
)
@pytest.mark.parametrize("function", [observe, lambda *arguments: rollout(*arguments, 5)])
def test_bad_histories_are_named(model, function, history, complaint):
    with pytest.raises(InputError, match=complaint):
        function(model, history)


@pytest.mark.parametrize("steps", [0, -1, 2.5, None])
def test_bad_horizons_are_named(model, steps):
    with pytest.raises(InputError, match=f"^horizon is {steps}"):
        rollout(model, [0.0], steps)
    with pytest.raises(InputError, match=f"^steps is {steps}"):
        forecast(model, model.initial_carry(1), steps)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_rollout_lowers_for_accelerators(model, platform):
    exported = jax.export.export(
        jax.jit(lambda history: rollout(model, history, 50)), platforms=[platform]
    )(jax.ShapeDtypeStruct((100, 3), jnp.float32))
    assert exported.platforms == (platform,)
    assert exported.out_avals[0].shape == (150, 3, 1)


def test_a_stepper_is_a_float64_lstm_one_step_at_a_time(compilations):
    model = SineLSTM(6, rngs=nnx.Rngs(3))
    inputs = np.random.default_rng(0).normal(size=(9, 2, 1)).astype(np.float32)
    expected = reference_lstm.forward(reference_lstm.arrays(*split_model(model)[1:]), inputs)
    step, carry = stepper(model), model.initial_carry(2)
    for t, (x, prediction) in enumerate(zip(inputs, expected, strict=True)):
        if t == 1:
            compilations.reset()
        carry, ours = step(carry, x)
        np.testing.assert_allclose(ours, prediction, atol=1e-6)
    stepper(model)(carry, inputs[0])
    assert compilations.count == 0


class SineGRU(SineLSTM):
    """A model with another cell, as the README makes one."""

    def __init__(self, hidden_size, *, rngs):
        super().__init__(hidden_size, rngs=rngs, implementation="scan")
        self.cell = nnx.GRUCell(1, hidden_size, rngs=rngs)

    def initial_carry(self, batch_size):
        return jnp.zeros((batch_size, self.hidden_size))


def test_the_carry_of_another_cell_is_threaded_too(history):
    model = SineGRU(4, rngs=nnx.Rngs(0))
    expected = rollout(model, history, 30)
    carry, observed = observe(model, history)
    carry, first = forecast(model, carry, 10)
    _, second = forecast(model, carry, 20)
    np.testing.assert_array_equal(np.concatenate([observed, first, second]), expected)
    for other in (None, (carry, carry), carry[:, :3], carry.astype(jnp.float16)):
        with pytest.raises(InputError, match="does not fit this model: give what obs"):
            forecast(model, other, 1)


def test_what_is_for_our_cell_alone_says_so(tmp_path):
    model = SineGRU(4, rngs=nnx.Rngs(0))
    takers = (
        Forecaster,
        params_to_torch,
        lambda model: save_model(model, tmp_path / "saved"),
        lambda model: export(model, tmp_path / "exported"),
    )
    for take in takers:
        with pytest.raises(InputError, match="cell is a GRUCell: only an LSTMCell is taken"):
            take(model)
    assert not list(tmp_path.iterdir())
