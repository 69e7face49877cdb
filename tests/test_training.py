import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import reference_lstm
from flax import nnx

from sinlstm_jax import (
    FrozenBias,
    InputError,
    SineLSTM,
    adam,
    init_state,
    sample_batch,
    sample_batches,
    train_chunk,
    train_stage,
    train_step,
)
from sinlstm_jax.model import split_model
from sinlstm_jax.training import AHEAD, Program, draw_ahead, train_on_waves

PAST, HORIZON, BATCH = 20, 10, 4


@pytest.fixture
def model(implementation):
    return SineLSTM(6, rngs=nnx.Rngs(2), implementation=implementation)


def settings(model, optimizer, **changes):
    values = dict(batch_size=BATCH, past=PAST, horizon=HORIZON)
    return {"structure": split_model(model)[0], "optimizer": optimizer, **values, **changes}


def run_chunks(model, iterations, ends, key=0, **changes):
    optimizer = adam(0.01, 0.02)
    state = init_state(model, optimizer, iterations)
    for end in ends:
        state = train_chunk(
            state, jax.random.key(key), np.int32(end), **settings(model, optimizer, **changes)
        )
    return state


def test_adam_is_the_tutorials_by_hand():
    learning_rate, epsilon, b1, b2 = 0.001, 0.02, 0.9, 0.999
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(5, 7)) * np.logspace(-4, 1, 7)
    weights = np.zeros(7)
    first = second = 0.0
    optimizer = adam(learning_rate, epsilon)
    ours = jnp.zeros(7)
    state = optimizer.init(ours)
    for t, gradient in enumerate(gradients, 1):
        first = b1 * first + (1 - b1) * gradient
        second = b2 * second + (1 - b2) * gradient**2
        corrected = first / (1 - b1**t), second / (1 - b2**t)
        weights -= learning_rate * corrected[0] / (np.sqrt(corrected[1]) + epsilon)
        updates, state = optimizer.update(jnp.asarray(gradient, jnp.float32), state, ours)
        ours = ours + updates
        # Optax has 1 - b2**t in float32, which makes first steps up to 1e-5 shorter (test_porting).
        np.testing.assert_allclose(ours, weights, rtol=3e-5)


def test_a_train_step_is_adam_on_the_gradient_of_a_float64_lstm(model):
    learning_rate, epsilon = 0.001, 0.02
    batch = sample_batch(jax.random.key(1), BATCH, PAST, HORIZON)
    structure, weights, frozen = split_model(model)
    optimizer = adam(learning_rate, epsilon)
    state = train_step(structure, optimizer, init_state(model, optimizer, 3), batch)
    before = reference_lstm.arrays(weights, frozen)
    after = reference_lstm.arrays(state.weights, state.frozen)
    assert int(state.iteration) == 1
    np.testing.assert_allclose(state.losses[0], reference_lstm.loss(before, *batch), rtol=1e-6)
    assert np.isnan(state.losses[1:]).all()
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


@pytest.mark.parametrize("ends", [[1, 2, 3], [7, AHEAD - 1, AHEAD + 1], range(10, AHEAD + 20, 10)])
def test_chunk_sizes_change_no_bit(model, ends):
    last = AHEAD + 20
    whole, parts = run_chunks(model, last, [last]), run_chunks(model, last, [*ends, last])
    jax.tree.map(np.testing.assert_array_equal, whole, parts)


def test_iteration_i_sees_the_batch_of_key_and_i_alone(model):
    key = jax.random.key(9)
    before = run_chunks(model, 30, [12], key=9)
    reference = reference_lstm.arrays(before.weights, before.frozen)
    batch = sample_batch(jax.random.fold_in(key, 12), BATCH, PAST, HORIZON)
    after = run_chunks(model, 30, [13], key=9)
    expected = reference_lstm.loss(reference, *batch)
    np.testing.assert_allclose(after.losses[12], expected, rtol=1e-5)
    assert after.losses[12] != run_chunks(model, 30, [13], key=8).losses[12]


def test_training_lowers_the_loss(model):
    losses = np.asarray(run_chunks(model, 300, [300]).losses)
    assert losses[-50:].mean() < 0.6 * losses[:50].mean()


