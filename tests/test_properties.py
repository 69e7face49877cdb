"""Whatever is given to a public name or the command line: a finite result, or the one error.

A few examples of each in the suite; with `--hypothesis-profile thousands` (conftest.py), many.
"""

import contextlib
import io
import json
import math
import os
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

import sinlstm_jax
from sinlstm_jax import (
    Forecaster,
    LSTMCarry,
    LSTMCell,
    Recipe,
    SineLSTM,
    Stage,
    Waves,
    adam,
    commands,
    curriculum,
    draw_waves,
    evaluate,
    forecast,
    forecast_function,
    generate_sample,
    held_out_waves,
    init_state,
    load_model,
    load_models,
    load_pretrained,
    observe,
    params_from_torch,
    params_to_torch,
    rollout,
    rollout_errors,
    sample_batch,
    sample_batches,
    save_model,
    sine,
    stepper,
    train_chunk,
    train_stage,
    train_step,
)
from sinlstm_jax.commands import main as cli
from sinlstm_jax.errors import InputError
from sinlstm_jax.model import split_model

pytestmark = pytest.mark.filterwarnings("error")
SIZE = 3  # hidden units, so that few programs are compiled
MODEL = SineLSTM(SIZE, implementation="scan")
STRUCTURE, WEIGHTS, FROZEN = split_model(MODEL)
OPTIMIZER = adam(0.01, 0.02)
TINY = Recipe("tiny", "tiny", (Stage(2, 2),), display_every=1, past=2, batch_size=1, hidden_size=2)

floats = st.floats(width=32) | st.sampled_from([0.0, -0.0, math.nan, math.inf, 1e-45, 3e38, -3e38])
odd_arrays = st.sampled_from(
    [
        np.zeros((0,)),
        np.zeros((2, 0)),
        np.zeros(()),
        np.zeros((1, 1, 1, 1)),
        np.array(["a"]),
        np.array([1j]),
        np.array([None]),
        np.array([2**70], object),
        np.array([np.nan, 1.0]),
        np.array([True, False]),
        np.arange(3),
        np.array(["2001-01-01"], "datetime64[s]"),
        jnp.ones(2, jnp.bfloat16),
        jnp.ones(2, bool),
    ]
)
# Beyond int32, or small: what lies between may be valid, and fill the memory.
junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 4) | st.integers(2**31, 2**70),
    st.sampled_from([-1, 0, 2**31, 2**32, 2**63, 10**400, -(10**5000)]),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.lists(st.integers(-2, 2), max_size=2),
    st.dictionaries(st.text(max_size=1), st.none(), max_size=1),
    st.sampled_from([object(), print, {1}, range(3), ..., np.float32(1), np.int8(-1), "\0", "é\n"]),
    odd_arrays,
)
sizes = st.sampled_from([1, 2]) | junk  # a size is one of few, or nothing that is one


def few_or_junk(*values):
    """Draw mostly a value that fits, else anything."""
    return st.one_of(st.sampled_from(values), st.sampled_from(values), junk)


def result_or_input_error(function, *arguments, **keywords):
    """Call it: (result, None), or (None, the InputError), of one line that says something."""
    try:
        return function(*arguments, **keywords), None
    except InputError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 2000
        return None, error


def assert_is(array, shape, dtype):
    assert (array.shape, array.dtype) == (shape, dtype)
    assert np.isfinite(array).all()


# What each public name is tried with below; a new one has to be added.
TRIED = set(
    """
    adam draw_waves evaluate forecast forecast_function Forecaster generate_sample held_out_waves
    init_state
    load_model load_models load_pretrained observe params_from_torch params_to_torch rollout
    rollout_errors run sample_batch sample_batches save_model sine stepper train_chunk train_stage
    train_step LSTMCell SineLSTM Recipe Stage
    """.split()
)
# Values, errors, and plain containers that take what they are given.
NOTHING_TO_TRY = {
    *("NO_INPUT", "RECIPES", "Diverged", "InputError", "Interrupted", "SaveFailed"),
    *("FrozenBias", "Failure", "LSTMCarry", "TrainState", "Waves"),
}


