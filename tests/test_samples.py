"""What counts as samples: arrays of any library, what is missing, and what is refused."""

import array
import copy
import pickle
from decimal import Decimal
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
from reliability_page import page_rows

from sinlstm_jax import (
    NO_INPUT,
    Forecaster,
    InputError,
    Interrupted,
    adam,
    forecast_function,
    init_state,
    load_pretrained,
    observe,
    rollout,
    rollout_errors,
    sample_batch,
    train_step,
)
from sinlstm_jax.model import split_model
from sinlstm_jax.signals.samples import real_numbers

NAN = float("nan")


class NAType:
    """Has the name of the type of pandas' NA, which is in no other way a number."""


class OnlyDLPack:
    """An array that NumPy knows nothing of but this protocol."""

    def __init__(self, values):
        self._values = np.array(values)

    def __dlpack__(self, **options):
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._values.__dlpack_device__()


class KnowsArray:
    """An array of a library that has NumPy's own protocol."""

    def __array__(self, dtype=None, copy=None):
        return np.array([1.5, -2.0], dtype)


def tensor(values, **options):
    torch = pytest.importorskip("torch", reason="needs pip install '.[torch]'")
    dtype = options.pop("dtype", None)
    return torch.tensor(values, dtype=dtype and getattr(torch, dtype), **options)


TAKEN = {
    "a list of floats": (lambda: [1.5, -2.0], [1.5, -2]),
    "a list of whole numbers": (lambda: [1, -2], [1, -2]),
    "a tuple, a range": (lambda: (*range(2), 5.5), [0, 1, 5.5]),
    "None in a list": (lambda: [1.5, None], [1.5, NAN]),
    "NaN": (lambda: np.array([NAN, 1.5]), [NAN, 1.5]),
    "pandas' NA in an array of objects": (lambda: np.array([1, NAType()], object), [1, NAN]),
    "a masked array": (lambda: np.ma.masked_equal([1.5, -9], -9), [1.5, NAN]),
    "a masked array of whole numbers": (lambda: np.ma.array([3, 4], mask=[0, 1]), [3, NAN]),
    "a mask over infinity": (lambda: np.ma.masked_invalid([1.0, np.inf]), [1, NAN]),
    "NumPy's masked alone": (lambda: np.ma.masked, NAN),
    "Decimal and Fraction": (lambda: [Decimal("1.5"), Fraction(1, 4)], [1.5, 0.25]),
    "float16": (lambda: np.array([1.5, -2], np.float16), [1.5, -2]),
    "bfloat16": (lambda: jnp.array([1.5, -2], jnp.bfloat16), [1.5, -2]),
    "float8": (lambda: jnp.array([1.5, -2], jnp.float8_e4m3fn), [1.5, -2]),
    "long double": (lambda: np.array([1.5, -2], np.longdouble), [1.5, -2]),
    "other byte order": (lambda: np.array([1.5, -2], ">f4"), [1.5, -2]),
    "int8, uint64": (lambda: [np.int8(-3), np.uint64(7)], [-3, 7]),
    "not contiguous": (lambda: np.arange(6.0)[::-2], [5, 3, 1]),
    "read-only": (lambda: np.broadcast_to(1.5, 2), [1.5, 1.5]),
    "array.array": (lambda: array.array("d", [1.5, -2]), [1.5, -2]),
    "memoryview": (lambda: memoryview(array.array("f", [1.5, -2])), [1.5, -2]),
    "a JAX array": (lambda: jnp.array([1.5, -2]), [1.5, -2]),
    "an object with __array__": (KnowsArray, [1.5, -2]),
    "an object with DLPack alone": (lambda: OnlyDLPack([1.5, -2]), [1.5, -2]),
    "a tensor": (lambda: tensor([1.5, -2.0]), [1.5, -2]),
    "a tensor with a gradient": (lambda: tensor([1.5, -2.0], requires_grad=True), [1.5, -2]),
    "a tensor of bfloat16": (lambda: tensor([1.5, -2.0], dtype="bfloat16"), [1.5, -2]),
    "a tensor of whole numbers": (lambda: tensor([1, -2]), [1, -2]),
}
REFUSED = {
    "booleans": lambda: np.array([True, False]),
    "a boolean among objects": lambda: np.array([1.0, True], object),
    "a tensor of booleans": lambda: tensor([True, False]),
    "complex numbers": lambda: [1j],
    "a tensor of complex numbers": lambda: tensor([1j]),
    "text": lambda: ["a"],
    "text that reads as a number": lambda: ["1.5"],
    "text among objects": lambda: np.array(["1.5", None], object),
    "bytes": lambda: b"1.5",
    "dates": lambda: np.array(["2001-01-01"], "datetime64[s]"),
    "differences of dates": lambda: np.array([5], "timedelta64[s]"),
    "records": lambda: np.zeros(2, [("a", float), ("b", float)]),
    "lists of unequal length": lambda: [[1.0], [1.0, 2.0]],
    "a dictionary": lambda: {"a": 1.0},
    "a set": lambda: {1.0},
    "a generator": lambda: (x for x in [1.0]),
    "a sparse tensor": lambda: tensor([1.0, 0.0]).to_sparse(),
    "a tensor without data": lambda: tensor([1.0], device="meta"),
}


