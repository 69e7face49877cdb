import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import reference_lstm
from flax import nnx
from scipy.stats import norm

from sinlstm_jax import (
    FrozenBias,
    InputError,
    SensorLSTM,
    SineLSTM,
    Sines,
    adam,
    init_state,
    sample_batch,
    sample_batches,
    train_chunk,
    train_stage,
    train_step,
)
from sinlstm_jax.model import split_model
from sinlstm_jax.signals.batches import AHEAD, draw_ahead
from sinlstm_jax.training import Program, train_on_drawn

PAST, HORIZON, BATCH = 20, 10, 4
DRAWN = {"batch_size": BATCH, "past": PAST, "horizon": HORIZON}  # the batches of a key
OPTIMIZER = adam(0.01, 0.02)


@pytest.fixture
def model(implementation):
    return SineLSTM(6, rngs=nnx.Rngs(2), implementation=implementation)


def static(model, **more):
    return {"structure": nnx.graphdef(model), "optimizer": OPTIMIZER, **more}


def run_chunks(model, iterations, ends, key=0, **changes):
    state, fixed = init_state(model, OPTIMIZER, iterations), static(model, **DRAWN | changes)
    for end in ends:
        state = train_chunk(state, jax.random.key(key), np.int32(end), **fixed)
    return state


def sampled(key):
    return sample_batch(key, BATCH, PAST, HORIZON)


def batches_of_numpy():
    return sample_batches(np.random.RandomState(0), BATCH, PAST, HORIZON)


def weights_after(optimizer, gradients):
    """Yield what an optimizer makes of zeros, after each gradient."""
    weights = jnp.zeros(gradients.shape[1])
    state = optimizer.init(weights)
    for gradient in jnp.float32(gradients):
        updates, state = optimizer.update(gradient, state, weights)
        weights = weights + updates
        yield weights


def test_adam_is_the_tutorials_by_hand():
    learning_rate, epsilon, b1, b2 = 0.001, 0.02, 0.9, 0.999
    gradients = np.random.default_rng(0).normal(size=(5, 7)) * np.logspace(-4, 1, 7)
    weights = first = second = 0.0
    for t, ours in enumerate(weights_after(adam(learning_rate, epsilon), gradients), 1):
        first = b1 * first + (1 - b1) * gradients[t - 1]
        second = b2 * second + (1 - b2) * gradients[t - 1] ** 2
        corrected = first / (1 - b1**t), second / (1 - b2**t)
        weights -= learning_rate * corrected[0] / (np.sqrt(corrected[1]) + epsilon)
        # Optax has 1 - b2**t in float32, which makes first steps up to 1e-5 shorter (test_porting).
        np.testing.assert_allclose(ours, weights, rtol=3e-5)


def test_nadam_clipped_along_a_cosine_by_hand():
    peak, epsilon, b1, b2, clip = 0.1, 1e-6, 0.8, 0.95, 0.5
    warmup, iterations, final_fraction = 2, 8, 0.1
    settings = {"clip_norm": clip, "warmup": warmup, "final_fraction": final_fraction}
    settings |= {"nesterov": True, "iterations": iterations}
    optimizer = adam(peak, epsilon, b1=b1, b2=b2, **settings)
    gradients = np.random.default_rng(0).normal(size=(8, 4)) * np.logspace(-2, 1, 8)[:, None]
    norms = np.linalg.norm(gradients, axis=1)
    assert norms.min() < clip < norms.max()
    weights = first = second = 0.0
    for t, ours in enumerate(weights_after(optimizer, gradients)):
        gradient = gradients[t] * min(1, clip / norms[t])
        first = b1 * first + (1 - b1) * gradient
        second = b2 * second + (1 - b2) * gradient**2
        # Dozat 2016: the first moment as it will be after one more step with this gradient.
        ahead = b1 * first / (1 - b1 ** (t + 2)) + (1 - b1) * gradient / (1 - b1 ** (t + 1))
        if t < warmup:
            rate = peak * t / warmup
        else:
            cosine = (1 + np.cos(np.pi * (t - warmup) / (iterations - warmup))) / 2
            rate = peak * (final_fraction + (1 - final_fraction) * cosine)
        weights -= rate * ahead / (np.sqrt(second / (1 - b2 ** (t + 1))) + epsilon)
        np.testing.assert_allclose(ours, weights, rtol=1e-4, atol=1e-7)