def test_every_public_name_is_tried():
    assert TRIED | NOTHING_TO_TRY == set(sinlstm_jax.__all__)
    assert {f"test_{name}" for name in TRIED - {"load_models"}} <= globals().keys()


# Signals.


@given(floats | junk, floats | junk, sizes, sizes, sizes, st.none() | junk)
def test_generate_sample(f, t0, batch_size, predict, samples, rng):
    result, _ = result_or_input_error(generate_sample, f, t0, batch_size, predict, samples, rng=rng)
    if result is not None:
        past, future = (batch_size, samples), (batch_size, predict)
        for array, shape in zip(result, (past, past, future, future), strict=True):
            assert_is(array, shape, np.float64)
        assert np.abs(result[1]).max() <= 1 and np.abs(result[3]).max() <= 1


keys = st.sampled_from([jax.random.key(0), jax.random.key(2**32 - 1)]) | junk


@given(keys, sizes)
def test_draw_waves(key, batch_size):
    result, _ = result_or_input_error(draw_waves, key, batch_size)
    if result is not None:
        for array in result:
            assert_is(array, (batch_size,), np.float32)


@given(keys, sizes, sizes, sizes)
def test_sample_batch(key, batch_size, past, future):
    result, _ = result_or_input_error(sample_batch, key, batch_size, past, future)
    if result is not None:
        for array in result:
            assert_is(array, (past + future, batch_size, 1), np.float32)


@given(st.sampled_from([np.random.RandomState(1), None]) | junk, sizes, sizes, sizes)
def test_sample_batches(rng, batch_size, past, future):
    result, _ = result_or_input_error(lambda: next(sample_batches(rng, batch_size, past, future)))
    if result is not None:
        for array in result:
            assert_is(array, (past + future, batch_size, 1), np.float32)


pairs = st.lists(floats | st.floats(), min_size=2, max_size=2).map(np.array)


@given(pairs | junk, pairs | junk, sizes)
def test_sine(frequency, offset, steps):
    result, _ = result_or_input_error(sine, frequency, offset, steps)
    if result is not None:
        assert_is(result, (steps, len(frequency)), np.float32)
        assert np.abs(result).max() <= 1


# Models.


@given(st.sampled_from([1, 2, 3]) | junk, st.sampled_from([nnx.Rngs(1), None]) | junk,
       few_or_junk("auto", "scan", "fused"))  # fmt: skip
def test_SineLSTM(hidden_size, rngs, implementation):
    model, _ = result_or_input_error(
        SineLSTM, hidden_size, rngs=rngs, implementation=implementation
    )
    if model is not None:
        assert_is(model.output.kernel[...], (hidden_size, 1), np.float32)
        assert_is(model.cell.hidden_kernel[...], (hidden_size, 4 * hidden_size), np.float32)
        carry, error = result_or_input_error(model.initial_carry, hidden_size)
        assert error is None and carry.hidden.shape == (hidden_size, hidden_size)


@given(sizes, st.sampled_from([1, 2]) | junk, st.just(nnx.Rngs(1)) | junk)
def test_LSTMCell(input_size, hidden_size, rngs):
    cell, _ = result_or_input_error(LSTMCell, input_size, hidden_size, rngs=rngs)
    if cell is not None:
        carry, output = cell(cell.initialize_carry((2, input_size)), jnp.ones((2, input_size)))
        assert_is(output, (2, hidden_size), np.float32)
        assert_is(carry.cell, (2, hidden_size), np.float32)


histories = st.sampled_from([(2,), (2, 1), (2, 2), (2, 2, 1)]).flatmap(
    lambda shape: st.lists(floats, min_size=math.prod(shape), max_size=math.prod(shape)).map(
        lambda values: np.array(values).reshape(shape)
    )
)
models = st.sampled_from([MODEL, SineLSTM(SIZE)])  # whichever implementations there are


def batch_of(history):
    return 1 if np.ndim(history) == 1 else np.shape(history)[1]


@given(models | junk, histories | junk, sizes)
def test_rollout(model, history, horizon):
    result, _ = result_or_input_error(rollout, model, history, horizon)
    if result is not None:
        assert_is(result, (len(history) + horizon, batch_of(history), 1), np.float32)


