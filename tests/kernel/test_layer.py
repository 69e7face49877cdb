"""The fused kernel against the scan, which is the definition."""

import itertools
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import layer_checks
import lstm_cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lstm_cases import assert_close, assert_same_bits, part, readout_of, results_of

from sinlstm_jax.kernel import layer, library
from sinlstm_jax.kernel.layer import fused_lstm, fused_predict
from sinlstm_jax.lstm import lstm_scan, readout

TESTS = Path(__file__).parents[1]
RELATIVE = 1e-5  # to an array's largest entry

any_outputs = pytest.mark.parametrize("outputs", [1, 2, 3])


@pytest.fixture(autouse=True)
def kernel():
    """Load the kernel, or skip."""
    try:
        library.load()
    except library.NativeUnavailable as error:
        pytest.skip(str(error))


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


@partial(jax.jit, static_argnums=5)
def predict_by_scan(weights, kernel, bias, carry, inputs, steps):
    inputs = jnp.broadcast_to(inputs, (steps, *inputs.shape[1:]))
    carry, hidden = lstm_scan(weights, carry, inputs)
    return carry, readout(kernel, bias, hidden)


def test_the_constants_are_those_of_the_source():
    lines = library.SOURCE.read_text().splitlines()

    def constant(name):
        (line,) = (line for line in lines if line.startswith(f"constexpr int {name} = "))
        return int(line.split("=")[1].split(";")[0])

    assert layer.SAVED == constant("SAVED")
    assert layer.PADDING == constant("PADDING")
    assert layer.CHUNK == constant("CHUNK")
    assert library.MAX_HIDDEN_SIZE == constant("MAX_SIZE")


# Numbers.


def assert_is_the_scan(ours, case):
    assert_close(ours, lstm_cases.by_scan(case), RELATIVE)


@pytest.mark.parametrize("case", lstm_cases.cases())
def test_all_results_are_the_scans(case):
    assert_is_the_scan(lstm_cases.fused(case), case)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 1000),
    hidden=st.integers(1, 64) | st.integers(65, 300),
    inputs=st.integers(1, 8) | st.just(64),
    batch=st.integers(1, 23),
    steps=st.integers(1, 40),
)
def test_all_results_are_the_scans_at_any_size(seed, hidden, inputs, batch, steps):
    case = lstm_cases.draw(seed, hidden, inputs, batch, steps)
    assert_is_the_scan(lstm_cases.fused(case), case)


@pytest.mark.parametrize("case", lstm_cases.cases())
def test_checkpoints_change_no_bit(case, monkeypatch):
    def results():
        return jax.jit(partial(lstm_cases.results, fused_lstm)).lower(*case).compile()(*case)

    expected = results()
    shape = (2, 9, 3, 5)
    assert layer.saved_shape(*shape) == (2, 3, 9, layer.SAVED, 16)
    monkeypatch.setattr(layer, "MAX_SAVED_SIZE", 0)
    monkeypatch.setattr(layer, "MAX_REPEATED_UNITS", library.MAX_HIDDEN_SIZE)
    assert layer.saved_shape(*shape) == (2, 3, 2, 1, 16)
    assert_same_bits(results(), expected)


@any_outputs
@pytest.mark.parametrize("steps", [1, 9])
def test_one_step_of_inputs_is_repeated(steps, outputs):
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 7, 1)
    operands = (weights, *readout_of(weights, outputs), carry, inputs)
    assert_close(fused_predict(*operands, steps), predict_by_scan(*operands, steps), RELATIVE)


@any_outputs
def test_predictions_are_those_in_float64(outputs):
    weights, carry, inputs = lstm_cases.draw(0, 15, 2, 7, 12)
    operands = (weights, *readout_of(weights, outputs), carry, inputs)
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda x: x.astype(jnp.float64), operands)
        expected = predict_by_scan(*wide, 12)
    assert_close(fused_predict(*operands, 12), expected, RELATIVE)


