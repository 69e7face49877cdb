"""The fused kernel against the scan, which is the definition."""

import itertools
import logging
import os
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import lstm_cases
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lstm_cases import assert_close, assert_same_bits

from sinlstm_jax.kernel import fused_lstm, fused_predict, layer, library
from sinlstm_jax.lstm import LSTMCarry, LSTMWeights, lstm_scan, readout

TESTS = Path(__file__).parents[1]
RELATIVE = 1e-5  # to an array's largest entry


@pytest.fixture(autouse=True)
def kernel():
    """Load the kernel, or skip."""
    try:
        library.load()
    except library.NativeUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def said(caplog):
    """What the layer says in the log in this test."""
    layer.say_once.cache_clear()
    caplog.set_level(logging.INFO, "sinlstm_jax")
    return lambda: caplog.messages


def run_check(*arguments, **environment):
    """Run one of layer_checks.py, which may hang, and return what it prints."""
    result = subprocess.run(
        [sys.executable, TESTS / "layer_checks.py", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@cache
def results_of(layer):
    return jax.jit(partial(lstm_cases.results, layer))


@partial(jax.jit, static_argnums=5)
def predict_by_scan(weights, kernel, bias, carry, inputs, steps):
    inputs = jnp.broadcast_to(inputs, (steps, *inputs.shape[1:]))
    carry, hidden = lstm_scan(weights, carry, inputs)
    return carry, readout(kernel, bias, hidden)


def readout_of(weights):
    """Return a linear layer of fitting size."""
    return weights.hidden_kernel[:, :1], weights.bias[:1]


def test_the_constants_are_those_of_the_source():
    lines = library.SOURCE.read_text().splitlines()

    def constant(name):
        (line,) = (line for line in lines if line.startswith(f"constexpr int {name} = "))
        return int(line.split("=")[1].split(";")[0])

    assert layer.SAVED == constant("SAVED")
    assert layer.PADDING == constant("PADDING")
    assert library.MAX_HIDDEN_SIZE == constant("MAX_SIZE")


# Numbers.


@settings(max_examples=6, deadline=None, derandomize=True, database=None)
@example(seed=0, hidden=1, inputs=1, batch=1, steps=1)
@example(seed=0, hidden=15, inputs=1, batch=20, steps=40)
@example(seed=0, hidden=64, inputs=64, batch=23, steps=17)
@given(
    seed=st.integers(0, 1000),
    hidden=st.integers(1, 64),
    inputs=st.integers(1, 8) | st.just(64),
    batch=st.integers(1, 23),
    steps=st.integers(1, 40),
)
def test_outputs_carry_and_gradients_are_the_scans(seed, hidden, inputs, batch, steps):
    case = weights, carry, inputs = lstm_cases.draw(seed, hidden, inputs, batch, steps)
    ours, expected = results_of(fused_lstm)(*case), results_of(lstm_scan)(*case)
    assert_close(ours, expected, RELATIVE)
    kernel, bias = readout_of(weights)
    expected_carry, expected_hidden = expected["outputs"]
    assert_close(
        fused_predict(weights, kernel, bias, carry, inputs, steps),
        (expected_carry, readout(kernel, bias, expected_hidden)),
        RELATIVE,
    )


@pytest.mark.parametrize("steps", [1, 9])
def test_one_step_of_inputs_is_repeated(steps):
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 7, 1)
    operands = (weights, *readout_of(weights), carry, inputs)
    assert_close(fused_predict(*operands, steps), predict_by_scan(*operands, steps), RELATIVE)


def test_gradients_of_predictions_are_the_scans():
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 7, 12)

    def gradients(predict):
        def layer(weights, carry, inputs):
            kernel, bias = readout_of(weights)
            return predict(weights, kernel, bias, carry, inputs, 12)

        return results_of(layer)(weights, carry, inputs)

    assert_close(gradients(fused_predict), gradients(predict_by_scan), RELATIVE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-40, -1e-40, 1e-45])
@pytest.mark.parametrize("where", ["inputs", "input_kernel", "hidden_kernel", "bias", "hidden"])
def test_extreme_numbers_are_treated_as_by_the_scan(where, value):
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 7, 6)
    if where == "inputs":
        inputs = inputs.at[2, 3, 0].set(value)
    elif where == "hidden":
        carry = carry._replace(hidden=carry.hidden.at[3, 5].set(value))
    else:
        array = getattr(weights, where)
        weights = weights._replace(**{where: array.at[(0,) * (array.ndim - 1) + (20,)].set(value)})
    case = weights, carry, inputs
    assert_close(results_of(fused_lstm)(*case), results_of(lstm_scan)(*case), RELATIVE)
    operands = (weights, jnp.ones((15, 1)), jnp.ones(1), carry, inputs)
    assert_close(fused_predict(*operands, 6), predict_by_scan(*operands, 6), RELATIVE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-40])