@given(models | junk, histories | junk)
def test_observe(model, history):
    result, _ = result_or_input_error(observe, model, history)
    if result is not None:
        carry, predictions = result
        assert_is(predictions, (len(history), batch_of(history), 1), np.float32)
        for array in carry:
            assert_is(array, (batch_of(history), SIZE), np.float32)


carries = st.tuples(st.sampled_from([1, 2, 0]), st.sampled_from([SIZE, SIZE, SIZE + 1])).flatmap(
    lambda shape: st.floats(-1, 1, width=32).map(
        lambda value: LSTMCarry(*[np.full(shape, value, np.float32)] * 2)
    )
)


@given(models | junk, carries | junk | st.tuples(junk, junk), sizes)
def test_forecast(model, carry, steps):
    result, _ = result_or_input_error(forecast, model, carry, steps)
    if result is not None:
        assert_is(result[1], (steps, len(carry[0]), 1), np.float32)
        for array in result[0]:
            assert_is(array, carry[0].shape, np.float32)


@given(models | junk, floats.filter(np.isfinite))
def test_stepper(model, value):
    step, _ = result_or_input_error(stepper, model)
    if step is not None:
        carry, prediction = step(model.initial_carry(1), jnp.full((1, 1), value, jnp.float32))
        assert_is(prediction, (1, 1), np.float32)
        assert_is(carry.hidden, (1, SIZE), np.float32)


@given(models | junk, histories | junk, sizes)
def test_forecast_function(model, history, horizon):
    made, _ = result_or_input_error(forecast_function, model)
    if made is not None:
        result, _ = result_or_input_error(made, history, horizon)
        if result is not None:
            assert_is(result, (horizon, batch_of(history)), np.float32)


STREAM = Forecaster(MODEL)


@given(models | junk, st.none() | junk, st.none() | junk, st.none() | floats | junk, sizes)
def test_Forecaster(model, batch_size, window, values, steps):
    stream, _ = result_or_input_error(Forecaster, model, batch_size, window)
    if stream is not None:
        assert_is(stream.forecast(1), (1, batch_size)[: 1 + (batch_size is not None)], np.float32)
    read, _ = result_or_input_error(STREAM.observe, values)
    if read is not None:
        assert np.isfinite(read).all() and np.shape(read) == np.shape(values)
    predictions, _ = result_or_input_error(STREAM.forecast, steps)
    if predictions is not None:
        assert_is(predictions, (steps,), np.float32)
    result_or_input_error(Forecaster.from_state, MODEL, values)


# Weights.


@st.composite
def state_dicts(draw):
    """Draw the six entries, some of them spoilt."""
    arrays = params_to_torch(MODEL)
    for name in draw(st.lists(st.sampled_from(sorted(arrays)), max_size=2, unique=True)):
        arrays[name] = draw(
            junk | floats.map(lambda value, array=arrays[name]: np.full_like(array, value))
        )
    if draw(st.booleans()):
        arrays[draw(st.text(max_size=2) | st.integers() | st.none())] = draw(junk)
    return arrays


@given(state_dicts() | junk)
def test_params_from_torch(state_dict):
    model, _ = result_or_input_error(params_from_torch, state_dict)
    if model is not None:
        for name, array in params_to_torch(model).items():
            np.testing.assert_array_equal(array, state_dict[name])
            assert_is(array, np.shape(state_dict[name]), np.float32)


@given(models | junk)
def test_params_to_torch(model):
    arrays, _ = result_or_input_error(params_to_torch, model)
    if arrays is not None:
        assert_is(arrays["lstm.weight_hh_l0"], (4 * SIZE, SIZE), np.float32)


# Files. Names are looked for in an empty folder, and nothing may come to be there.

names = st.sampled_from(["", ".", "..", "a", "a/b", "/dev/null", "x" * 5000, "\0", "\ud800"]) | junk


@contextlib.contextmanager
def empty_folder(tmp_path_factory):
    before, folder = Path.cwd(), tmp_path_factory.mktemp("empty")
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