def test_a_train_step_is_adam_on_the_gradient_of_a_float64_lstm(model):
    learning_rate, epsilon = 0.001, 0.02
    batch, optimizer = sampled(jax.random.key(1)), adam(learning_rate, epsilon)
    structure, weights, frozen = split_model(model)
    state = train_step(structure, optimizer, init_state(model, optimizer, 3), batch)
    before = reference_lstm.arrays(weights, frozen)
    after = reference_lstm.arrays(state.weights, state.frozen)
    assert int(state.iteration) == 1
    np.testing.assert_allclose(state.losses[0], reference_lstm.loss(before, *batch), rtol=1e-6)
    assert np.isposinf(state.losses[1:]).all()
    expected = reference_lstm.first_adam_step(before, batch, learning_rate, epsilon)
    for name in expected:
        np.testing.assert_allclose(after[name], expected[name], atol=1e-7, err_msg=name)


def test_frozen_bias_keeps_its_bits_and_has_no_moments(model):
    model.cell.input_bias[...] = jnp.linspace(-1, 1, 24)
    state = run_chunks(model, 40, [40])
    np.testing.assert_array_equal(state.frozen["cell"]["input_bias"], jnp.linspace(-1, 1, 24))
    assert not np.array_equal(state.weights["cell"]["hidden_bias"], model.cell.hidden_bias[...])
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(state.optimizer)]
    assert len(paths) == 1 + 2 * 5  # a count, and two moments of five arrays
    assert not any("input_bias" in path for path in paths)


def test_another_filter_trains_the_input_bias_too(model):
    state = init_state(model, OPTIMIZER, 1, trainable=(nnx.Param, FrozenBias))
    assert state.frozen == {}
    fixed = static(model, **DRAWN)
    state = train_chunk(state, jax.random.key(0), np.int32(1), **fixed)
    # The two biases add up, so their gradients, and with them Adam's first steps, are the same.
    before = model.cell
    moved = state.weights["cell"]["input_bias"] - before.input_bias[...]
    assert jnp.abs(moved).min() > 0
    other = state.weights["cell"]["hidden_bias"] - before.hidden_bias[...]
    np.testing.assert_allclose(moved, other, atol=2e-7)
    trained = nnx.merge(fixed["structure"], state.weights, state.frozen)
    np.testing.assert_array_equal(trained.cell.input_bias[...], state.weights["cell"]["input_bias"])


@pytest.mark.parametrize("ends", [[1, 2, 3], [7, AHEAD - 1, AHEAD + 1], range(10, AHEAD + 20, 10)])
def test_chunk_sizes_change_no_bit(model, ends):
    last = AHEAD + 20
    whole, parts = run_chunks(model, last, [last]), run_chunks(model, last, [*ends, last])
    jax.tree.map(np.testing.assert_array_equal, whole, parts)


def test_iteration_i_sees_the_batch_of_key_and_i_alone(model):
    before, after = (run_chunks(model, 30, [end], key=9) for end in (12, 13))
    reference = reference_lstm.arrays(before.weights, before.frozen)
    expected = reference_lstm.loss(reference, *sampled(jax.random.fold_in(jax.random.key(9), 12)))
    np.testing.assert_allclose(after.losses[12], expected, rtol=1e-5)


def test_chunks_of_any_length_share_one_compilation(model, compilations):
    run_chunks(model, 50, [3], horizon=11)
    compilations.reset()
    run_chunks(model, 50, [5, 6, 20, 50], horizon=11)
    assert compilations.count == 0


def test_a_chunk_moves_nothing_between_host_and_device(model):
    state, key = init_state(model, OPTIMIZER, 10), jax.random.key(0)
    program = Program(**static(model, past=PAST, horizon=HORIZON))
    first, end = jnp.int32(0), jnp.int32(10)
    with jax.transfer_guard("disallow"):
        drawn = draw_ahead(Sines(), key, first, batch_size=BATCH)
        state = train_on_drawn(state, Sines(), drawn, end, program)
    assert int(state.iteration) == 10


def test_the_state_is_donated_and_the_model_is_not(model):
    state = init_state(model, OPTIMIZER, 5)
    train_chunk(state, jax.random.key(0), np.int32(5), **static(model, **DRAWN))
    assert state.weights["cell"]["hidden_kernel"].is_deleted()
    assert not model.cell.hidden_kernel[...].is_deleted()