@any_outputs
def test_gradients_of_predictions_are_the_scans(outputs):
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 7, 12)

    def gradients(predict):
        def layer(weights, carry, inputs):
            kernel, bias = readout_of(weights, outputs)
            return predict(weights, kernel, bias, carry, inputs, 12)

        return results_of(layer)(weights, carry, inputs)

    assert_close(gradients(fused_predict), gradients(predict_by_scan), RELATIVE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-40, -1e-40, 1e-45])
@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("inputs", (2, 3, 0)),
        ("input_kernel", (0, 20)),
        ("hidden_kernel", (0, 20)),
        ("bias", (20,)),
        ("hidden", (3, 5)),
        ("cell", (3, 5)),
    ],
)
def test_extreme_numbers_are_treated_as_by_the_scan(name, index, value):
    case = lstm_cases.draw(0, 15, 1, 7, 6)
    array = lstm_cases.named(case)[name].at[index].set(value)
    case = lstm_cases.replaced(case, **{name: array})
    ours, expected = lstm_cases.fused(case), lstm_cases.by_scan(case)
    if name == "cell" and abs(value) == 1e30:  # the scan itself adds 1 to 1e28 and takes 1e28 away
        del ours["gradients"], expected["gradients"]
    assert_close(ours, expected, RELATIVE)


@pytest.mark.parametrize("scale", [1e-42, 1e-38, 30.0, 1e4])
def test_weights_of_any_size_are_treated_as_by_the_scan(scale):
    weights, carry, inputs = lstm_cases.draw(0, 9, 2, 4, 5)
    case = jax.tree.map(lambda x: x * np.float32(scale), weights), carry, inputs
    assert_close(
        results_of(fused_lstm)(*case)["outputs"],
        results_of(lstm_scan)(*case)["outputs"],
        RELATIVE if scale < 100 else 1e-3,
    )


@any_outputs
def test_a_series_bits_do_not_depend_on_its_batch(outputs):
    weights, carry, inputs = lstm_cases.draw(0, 15, 2, 23, 12)
    kernel, bias = readout_of(weights, outputs)

    @jax.jit
    def both(carry, inputs):
        ends, hidden = fused_lstm(weights, carry, inputs)
        _, predictions = fused_predict(weights, kernel, bias, carry, inputs, 12)
        return ends, hidden.swapaxes(0, 1), predictions.swapaxes(0, 1)

    whole = both(carry, inputs)
    for size in (1, 2, 3, 4, 5, 7, 11):
        for first in range(0, 24 - size, 5):
            some = slice(first, first + size)
            assert_same_bits(both(part(carry, some), inputs[:, some]), part(whole, some))


@any_outputs
def test_an_outputs_bits_do_not_depend_on_the_others(outputs):
    weights, carry, inputs = lstm_cases.draw(0, 15, 2, 7, 12)
    kernel, bias = readout_of(weights, outputs)
    _, together = fused_predict(weights, kernel, bias, carry, inputs, 12)
    for i in range(outputs):
        own = slice(i, i + 1)
        _, alone = fused_predict(weights, kernel[:, own], bias[own], carry, inputs, 12)
        assert_same_bits(together[..., own], alone)


@any_outputs
@pytest.mark.parametrize("first", [1, 2, 7, 29])
def test_predicting_in_two_parts_loses_no_bit(first, outputs):
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 7, 1)
    readout = readout_of(weights, outputs)
    ends, whole = fused_predict(weights, *readout, carry, inputs, 30)
    middle, head = fused_predict(weights, *readout, carry, inputs, first)
    last, tail = fused_predict(weights, *readout, middle, inputs, 30 - first)
    assert_same_bits((last, jnp.concatenate([head, tail])), (ends, whole))


# Replicates.


@pytest.mark.parametrize("batched", [(0, 0, 0), (None, 0, 0), (0, None, None), (None, None, 0)])
def test_vmap_gives_the_bits_of_one_call_each(batched):
    case = lstm_cases.draw(0, 15, 2, 7, 9, replicates=(5,))

    def own(i):
        return [part(x, 0 if axis is None else i) for x, axis in zip(case, batched, strict=True)]

    one = results_of(fused_lstm)
    given = [part(x, 0) if axis is None else x for x, axis in zip(case, batched, strict=True)]
    together = jax.jit(jax.vmap(one, in_axes=batched))(*given)
    for i in range(5):
        assert_same_bits(part(together, i), one(*own(i)))