@given(names, junk)
def test_load_model(tmp_path_factory, name, replicate):
    with empty_folder(tmp_path_factory) as folder:
        for load in (lambda: load_model(name), lambda: load_models(name)):
            assert isinstance(result_or_input_error(load)[1], InputError)
        assert not list(folder.iterdir())
        save_model(MODEL, folder / "a")
        model, error = result_or_input_error(load_model, folder / "a", replicate)
        fits = replicate is None or (type(replicate) is int and replicate == 0)
        assert (model is not None) == fits, error


def test_load_pretrained():
    assert_is(rollout(load_pretrained(), np.zeros(2), 1), (3, 1, 1), np.float32)


@given(models | junk, st.sampled_from(["", ".", "/dev/null", "x" * 5000, "\0", "a"]))
def test_save_model(tmp_path_factory, model, name):
    with empty_folder(tmp_path_factory) as folder:
        _, error = result_or_input_error(save_model, model, name)
        if error is not None:
            assert not list(folder.iterdir())
        else:
            assert isinstance(load_model(name), SineLSTM)


# Evaluation.

waves = st.builds(Waves, pairs, pairs) | st.builds(Waves, junk, junk)
intervals = st.lists(st.tuples(sizes, sizes) | junk, max_size=2).map(tuple) | junk


@given(models | junk, waves, intervals | st.just(((0, 2),)), sizes)
def test_rollout_errors(model, waves, intervals, past):
    result, _ = result_or_input_error(rollout_errors, model, *waves, intervals, past)
    if result is not None:
        assert_is(result, (len(intervals), len(waves.frequency)), np.float64)


@given(
    st.sampled_from([forecast_function(MODEL), lambda history, horizon: history]) | junk,
    waves | junk, sizes, sizes,
)  # fmt: skip
def test_evaluate(forecaster, waves, horizon, past):
    result, _ = result_or_input_error(evaluate, forecaster, waves, horizon, past)
    if result is not None:
        assert_is(result.error_over_time, (horizon,), np.float64)


@given(sizes)
def test_held_out_waves(count):
    result, _ = result_or_input_error(held_out_waves, count)
    if result is not None:
        assert_is(result.frequency, (count,), np.float64)
        assert_is(result.offset, (count,), np.float64)


# Training.

ADAM = {
    "learning_rate": few_or_junk(0.01),
    "epsilon": few_or_junk(0.02),
    "b1": few_or_junk(0.9, 0),
    "b2": few_or_junk(0.999),
    "nesterov": few_or_junk(True, False),
    "clip_norm": few_or_junk(None, 0.1),
    "warmup": few_or_junk(0, 1),
    "final_fraction": few_or_junk(1, 0.5),
}


@given(st.fixed_dictionaries({**ADAM, "iterations": few_or_junk(2, None)}))
def test_adam(arguments):
    optimizer, _ = result_or_input_error(adam, **arguments)
    if optimizer is not None:
        assert adam(**arguments) is optimizer
        updates, _ = optimizer.update(jnp.ones(1), optimizer.init(jnp.ones(1)), jnp.ones(1))
        assert np.isfinite(updates).all()


@given(st.fixed_dictionaries({**ADAM, "horizon": sizes, "iterations": sizes,
                              "undo_above": few_or_junk(None, 0.5)}))  # fmt: skip
def test_Stage(arguments):
    stage, _ = result_or_input_error(Stage, **arguments)
    if stage is not None:
        assert "horizon" in stage.describe()
        assert stage.went_wrong(np.ones((2, stage.iterations), np.float32)).shape == (2,)
        json.dumps(stage.learning_rate)


@given(few_or_junk("a"), few_or_junk("b"), few_or_junk((Stage(1, 1),), (Stage(1, 2**31 - 1),) * 2),
       sizes, sizes, sizes, sizes)  # fmt: skip
def test_Recipe(name, summary, stages, display_every, past, batch_size, hidden_size):
    recipe, _ = result_or_input_error(
        Recipe, name, summary, stages, display_every, past, batch_size, hidden_size
    )
    if recipe is not None:
        assert recipe.ends[-1] >= 1 and recipe.iteration_steps >= 1