@pytest.mark.parametrize(
    ("most", "pauses"),
    [
        (None, [4, 8, 10, 12, 16, 20, 24, 25]),
        ([1, 2, 9, 4, 9, 5, 1, 2, 9, 9, 9, 9], [1, 3, 4, 8, 10, 12, 13, 15, 16, 20, 24, 25]),
    ],
)
def test_train_stage_pauses_at_every_multiple_as_asked_and_at_the_end(model, most, pauses):
    state, fixed = init_state(model, OPTIMIZER, 25), static(model, **DRAWN)
    fixed |= {"pause_every": (10, 4), "pause_after": most and iter(most).__next__}
    stage = train_stage(state, jax.random.key(0), **fixed)
    assert [int(state.iteration) for state in stage] == pauses


def test_train_stage_takes_batches_of_numpy(model):
    batches, fixed = list(itertools.islice(batches_of_numpy(), 12)), static(model)
    reference = reference_lstm.arrays(*split_model(model)[1:])
    one_by_one = train_stage(
        init_state(model, OPTIMIZER, 12), iter(batches), pause_every=(1,), **fixed
    )
    for i, (state, batch) in enumerate(zip(one_by_one, batches, strict=True)):
        expected = reference_lstm.loss(reference, *batch)
        np.testing.assert_allclose(state.losses[i], expected, rtol=1e-5)
        reference = reference_lstm.arrays(state.weights, state.frozen)
    *_, end = train_stage(init_state(model, OPTIMIZER, 12), batches, pause_every=(5,), **fixed)
    np.testing.assert_array_equal(end.losses, state.losses)


def test_batches_that_are_given_are_learnt_by_their_likelihood_too():
    model, batch, floor, beta = SensorLSTM(6, rngs=nnx.Rngs(2)), next(batches_of_numpy()), 0.01, 0.5
    forecast, spread = np.split(np.float64(model(batch[0])), 2, axis=-1)
    variance = spread**2 + floor
    # Less the constant of a normal density, each weighed by its variance to the power beta.
    terms = -norm.logpdf(batch[1], forecast, variance**0.5) - np.log(2 * np.pi) / 2
    state = init_state(model, OPTIMIZER, 1)
    settings = static(model, error_floor=floor, beta=beta)
    *_, end = train_stage(state, [batch], pause_every=(1,), **settings)
    np.testing.assert_allclose(end.losses[0], np.mean(variance**beta * terms), rtol=1e-5)


INPUTS, TARGETS = next(batches_of_numpy())
SHAPES_NAMED = r"a batch has shapes \[\(30, 4.*: give \(inputs"
PERIOD_NAMED = "pause_every is {!r}: give a whole number"


@pytest.mark.parametrize(
    ("batches", "period", "complaint"),
    [
        ([[INPUTS]], 5, SHAPES_NAMED),
        ([(INPUTS, TARGETS[:, :2])], 5, SHAPES_NAMED),
        ([(INPUTS[..., 0], TARGETS[..., 0])], 5, SHAPES_NAMED),
        ([(INPUTS, TARGETS)] * 7, 5, "the batches end after iteration 7: give 12 of them"),
        *(([], period, PERIOD_NAMED.format(period)) for period in (0, -1, 1.5, True)),
    ],
)
def test_what_a_stage_cannot_be_trained_with_is_named(batches, period, complaint):
    model = SineLSTM(3)
    start = init_state(model, OPTIMIZER, 12)
    with pytest.raises(InputError, match=complaint):
        list(train_stage(start, batches, pause_every=(10, period), **static(model)))


def test_an_end_beyond_the_losses_is_named(model):
    with pytest.raises(InputError, match=r"^end is 21: the state has room for 20 losses"):
        run_chunks(model, 20, [21])


@pytest.mark.parametrize("spoilt", [np.inf, np.nan, 1e25])
def test_a_step_to_numbers_that_are_not_finite_is_not_taken_nor_any_after_it(model, spoilt):
    batches = [sampled(jax.random.key(i)) for i in range(5)]
    batches[2] = (batches[2][0], batches[2][1].at[3, 1, 0].set(spoilt))  # 1e25 squared overflows
    states = [init_state(model, OPTIMIZER, 6)]
    for batch in batches:
        states.append(train_step(nnx.graphdef(model), OPTIMIZER, states[-1], batch))
    assert [int(state.iteration) for state in states] == [0, 1, 2, 3, 4, 5]
    before, *since = states[2:]
    assert before.failure.iteration == -1
    assert not np.array_equal(before.weights["output"]["kernel"], model.output.kernel[...])
    for state in since:
        kept, expected = (each.weights | {"adam": each.optimizer} for each in (state, before))
        jax.tree.map(np.testing.assert_array_equal, kept, expected)
        assert state.failure.iteration == 2
        assert not np.isfinite(state.failure.loss)
    assert np.isfinite(state.losses[:2]).all() and np.isnan(state.losses[2:5]).all()