def test_vmap_of_vmap_and_of_other_axes():
    case = lstm_cases.draw(0, 9, 1, 3, 5, replicates=(2, 3))
    one = results_of(fused_lstm)
    nested = jax.jit(jax.vmap(jax.vmap(one)))(*case)
    last = jax.tree.map(lambda x: jnp.moveaxis(x, 0, -1), case)
    moved = jax.jit(jax.vmap(jax.vmap(one), in_axes=-1, out_axes=-1))(*last)
    for i, j in itertools.product(range(2), range(3)):
        own = one(*part(case, i, j))
        assert_same_bits(part(nested, i, j), own)
        assert_same_bits(part(moved, j, ..., i), own)


@any_outputs
def test_vmap_of_predictions_gives_the_bits_of_one_call_each(outputs):
    weights, carry, inputs = lstm_cases.draw(0, 15, 1, 4, 1, replicates=(3,))
    operands = (weights, *readout_of(weights, outputs), carry, inputs)
    one = jax.jit(partial(fused_predict, steps=8))
    together = jax.vmap(one)(*operands)
    for i in range(3):
        assert_same_bits(part(together, i), one(*part(operands, i)))


def test_the_gradient_of_shared_weights_is_the_sum():
    weights, carry, inputs = lstm_cases.draw(0, 9, 1, 3, 5, replicates=(4,))

    def gradient(layer):
        def total(weights):
            return jnp.sum(jax.vmap(layer, in_axes=(None, 0, 0))(weights, carry, inputs)[1] ** 2)

        return jax.jit(jax.grad(total))(part(weights, 0))

    assert_close(gradient(fused_lstm), gradient(lstm_scan), RELATIVE)


def test_no_replicates_are_nothing():
    case = lstm_cases.draw(0, 9, 1, 3, 5, replicates=(0,))
    results = jax.vmap(results_of(fused_lstm))(*case)
    assert {x.shape[0] for x in jax.tree.leaves(results)} == {0}


@pytest.mark.processes
@pytest.mark.slow
def test_the_number_of_threads_and_cores_changes_no_bit(capsys):
    layer_checks.digest()
    digests = {capsys.readouterr().out}
    digests |= {run_check("digest", PJRT_NPROC=threads) for threads in ("1", "7")}
    if hasattr(os, "sched_setaffinity"):
        cores = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(cores)})
            digests.add(run_check("digest"))
        finally:
            os.sched_setaffinity(0, cores)
    (digest,) = digests
    assert len(digest) == 65


@pytest.mark.processes
def test_threads_may_call_at_once():
    run_check("threads", PJRT_NPROC="4")


@pytest.mark.processes
@pytest.mark.slow
def test_replicates_are_shared_out_over_many_devices():
    run_check("devices", XLA_FLAGS="--xla_force_host_platform_device_count=8")


# Other builds.


def _features():
    try:
        return set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return set()


@pytest.mark.processes
@pytest.mark.parametrize(("cpu", "feature"), [("haswell", "avx2"), ("x86-64", "sse2")])
@pytest.mark.slow
def test_kernels_for_other_cpus_are_the_scan(cpu, feature, tmp_path, request):
    if feature not in _features():
        pytest.skip(f"this CPU knows no {feature}")
    cache, saved = request.config.cache.mkdir("kernels"), tmp_path / "results.npz"
    run_check("build", str(saved), f"-march={cpu}", XDG_CACHE_HOME=str(cache))
    arrays = iter(np.load(saved).values())
    for case in lstm_cases.cases():
        expected = lstm_cases.by_scan(case)
        assert_close(jax.tree.map(lambda _: next(arrays), expected), expected, RELATIVE)
    assert not list(arrays)


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("flags", [["-march=native"], ["-march=haswell"], []])
def test_no_memory_is_touched_that_is_not_the_kernels(flags, tmp_path):
    program = tmp_path / "program"
    subprocess.run(
        [
            *library._compiler(),
            *"-std=c++17 -O1 -g -w -fsanitize=address,undefined".split(),
            *("-fno-sanitize-recover=all", *flags),
            *(f"-I{jax.ffi.include_dir()}", f"-I{library.SOURCE.parent}"),
            *(TESTS / "kernel" / "sanitized_lstm.cc", "-o", program),
        ],
        check=True,
    )
    subprocess.run([program], check=True)