def test_extreme_cells_are_treated_as_by_the_scan(value):
    """Not their gradients at 1e30: the scan itself adds 1 to 1e28 and takes 1e28 away."""
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 7, 6)
    carry = carry._replace(cell=carry.cell.at[3, 5].set(value))
    case = weights, carry, inputs
    ours, expected = results_of(fused_lstm)(*case), results_of(lstm_scan)(*case)
    assert_close(ours["outputs"], expected["outputs"], RELATIVE)
    if abs(value) != 1e30:
        assert_close(ours["gradients"], expected["gradients"], RELATIVE)
    operands = (weights, jnp.ones((15, 1)), jnp.ones(1), carry, inputs)
    assert_close(fused_predict(*operands, 6), predict_by_scan(*operands, 6), RELATIVE)


@pytest.mark.parametrize("scale", [1e-42, 1e-38, 30.0, 1e4])
def test_weights_of_any_size_are_treated_as_by_the_scan(scale):
    weights, carry, inputs = lstm_cases.draw(0, 9, 2, 4, 5)
    case = jax.tree.map(lambda x: x * np.float32(scale), weights), carry, inputs
    assert_close(results_of(fused_lstm)(*case)["outputs"], results_of(lstm_scan)(*case)["outputs"],
                 RELATIVE if scale < 100 else 1e-3)  # fmt: skip


def test_a_series_bits_do_not_depend_on_its_batch():
    weights, carry, inputs = lstm_cases.draw(0, 15, 2, 23, 12)
    kernel, bias = readout_of(weights)

    def both(first, last):
        part = LSTMCarry(*(x[first:last] for x in carry))
        window = inputs[:, first:last]
        ends, hidden = fused_lstm(weights, part, window)
        _, predictions = fused_predict(weights, kernel, bias, part, window, 12)
        return hidden, predictions, *(x[None] for x in ends)

    whole = both(0, 23)
    for size in (1, 2, 3, 4, 5, 7, 11):
        for first in range(0, 24 - size, 5):
            part = [x[:, first : first + size] for x in whole]
            assert_same_bits(list(both(first, first + size)), part)


@pytest.mark.parametrize("first", [1, 2, 7, 29])
def test_predicting_in_two_parts_loses_no_bit(first):
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 7, 1)
    readout = readout_of(weights)
    ends, whole = fused_predict(weights, *readout, carry, inputs, 30)
    middle, head = fused_predict(weights, *readout, carry, inputs, first)
    last, tail = fused_predict(weights, *readout, middle, inputs, 30 - first)
    assert_same_bits((last, jnp.concatenate([head, tail])), (ends, whole))


# Replicates.


@pytest.mark.parametrize("batched", [(0, 0, 0), (None, 0, 0), (0, None, None), (None, None, 0)])
def test_vmap_gives_the_bits_of_one_call_each(batched):
    case = lstm_cases.draw(0, 15, 2, 7, 9, replicates=(5,))
    case = [
        jax.tree.map(lambda x, axis=axis: x if axis == 0 else x[0], part)
        for part, axis in zip(case, batched, strict=True)
    ]
    one = results_of(fused_lstm)
    together = jax.jit(jax.vmap(one, in_axes=batched))(*case)
    for i in range(5):
        own = [
            jax.tree.map(lambda x, axis=axis: x[i] if axis == 0 else x, part)  # noqa: B023
            for part, axis in zip(case, batched, strict=True)
        ]
        assert_same_bits(jax.tree.map(lambda x: x[i], together), one(*own))  # noqa: B023


def test_vmap_of_vmap_and_of_other_axes():
    case = lstm_cases.draw(0, 9, 1, 3, 5, replicates=(2, 3))
    one = results_of(fused_lstm)
    nested = jax.jit(jax.vmap(jax.vmap(one)))(*case)
    last = [jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1), part) for part in case]
    moved = jax.jit(jax.vmap(jax.vmap(one), in_axes=-1, out_axes=-1))(*last)
    for i, j in itertools.product(range(2), range(3)):
        own = one(*jax.tree.map(lambda x: x[i, j], case))  # noqa: B023
        assert_same_bits(jax.tree.map(lambda x: x[i, j], nested), own)  # noqa: B023
        assert_same_bits(jax.tree.map(lambda x: x[j, ..., i], moved), own)  # noqa: B023