def test_chunks_of_any_length_share_one_compilation(model, compilations):
    run_chunks(model, 50, [3], horizon=11)
    compilations.reset()
    run_chunks(model, 50, [5, 6, 20, 50], horizon=11)
    assert compilations.count == 0


def test_a_chunk_moves_nothing_between_host_and_device(model):
    optimizer = adam(0.01, 0.02)
    state, key = init_state(model, optimizer, 10), jax.random.key(0)
    fixed = settings(model, optimizer)
    first, end, batch_size = jnp.int32(0), jnp.int32(10), fixed.pop("batch_size")
    with jax.transfer_guard("disallow"):
        waves = draw_ahead(key, first, batch_size=batch_size)
        state = train_on_waves(state, waves, end, Program(**fixed))
    assert int(state.iteration) == 10


def test_the_state_is_donated_and_the_model_is_not(model):
    optimizer = adam(0.01, 0.02)
    state = init_state(model, optimizer, 5)
    train_chunk(state, jax.random.key(0), np.int32(5), **settings(model, optimizer))
    assert state.weights["cell"]["hidden_kernel"].is_deleted()
    assert not model.cell.hidden_kernel[...].is_deleted()


def test_train_stage_pauses_at_every_multiple_and_at_the_end(model):
    optimizer = adam(0.01, 0.02)
    state = init_state(model, optimizer, 25)
    stage = train_stage(state, jax.random.key(0), pause_every=(10, 4), **settings(model, optimizer))
    assert [int(state.iteration) for state in stage] == [4, 8, 10, 12, 16, 20, 24, 25]


def test_many_seeds_train_under_one_vmap(implementation):
    learning_rate, epsilon = 0.001, 0.02
    models = [SineLSTM(2, rngs=nnx.Rngs(seed), implementation=implementation) for seed in range(3)]
    optimizer, structure = adam(learning_rate, epsilon), split_model(models[0])[0]
    states = [init_state(model, optimizer, 1) for model in models]
    batches = jax.vmap(partial(sample_batch, batch_size=BATCH, past=PAST, future=HORIZON))(
        jax.random.split(jax.random.key(0), 3)
    )
    trained = jax.vmap(partial(train_step, structure, optimizer))(
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *states), batches
    )
    for i, state in enumerate(states):
        batch = [array[i] for array in batches]
        before = reference_lstm.arrays(state.weights, state.frozen)
        loss = reference_lstm.loss(before, *batch)
        np.testing.assert_allclose(trained.losses[i], [loss], rtol=1e-6)
        expected = reference_lstm.first_adam_step(before, batch, learning_rate, epsilon)
        weights, frozen = jax.tree.map(lambda x, i=i: x[i], (trained.weights, trained.frozen))
        after = reference_lstm.arrays(weights, frozen)
        for name in expected:
            np.testing.assert_allclose(after[name], expected[name], atol=1e-7, err_msg=name)


@pytest.mark.parametrize("spoilt", [np.inf, np.nan, 1e25])
def test_a_step_to_numbers_that_are_not_finite_is_not_taken_nor_any_after_it(model, spoilt):
    batches = [sample_batch(jax.random.key(i), BATCH, PAST, HORIZON) for i in range(5)]
    batches[2] = (batches[2][0], batches[2][1].at[3, 1, 0].set(spoilt))  # 1e25 squared overflows
    optimizer = adam(0.01, 0.02)
    states = [init_state(model, optimizer, 6)]
    for batch in batches:
        states.append(train_step(split_model(model)[0], optimizer, states[-1], batch))
    *_, before, at, after, end = states
    assert [int(state.iteration) for state in states] == [0, 1, 2, 3, 4, 5]
    assert before.failure.iteration == -1
    assert not np.array_equal(before.weights["output"]["kernel"], model.output.kernel[...])
    for state in (at, after, end):
        for kept, expected in (
            (state.weights, before.weights),
            (state.optimizer, before.optimizer),
        ):
            jax.tree.map(np.testing.assert_array_equal, kept, expected)
        assert state.failure.iteration == 2
        assert not np.isfinite(state.failure.loss)
    assert np.isfinite(end.losses[:2]).all() and np.isnan(end.losses[2:]).all()