# Other derivatives than the gradient.


@pytest.mark.slow
@pytest.mark.parametrize("mapped", [False, True])
def test_forward_mode_and_second_derivatives_are_the_scans(mapped):
    weights, carry, inputs = lstm_cases.draw(0, 7, 2, 3, 9)
    directions = jax.tree.map(jnp.cos, (weights, carry, inputs))

    def derivatives(layer):
        def loss(*case):
            last, hidden = layer(*case)
            return jnp.sum(jnp.sin(hidden)) + jnp.sum(jnp.square(last.cell))

        def along(size):
            case = (weights, carry, inputs)
            return loss(*jax.tree.map(lambda x, d: x + size * d, case, directions))

        if mapped:
            sizes = jnp.array([0.0, 0.1])
            return jax.vmap(jax.jacfwd(along))(sizes), jax.vmap(jax.hessian(along))(sizes)
        slope = jax.jvp(loss, (weights, carry, inputs), directions)
        rounds = [jax.grad(jax.grad(along)), jax.hessian(along), jax.jacfwd(jax.jacfwd(along))]
        return slope, [derivative(0.0) for derivative in rounds]

    ours, expected = derivatives(fused_lstm), derivatives(lstm_scan)
    assert_close(ours, expected, 1e-4)


@pytest.mark.slow
@any_outputs
def test_predictions_have_forward_mode_too(outputs):
    weights, carry, inputs = lstm_cases.draw(0, 7, 1, 3, 9)
    operands = (*readout_of(weights, outputs), carry, inputs)

    def along(predict):
        def end(size):
            moved = jax.tree.map(lambda x: x + size * jnp.cos(x), weights)
            return jnp.sum(predict(moved, *operands, 9)[1])

        return jax.jvp(end, (0.0,), (1.0,)), jax.hessian(end)(0.0)

    assert_close(along(fused_predict), along(predict_by_scan), 1e-4)


# What the kernel cannot.


HANDLERS = ("sinlstm_forward", "sinlstm_predict", "sinlstm_backward")