def test_the_page_lists_the_kinds():
    expected = dict.fromkeys(TAKEN, "taken") | dict.fromkeys(REFUSED, "one line")
    assert page_rows("Samples") == expected


@pytest.mark.parametrize("kind", TAKEN)
def test_kinds_of_samples_that_are_taken(kind):
    make, expected = TAKEN[kind]
    got = real_numbers("samples", make())
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, np.array(expected, float))


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.filterwarnings("ignore:Sparse")
def test_kinds_of_samples_that_are_refused(kind):
    model = load_pretrained("curriculum")
    for hand_over in (
        lambda x: rollout(model, x, 3),
        lambda x: observe(model, x),
        lambda x: Forecaster(model).observe(x),
        lambda x: rollout_errors(model, x, [0.0]),
    ):
        with pytest.raises(InputError, match="not an array of real numbers") as error:
            hand_over(REFUSED[kind]())
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("implementation", ["scan", "fused"])
def test_what_is_missing_is_the_token_to_the_network(implementation):
    model = load_pretrained("curriculum")
    model.implementation = implementation
    history = np.sin(2 * np.pi * 1.7 * np.arange(100) / 100)
    told = history.copy()
    told[80:85] = NO_INPUT
    reference = reference_lstm.arrays(*split_model(model)[1:])
    inputs = np.concatenate([told, np.full(50, NO_INPUT)])[:, None, None]
    expected = reference_lstm.forward(reference, inputs)[:, 0, 0]
    masked = np.ma.array(history, mask=told == NO_INPUT)
    listed = [None if x == NO_INPUT else x for x in told]
    for given in (masked, masked.filled(np.nan), listed):
        np.testing.assert_allclose(rollout(model, given, 50)[:, 0, 0], expected, atol=2e-5)
        _, seen = observe(model, given)
        np.testing.assert_allclose(seen[:, 0, 0], expected[:100], atol=2e-5)
        stream = Forecaster(model)
        np.testing.assert_allclose(stream.observe(given), expected[:100], atol=2e-5)
        np.testing.assert_allclose(stream.forecast(50), expected[100:], atol=2e-5)


def test_what_is_public_crosses_a_process_boundary():
    interrupted = pickle.loads(pickle.dumps(Interrupted("stopped", 15)))
    assert (str(interrupted), interrupted.signal) == ("stopped", 15)
    model = load_pretrained("curriculum")
    stream = Forecaster(model, 2, window=20)
    stream.observe(np.sin(np.arange(60)[:, None] / [10, 7]))
    expected = stream.forecast(30)
    for copied in (pickle.loads(pickle.dumps(stream)), copy.deepcopy(stream), copy.copy(stream)):
        np.testing.assert_array_equal(copied.forecast(30), expected)
        copied.observe([0.5, 0.5])
        np.testing.assert_array_equal(stream.forecast(30), expected)
    history = np.sin(np.arange(50)[:, None] / 10)
    forecast = pickle.loads(pickle.dumps(forecast_function(model)))
    np.testing.assert_array_equal(forecast(history, 20), rollout(model, history, 20)[50:, :, 0])
    copied = copy.deepcopy(model)
    np.testing.assert_array_equal(rollout(copied, history, 20), rollout(model, history, 20))


def one_step(implementation):
    model = load_pretrained("curriculum")
    model.implementation = implementation
    structure, _, _ = split_model(model)
    state = init_state(model, adam(0.01, 0.04), 3)
    batch = sample_batch(jax.random.key(0), 2, 6, 4)
    return train_step(structure, adam(0.01, 0.04), state, batch)


@pytest.mark.slow
def test_jax_can_be_debugged(implementation):
    model = load_pretrained("curriculum")
    model.implementation = implementation
    history = np.sin(np.arange(10) / 10)
    expected, state = rollout(model, history, 3), one_step("scan")
    with jax.disable_jit():
        np.testing.assert_allclose(rollout(model, history, 3), expected, atol=1e-5)
        assert float(one_step(implementation).losses[0]) == pytest.approx(float(state.losses[0]))
    with jax.debug_nans(True):
        assert float(one_step(implementation).losses[0]) == pytest.approx(float(state.losses[0]))
        with pytest.raises(FloatingPointError):  # what it is for
            jax.jit(lambda x: jnp.log(x))(-1.0).block_until_ready()