def test_a_step_to_weights_that_are_not_finite_is_not_taken(model):
    batch = sample_batch(jax.random.key(0), BATCH, PAST, HORIZON)
    optimizer = optax.sgd(3e38)  # loss and gradient of the first step are finite
    model.output.bias[...] += 100.0
    before = init_state(model, optimizer, 2)
    after = train_step(split_model(model)[0], optimizer, before, batch)
    jax.tree.map(np.testing.assert_array_equal, after.weights, before.weights)
    assert after.failure.iteration == 0
    reference = reference_lstm.arrays(before.weights, before.frozen)
    np.testing.assert_allclose(
        after.failure.loss, reference_lstm.loss(reference, *batch), rtol=1e-5
    )
    gradients = [reference_lstm.gradient(reference, *batch, n) for n in reference_lstm.TRAINABLE]
    norm = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    np.testing.assert_allclose(after.failure.gradient_norm, norm, rtol=1e-4)


@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_a_replicate_that_fails_changes_no_bit_of_the_others(implementation):
    optimizer, keys = adam(0.01, 0.02), jax.random.split(jax.random.key(4), 3)

    def train(kernel):
        models = [
            SineLSTM(6, rngs=nnx.Rngs(seed), implementation=implementation) for seed in range(3)
        ]
        models[1].output.kernel[...] *= kernel
        states = [init_state(model, optimizer, 40) for model in models]
        state = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
        return train_chunk(state, keys, np.int32(40), **settings(models[0], optimizer))

    well, spoilt = train(1.0), train(1e30)
    assert list(well.failure.iteration) == [-1, -1, -1]
    assert list(spoilt.failure.iteration) == [-1, 0, -1]
    for k in (0, 2):
        jax.tree.map(lambda a, b, k=k: np.testing.assert_array_equal(a[k], b[k]), well, spoilt)
    assert (
        np.isnan(spoilt.losses[1]).all() and np.isfinite(spoilt.weights["output"]["kernel"]).all()
    )


def test_train_stage_takes_batches_of_numpy(model):
    batches = list(itertools.islice(sample_batches(np.random.RandomState(0), 4, 20, 10), 12))
    optimizer = adam(0.01, 0.02)
    fixed = {"structure": split_model(model)[0], "optimizer": optimizer}
    expected = init_state(model, optimizer, 12)
    for batch in batches:
        reference = reference_lstm.arrays(expected.weights, expected.frozen)
        expected = train_step(fixed["structure"], optimizer, expected, batch)
        loss = expected.losses[expected.iteration - 1]
        np.testing.assert_allclose(loss, reference_lstm.loss(reference, *batch), rtol=1e-5)
    pauses = []
    start = init_state(model, optimizer, 12)
    for state in train_stage(start, iter(batches), pause_every=(5,), **fixed):
        pauses.append(int(state.iteration))
    assert pauses == [5, 10, 12]
    np.testing.assert_allclose(state.losses, expected.losses, rtol=1e-5)


def test_an_end_beyond_the_losses_is_named(model):
    optimizer = adam(0.01, 0.02)
    state = init_state(model, optimizer, iterations=20)
    with pytest.raises(InputError, match=r"^end is 21: the state has room for 20 losses"):
        train_chunk(state, jax.random.key(0), 21, **settings(model, optimizer))


def test_a_stage_that_runs_out_of_batches_says_so(model):
    batches = itertools.islice(sample_batches(np.random.RandomState(0), 4, 20, 10), 7)
    optimizer = adam(0.01, 0.02)
    stage = train_stage(
        init_state(model, optimizer, 12),
        batches,
        pause_every=(5,),
        structure=split_model(model)[0],
        optimizer=optimizer,
    )
    with pytest.raises(InputError, match="the batches end after iteration 7: give 12 of them"):
        list(stage)