@given(models | junk, sizes)
def test_init_state(model, iterations):
    state, _ = result_or_input_error(init_state, model, OPTIMIZER, iterations)
    if state is not None:
        assert (state.losses.shape, state.losses.dtype) == ((iterations,), np.float32)


batches = st.tuples(
    *[floats.map(lambda value: jnp.full((2, 1, 1), value, jnp.float32))] * 2
) | st.tuples(junk, junk)


def assert_trained(state, iterations):
    """Whatever was in the batches: weights and moments stay finite, and a failure is noted."""
    for leaf in jax.tree.leaves((state.weights, state.optimizer)):
        assert np.isfinite(leaf).all()
    failed = int(state.failure.iteration)
    well = failed if failed >= 0 else iterations
    assert np.isfinite(state.losses[:well]).all() and np.isnan(state.losses[well:]).all()


compiled_step = jax.jit(train_step, static_argnums=(0, 1))  # would not let all junk through


@given(batches | junk)
def test_train_step(batch):
    fits = isinstance(batch, tuple) and all(getattr(x, "shape", 0) == (2, 1, 1) for x in batch)
    start, step = init_state(MODEL, OPTIMIZER, 1), compiled_step if fits else train_step
    state, _ = result_or_input_error(step, STRUCTURE, OPTIMIZER, start, batch)
    if state is not None:
        assert_trained(state, 1)


@given(st.lists(batches, max_size=3), few_or_junk((1,), (2, 3), ()))
def test_train_stage(batches, pause_every):
    def train():
        start = init_state(MODEL, OPTIMIZER, 2)
        settings = {"structure": STRUCTURE, "optimizer": OPTIMIZER}
        return list(train_stage(start, iter(batches), pause_every=pause_every, **settings))[-1]

    state, _ = result_or_input_error(train)
    if state is not None:
        assert_trained(state, 2)


whole_sizes = st.sampled_from([1, 2, -1, 0, 2**31])


@given(whole_sizes, whole_sizes, whole_sizes)
def test_train_chunk(batch_size, past, horizon):
    state, _ = result_or_input_error(
        train_chunk,
        init_state(MODEL, OPTIMIZER, 1),
        jax.random.key(0),
        np.int32(1),
        structure=STRUCTURE,
        optimizer=OPTIMIZER,
        batch_size=batch_size,
        past=past,
        horizon=horizon,
    )
    if state is not None:
        assert_trained(state, 1)


# Runs and the command line. What is accepted goes no further than to where training would begin.


class Accepted(BaseException):
    """The arguments would do."""


@contextlib.contextmanager
def no_training(module=curriculum, name="initial_model"):
    kept = getattr(module, name)

    def accept(*_, **__):
        raise Accepted

    setattr(module, name, accept)
    try:
        yield
    finally:
        setattr(module, name, kept)


@given(few_or_junk(TINY, replace(TINY, past=3)), few_or_junk(0, 2**32 - 1), names, sizes, sizes,
       few_or_junk("auto", "scan"))  # fmt: skip
def test_run(tmp_path_factory, recipe, seed, out, replicates, checkpoint_every, implementation):
    with empty_folder(tmp_path_factory) as folder, no_training():
        try:
            _, error = result_or_input_error(
                sinlstm_jax.run,
                recipe,
                seed,
                folder if isinstance(out, str) and out == ".." else out,
                replicates=replicates,
                checkpoint_every=checkpoint_every,
                implementation=implementation,
            )
        except Accepted:
            return
        assert error is not None and not list(folder.iterdir())