def test_a_step_to_weights_that_are_not_finite_is_not_taken(model):
    batch = sampled(jax.random.key(0))
    optimizer = optax.sgd(3e38)  # loss and gradient of the first step are finite
    model.output.bias[...] += 100.0
    before = init_state(model, optimizer, 2)
    after = train_step(nnx.graphdef(model), optimizer, before, batch)
    jax.tree.map(np.testing.assert_array_equal, after.weights, before.weights)
    assert after.failure.iteration == 0
    reference = reference_lstm.arrays(before.weights, before.frozen)
    loss = reference_lstm.loss(reference, *batch)
    np.testing.assert_allclose(after.failure.loss, loss, rtol=1e-5)
    gradients = [reference_lstm.gradient(reference, *batch, n) for n in reference_lstm.TRAINABLE]
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    np.testing.assert_allclose(after.failure.gradient_norm, norm, rtol=1e-4)


def test_a_clipped_gradient_that_overflows_counts_as_nothing(model):
    # The cell's content is 0 and stays so: the loss is finite, and the gradient as large as the
    # weights of the output, whose square is not.
    size = model.hidden_size
    for variable in (model.cell.input_kernel, model.cell.hidden_kernel, model.cell.hidden_bias):
        variable[...] = variable[...].at[..., 2 * size : 3 * size].set(0)
    model.output.kernel[...] = jnp.full_like(model.output.kernel[...], 1e20)
    batch = sampled(jax.random.key(0))
    for clip_norm, failed_at in ((0.1, -1), (None, 0)):
        optimizer = adam(0.01, 1e-8, clip_norm=clip_norm)
        before = init_state(model, optimizer, 2)
        after = train_step(nnx.graphdef(model), optimizer, before, batch)
        jax.tree.map(np.testing.assert_array_equal, after.weights, before.weights)
        assert after.failure.iteration == failed_at
    gradient = {"w": jnp.array([1.0, np.nan])}
    update, _ = optimizer.update(gradient, optimizer.init(gradient), gradient)
    assert np.isnan(update["w"]).any()
    optimizer = adam(0.01, 1e-8, clip_norm=0.1)
    update, _ = optimizer.update(gradient, optimizer.init(gradient), gradient)
    np.testing.assert_array_equal(update["w"], 0)


def test_a_replicate_that_fails_changes_no_bit_of_the_others(implementation):
    keys = jax.random.split(jax.random.key(4), 3)

    def train(kernel):
        models = [
            SineLSTM(6, rngs=nnx.Rngs(seed), implementation=implementation) for seed in range(3)
        ]
        models[1].output.kernel[...] *= kernel
        states = [init_state(model, OPTIMIZER, 40) for model in models]
        state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        return train_chunk(state, keys, np.int32(40), **static(models[0], **DRAWN))

    well, spoilt = train(1.0), train(1e30)
    assert list(well.failure.iteration) == [-1, -1, -1]
    assert list(spoilt.failure.iteration) == [-1, 0, -1]
    for k in (0, 2):
        jax.tree.map(lambda a, b, k=k: np.testing.assert_array_equal(a[k], b[k]), well, spoilt)
    assert np.isnan(spoilt.losses[1]).all()
    assert np.isfinite(spoilt.weights["output"]["kernel"]).all()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_a_chunk_lowers_for_accelerators(platform):
    model = SineLSTM()
    state, program = init_state(model, OPTIMIZER, 100), Program(**static(model, **DRAWN))

    def chunk(state, key, end):
        drawn = draw_ahead(Sines(), key, state.iteration, batch_size=BATCH)
        return train_on_drawn(state, Sines(), drawn, end, program)

    exported = jax.export.export(jax.jit(chunk), platforms=[platform])(
        state, jax.random.key(0), jnp.int32(10)
    )
    assert exported.platforms == (platform,)
    assert [aval.shape for aval in exported.out_avals] == [x.shape for x in jax.tree.leaves(state)]