def test_batches_of_another_shape_are_named(model):
    optimizer = adam(0.01, 0.02)
    fixed = {"structure": split_model(model)[0], "optimizer": optimizer, "pause_every": (5,)}
    inputs, targets = next(sample_batches(np.random.RandomState(0), 4, 20, 10))
    for batch in ([inputs], (inputs, targets[:, :2]), (inputs[..., 0], targets[..., 0])):
        with pytest.raises(InputError, match=r"a batch has shapes \[\(30, 4.*: give \(inputs"):
            list(train_stage(init_state(model, optimizer, 1), [batch], **fixed))
    (state,) = train_stage(init_state(model, optimizer, 1), [(inputs, targets)], **fixed)
    assert np.isfinite(state.losses).all()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_a_chunk_lowers_for_accelerators(platform):
    model, optimizer = SineLSTM(), adam(0.001, 0.02)
    state = init_state(model, optimizer, 100)
    values = settings(model, optimizer, batch_size=20, past=100, horizon=50)

    def chunk(state, key, end):
        waves = draw_ahead(key, state.iteration, batch_size=20)
        return train_on_waves(state, waves, end, Program(**values))

    exported = jax.export.export(jax.jit(chunk), platforms=[platform])(
        state, jax.random.key(0), jnp.int32(10)
    )
    assert exported.platforms == (platform,)
    assert [aval.shape for aval in exported.out_avals] == [x.shape for x in jax.tree.leaves(state)]


def test_nadam_clipped_along_a_cosine_by_hand():
    peak, epsilon, b1, b2, clip = 0.1, 1e-6, 0.8, 0.95, 0.5
    warmup, iterations, final_fraction = 2, 8, 0.1
    optimizer = adam(
        peak,
        epsilon,
        b1=b1,
        b2=b2,
        nesterov=True,
        clip_norm=clip,
        warmup=warmup,
        final_fraction=final_fraction,
        iterations=iterations,
    )
    gradients = (
        np.random.default_rng(0).normal(size=(iterations, 4)) * np.logspace(-2, 1, 8)[:, None]
    )
    norms = np.linalg.norm(gradients, axis=1)
    assert norms.min() < clip < norms.max()
    weights, first, second = np.zeros(4), 0.0, 0.0
    ours = jnp.zeros(4)
    state = optimizer.init(ours)
    for t, gradient in enumerate(gradients):
        updates, state = optimizer.update(jnp.asarray(gradient, jnp.float32), state, ours)
        ours = ours + updates
        gradient = gradient * min(1, clip / norms[t])
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


def test_another_filter_trains_the_input_bias_too(model):
    optimizer = adam(0.01, 0.02)
    state = init_state(model, optimizer, 1, trainable=(nnx.Param, FrozenBias))
    assert state.frozen == {}
    key, fixed = jax.random.key(0), settings(model, optimizer)
    state = train_chunk(state, key, np.int32(1), **fixed)
    # The two biases add up, so their gradients, and with them Adam's first steps, are the same.
    before = model.cell
    moved = state.weights["cell"]["input_bias"] - before.input_bias[...]
    assert jnp.abs(moved).min() > 0
    other = state.weights["cell"]["hidden_bias"] - before.hidden_bias[...]
    np.testing.assert_allclose(moved, other, atol=2e-7)
    trained = nnx.merge(fixed["structure"], state.weights, state.frozen)
    np.testing.assert_array_equal(trained.cell.input_bias[...], state.weights["cell"]["input_bias"])


@pytest.mark.parametrize("period", [0, -1, 1.5, True])
def test_a_period_that_is_none_is_named(period):
    model, optimizer = SineLSTM(3), adam(0.01, 1e-3)
    fixed = {"structure": nnx.graphdef(model), "optimizer": optimizer}
    start = init_state(model, optimizer, 25)
    stages = train_stage(start, jax.random.key(0), pause_every=(10, period), **fixed)
    with pytest.raises(InputError, match=f"pause_every is {period!r}: give a whole number"):
        next(stages)


def test_chunks_are_as_long_as_asked_for_and_change_no_number():
    model, optimizer = SineLSTM(3, rngs=nnx.Rngs(0)), adam(0.01, 1e-3)
    fixed = {"structure": nnx.graphdef(model), "optimizer": optimizer, "pause_every": (10,)}
    fixed |= {"batch_size": 2, "past": 5, "horizon": 3}

    def train(**options):
        start = init_state(model, optimizer, 25)
        stage = train_stage(start, jax.random.key(0), **fixed, **options)
        return zip(*((int(s.iteration), np.array(s.losses)) for s in stage), strict=True)

    lengths = iter([1, 2, 100, 4, 100, 5])
    ends, losses = train(pause_after=lambda: next(lengths))
    assert ends == (1, 3, 10, 14, 20, 25)
    expected_ends, expected = train()
    assert expected_ends == (10, 20, 25)
    np.testing.assert_array_equal(losses[-1], expected[-1])