words = st.one_of(
    st.integers().map(str),
    st.sampled_from(["0", "-1", "1e3", "nan", "inf", "1_000", "٣", "9" * 5000, str(2**31)]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    st.sampled_from(["", " ", "-", "--", "--seed", "auto", "x" * 5000, "/dev/null/x", "a/../b"]),
)
CURRICULUM = {
    "--recipe": ["smoke", "tuned"],
    "--seed": ["1", str(2**32 - 1)],
    "--replicates": ["1", "2"],
    "--out": ["run"],
    "--checkpoint-every": ["7"],
    "--display-every": ["3"],
    "--hidden-size": ["2", "64", "100", "4096"],
    "--batch-size": ["1", "1000"],
    "--device": ["cpu", "gpu", "tpu", "None"],
    "--implementation": ["auto", "scan"],
    "--coordinator": ["localhost:1"],
    "--processes": ["0"],
    "--process-index": ["-1", "7"],
}


def command_lines(options):
    """Draw options with values that fit, or with none that does; and sometimes stray words."""
    pair = st.sampled_from(sorted(options)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(options[name]) | words)
    )
    return st.lists(pair | st.tuples(words), max_size=4).map(
        lambda pairs: [word for pair in pairs for word in pair]
    )


def assert_one_line_or_accepted(tmp_path_factory, arguments, module, name):
    """Give the command line to a command: exit code 2, one line and no file, or it is accepted."""
    output, errors = io.StringIO(), io.StringIO()
    with empty_folder(tmp_path_factory) as folder, no_training(module, name):
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                cli.main(arguments)
        except Accepted:
            return
        except SystemExit as stop:
            if stop.code:
                assert stop.code == 2, errors.getvalue()
                assert errors.getvalue().startswith("error: ")
                assert errors.getvalue().count("\n") == 1
                assert output.getvalue() == ""
        assert not list(folder.iterdir())


@given(command_lines(CURRICULUM))
def test_the_curriculum_command(tmp_path_factory, arguments):
    assert_one_line_or_accepted(
        tmp_path_factory, ["curriculum", *arguments], curriculum, "initial_model"
    )


EVALUATE = {"--out": ["a"], "--horizon": ["400", "399"], "--device": ["cpu"]}


@given(
    st.lists(st.sampled_from(["pretrained", "nowhere", "zero"]) | words, max_size=2),
    command_lines(EVALUATE),
)
def test_the_evaluate_command(tmp_path_factory, runs, options):
    assert_one_line_or_accepted(
        tmp_path_factory, ["evaluate", *runs, *options], commands.evaluate, "make_folder"
    )


@given(
    st.lists(st.sampled_from(["a.pt", "b.safetensors", "c"]) | words, max_size=3),
    command_lines({"--replicate": ["0", "1"]}),
)
def test_the_convert_command(tmp_path_factory, files, options):
    assert_one_line_or_accepted(
        tmp_path_factory, ["convert", *files, *options], commands.shared, "SHIPPED"
    )


FORECAST = {
    "--model": ["pretrained", "nowhere"],
    "--steps": ["1", "400"],
    "--every": ["50"],
    "--window": ["100"],
    "--out": ["a.csv"],
    "--picture": ["a.png"],
    "--device": ["cpu"],
}


@given(command_lines(FORECAST))
def test_the_forecast_command(tmp_path_factory, arguments):
    assert_one_line_or_accepted(
        tmp_path_factory, ["forecast", *arguments], commands.forecast, "opened"
    )


@given(st.lists(st.sampled_from(["pretrained", "nowhere", "a"]) | words, max_size=3))
def test_the_export_command(tmp_path_factory, arguments):
    assert_one_line_or_accepted(tmp_path_factory, ["export", *arguments], commands.export, "export")


@given(
    st.lists(st.sampled_from(["pretrained", "nowhere"]) | words, max_size=2),
    command_lines({"--out": ["a.html", "a"]}),
)
def test_the_playground_command(tmp_path_factory, runs, options):
    assert_one_line_or_accepted(
        tmp_path_factory, ["playground", *runs, *options], commands.playground, "write_page"
    )


@given(
    st.sampled_from(["curriculum", "evaluate", "convert", "forecast", "export", "playground"])
    | words,
    st.lists(words, max_size=2),
)
def test_the_installed_command(tmp_path_factory, subcommand, arguments):
    module, name = curriculum, "initial_model"
    if subcommand == "forecast":  # without arguments it would read standard input
        module, name = commands.forecast, "opened"
    assert_one_line_or_accepted(tmp_path_factory, [subcommand, *arguments], module, name)