def test_vmap_of_predictions_gives_the_bits_of_one_call_each():
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 4, 1, replicates=(3,))
    readout = weights.hidden_kernel[:, :, :1], weights.bias[:, :1]
    one = jax.jit(partial(fused_predict, steps=8))
    together = jax.vmap(one)(weights, *readout, carry, inputs)
    for i in range(3):
        own = one(*jax.tree.map(lambda x: x[i], (weights, *readout, carry, inputs)))  # noqa: B023
        assert_same_bits(jax.tree.map(lambda x: x[i], together), own)  # noqa: B023


def test_the_gradient_of_shared_weights_is_the_sum():
    weights, carry, inputs = lstm_cases.draw(0, 9, 1, 3, 5, replicates=(4,))
    weights = jax.tree.map(lambda x: x[0], weights)

    def gradient(layer):
        def total(weights):
            return jnp.sum(jax.vmap(layer, in_axes=(None, 0, 0))(weights, carry, inputs)[1] ** 2)

        return jax.grad(total)(weights)

    assert_close(gradient(fused_lstm), gradient(lstm_scan), RELATIVE)


def test_no_replicates_are_nothing():
    case = lstm_cases.draw(0, 9, 1, 3, 5, replicates=(0,))
    results = jax.vmap(partial(lstm_cases.results, fused_lstm))(*case)
    assert {x.shape[0] for x in jax.tree.leaves(results)} == {0}


def test_the_number_of_threads_and_cores_changes_no_bit():
    results = [run_check("digest", PJRT_NPROC=threads) for threads in ("1", "7")]
    if hasattr(os, "sched_setaffinity"):
        cores = os.sched_getaffinity(0)
        results.append(run_check("digest"))
        try:
            os.sched_setaffinity(0, {min(cores)})
            results.append(run_check("digest"))
        finally:
            os.sched_setaffinity(0, cores)
    assert len(results[0]) == 65
    assert set(results) == {results[0]}


def test_threads_may_call_at_once():
    run_check("threads", PJRT_NPROC="4")


def test_replicates_are_shared_out_over_many_devices():
    run_check("devices", XLA_FLAGS="--xla_force_host_platform_device_count=8")


# Other builds.


def _features():
    try:
        return set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return set()


@pytest.mark.parametrize(
    ("flags", "feature"), [(["-march=haswell"], "avx2"), (["-march=x86-64"], "sse2")]
)
def test_kernels_for_other_cpus_are_correct(flags, feature, request):
    if feature not in _features():
        pytest.skip(f"this CPU knows no {feature}")
    run_check("target", *flags, XDG_CACHE_HOME=str(request.config.cache.mkdir("kernels")))


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["-march=native"], ["-march=haswell"], []])
def test_no_memory_is_touched_that_is_not_the_kernels(flags, tmp_path):
    program = tmp_path / "program"
    subprocess.run(
        [*library._compiler(), "-std=c++17", "-O1", "-g", "-w", *flags,
         "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
         f"-I{jax.ffi.include_dir()}", f"-I{library.SOURCE.parent}",
         TESTS / "kernel" / "sanitized_lstm.cc", "-o", program],
        check=True,
    )  # fmt: skip
    subprocess.run([program], check=True)


# What the kernel cannot.


HANDLERS = ("sinlstm_forward", "sinlstm_predict", "sinlstm_backward")


def handler_shapes(name, replicates=2, steps=5, batch=3, inputs=2, units=7):
    """Return the shapes of a handler's operands and of its results."""
    gates = 4 * units
    carry = [(replicates, batch, units)] * 2
    window = (replicates, steps, batch, inputs)
    weights = [(replicates, inputs, gates), (replicates, units, gates), (replicates, gates)]
    hidden = (replicates, steps, batch, units)
    padded = -(-units // layer.PADDING) * layer.PADDING
    saved = (replicates, batch, steps, layer.SAVED, padded)
    common = [window, *weights, *carry]
    return {
        "sinlstm_forward": (common, [hidden, *carry, saved]),
        "sinlstm_predict": (
            [window, *weights, (replicates, units), (replicates,), *carry],
            [(replicates, steps, batch), *carry],
        ),
        "sinlstm_backward": ([*common, hidden, saved, hidden, *carry], common),
    }[name]


def call_handler(name, operands, results):
    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in results]
    arrays = [jnp.zeros(shape) for shape in operands]
    return jax.block_until_ready(jax.ffi.ffi_call(name, results)(*arrays))