def handler_shapes(
    name, replicates=2, steps=5, batch=3, inputs=2, units=7, outputs=3, checkpoints=False
):
    """Return the shapes of a handler's operands and of its results."""
    gates = 4 * units
    carry = [(replicates, batch, units)] * 2
    window = (replicates, steps, batch, inputs)
    weights = [(replicates, inputs, gates), (replicates, units, gates), (replicates, gates)]
    hidden = (replicates, steps, batch, units)
    padded = -(-units // layer.PADDING) * layer.PADDING
    saved = (replicates, batch, steps, layer.SAVED, padded)
    if checkpoints:
        saved = (replicates, batch, -(-steps // layer.CHUNK), 1, padded)
    common = [window, *weights, *carry]
    return {
        "sinlstm_forward": (common, [hidden, *carry, saved]),
        "sinlstm_predict": (
            [window, *weights, (replicates, outputs, units), (replicates, outputs), *carry],
            [(replicates, steps, batch, outputs), *carry],
        ),
        "sinlstm_backward": ([*common, hidden, saved, hidden, *carry], common),
    }[name]


def call_handler(name, operands, results):
    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in results]
    arrays = [np.zeros(shape, np.float32) for shape in operands]
    return jax.block_until_ready(jax.ffi.ffi_call(name, results)(*arrays))


@pytest.mark.parametrize("checkpoints", [False, True])
@pytest.mark.parametrize("name", HANDLERS)
def test_handlers_check_every_dimension(name, checkpoints):
    operands, results = handler_shapes(name, checkpoints=checkpoints)
    shapes = (*operands, *results)
    call_handler(name, operands, results)
    for i, shape in enumerate(shapes):
        larger = [(*shape[:k], shape[k] + 1, *shape[k + 1 :]) for k in range(len(shape))]
        for wrong in (*larger, shape[1:], (*shape, 1)):
            changed = [*shapes[:i], wrong, *shapes[i + 1 :]]
            with pytest.raises(jax.errors.JaxRuntimeError, match="shape does not fit"):
                call_handler(name, changed[: len(operands)], changed[len(operands) :])


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize(("units", "inputs"), [(513, 2), (7, 0), (7, 513)])
def test_handlers_check_sizes(name, units, inputs):
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"shape does not fit: .* \(1 to 512\)"):
        call_handler(name, *handler_shapes(name, units=units, inputs=inputs))


def test_predictions_have_at_least_one_output():
    with pytest.raises(jax.errors.JaxRuntimeError, match="shape does not fit: readout"):
        call_handler("sinlstm_predict", *handler_shapes("sinlstm_predict", outputs=0))


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("empty", ["replicates", "steps", "batch"])
def test_handlers_take_empty_arrays(name, empty):
    results = call_handler(name, *handler_shapes(name, **{empty: 0}))
    assert not any(np.any(x) for x in results)  # zeros in, zeros out


@pytest.mark.parametrize(
    ("hidden", "inputs", "wide", "reason"),
    [
        (513, 1, (), "it takes at most 512 units and inputs, not 513"),
        (3, 513, (), "it takes at most 512 units and inputs, not 513"),
        (5, 1, (0, 1, 2), "it computes in float32, not float64"),
        (5, 1, (0, 1), "it computes in float32, not float32 and float64"),
        (5, 1, (1,), "it computes in float32, not float32 and float64"),
    ],
)
def test_what_the_kernel_cannot_is_left_to_the_scan(hidden, inputs, wide, reason, said):
    with jax.enable_x64(bool(wide)):
        case = list(lstm_cases.draw(0, hidden, inputs, 2, 4))
        for i in wide:
            case[i] = jax.tree.map(lambda x: x.astype(jnp.float64), case[i])
        ours, expected = (results_of(layer).lower(*case) for layer in (fused_lstm, lstm_scan))
        assert ours.as_text() == expected.as_text()  # the same program
        assert ours.out_info == expected.out_info
        weights, carry, inputs = case
        operands = (weights, *readout_of(weights), carry, inputs)
        bound = 1e-14 if len(wide) == 3 else RELATIVE
        assert_close(fused_predict(*operands, 4), predict_by_scan(*operands, 4), bound)
    assert said() == [f"the plain scan replaces the kernel: {reason}"]


@pytest.mark.parametrize("platforms", [["cpu"], ["cuda"], ["tpu"], ["cpu", "cuda", "tpu"]])
def test_an_export_is_the_scan(platforms, said):
    case = lstm_cases.draw(0, 15, 1, 3, 11)
    exported = jax.export.export(jax.jit(fused_lstm), platforms=platforms)(*case)
    assert "custom_call @sinlstm_" not in exported.mlir_module()
    assert said() == ["the plain scan replaces the kernel: an export must run without it"]
    if "cpu" in platforms:
        assert_close(exported.call(*case), lstm_scan(*case), 1e-6)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_programs_for_other_devices_are_the_scan(platform, said):
    traced = results_of(fused_lstm).trace(*lstm_cases.draw(0, 15, 1, 3, 13))
    assert "custom_call @sinlstm_" not in traced.lower(lowering_platforms=(platform,)).as_text()
    assert said() == [f"the plain scan replaces the kernel: it is for cpu, not {platform}"]
    assert "custom_call @sinlstm_backward" in traced.lower().as_text()