@pytest.mark.parametrize("name", HANDLERS)
def test_handlers_check_every_dimension(name):
    operands, results = handler_shapes(name)
    shapes = (*operands, *results)
    call_handler(name, operands, results)
    for i, shape in enumerate(shapes):
        larger = [(*shape[:k], shape[k] + 1, *shape[k + 1 :]) for k in range(len(shape))]
        for wrong in (*larger, shape[1:], (*shape, 1)):
            changed = [*shapes[:i], wrong, *shapes[i + 1 :]]
            with pytest.raises(jax.errors.JaxRuntimeError, match="shape does not fit"):
                call_handler(name, changed[: len(operands)], changed[len(operands) :])


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize(("units", "inputs"), [(65, 2), (7, 0), (7, 65)])
def test_handlers_check_sizes(name, units, inputs):
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"shape does not fit: .* \(1 to 64\)"):
        call_handler(name, *handler_shapes(name, units=units, inputs=inputs))


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("empty", ["replicates", "steps", "batch"])
def test_handlers_take_empty_arrays(name, empty):
    results = call_handler(name, *handler_shapes(name, **{empty: 0}))
    assert not any(np.any(x) for x in results)  # zeros in, zeros out


@pytest.mark.parametrize(("hidden", "inputs"), [(65, 1), (3, 65)])
def test_more_units_or_inputs_are_left_to_the_scan(hidden, inputs, said):
    case = lstm_cases.draw(0, hidden, inputs, 2, 4)
    assert_close(results_of(fused_lstm)(*case), results_of(lstm_scan)(*case), RELATIVE)
    fused_lstm(*case)
    assert said() == [
        "the plain scan replaces the kernel: it takes at most 64 units and inputs, not 65"
    ]


def test_float64_is_left_to_the_scan(said):
    with jax.enable_x64(True):
        case = jax.tree.map(lambda x: x.astype(jnp.float64), lstm_cases.draw(0, 5, 1, 2, 4))
        ours, expected = results_of(fused_lstm)(*case), results_of(lstm_scan)(*case)
        assert_same_bits(ours, expected)
        assert {x.dtype for x in jax.tree.leaves(ours)} == {np.dtype(np.float64)}
        weights, carry, inputs = case
        operands = (weights, *readout_of(weights), carry, inputs)
        assert_close(fused_predict(*operands, 4), predict_by_scan(*operands, 4), 1e-14)
    assert said() == ["the plain scan replaces the kernel: it computes in float32, not float64"]


@pytest.mark.parametrize("wide", ["weights", "carry"])
def test_mixed_dtypes_are_left_to_the_scan(wide, said):
    with jax.enable_x64(True):
        weights, carry, inputs = lstm_cases.draw(0, 5, 1, 2, 4)
        carry = jax.tree.map(lambda x: x.astype(jnp.float64), carry)
        if wide == "weights":
            weights = jax.tree.map(lambda x: x.astype(jnp.float64), weights)
        case = weights, carry, inputs
        assert_same_bits(results_of(fused_lstm)(*case), results_of(lstm_scan)(*case))
    assert said() == [
        "the plain scan replaces the kernel: it computes in float32, not float32 and float64"
    ]


@pytest.mark.parametrize("platforms", [["cpu"], ["cuda"], ["tpu"], ["cpu", "cuda", "tpu"]])
def test_an_export_is_the_scan(platforms, said):
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 3, 11)
    arrays = (*weights, *carry, inputs)

    def forward(input_kernel, hidden_kernel, bias, hidden, cell, inputs):
        weights = LSTMWeights(input_kernel, hidden_kernel, bias)
        return fused_lstm(weights, LSTMCarry(hidden, cell), inputs)[1]

    exported = jax.export.export(jax.jit(forward), platforms=platforms)(*arrays)
    assert "custom_call @sinlstm_" not in exported.mlir_module()
    assert said() == ["the plain scan replaces the kernel: an export must run without it"]
    if "cpu" in platforms:
        hidden = jax.export.deserialize(exported.serialize()).call(*arrays)
        assert_close(hidden, lstm_scan(weights, carry, inputs)[1], 1e-6)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_programs_for_other_devices_are_the_scan(platform, said):
    traced = results_of(fused_lstm).trace(*lstm_cases.draw(0, 15, 1, 3, 13))
    assert "custom_call @sinlstm_" not in traced.lower(lowering_platforms=(platform,)).as_text()
    assert said() == [f"the plain scan replaces the kernel: it is for cpu, not {platform}"]
    assert "custom_call @sinlstm_backward" in traced.lower().as_text()
