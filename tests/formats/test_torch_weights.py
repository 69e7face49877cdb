import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference_lstm
from flax import nnx
from reliability_page import page_rows

from sinlstm_jax import InputError, SineLSTM, observe, params_from_torch, params_to_torch
from sinlstm_jax.model import split_model


def state_dict(hidden_size=3, dtype=np.float32, seed=0):
    rng = np.random.default_rng(seed)
    gates = 4 * hidden_size
    shapes = {
        "lstm.weight_ih_l0": (gates, 1),
        "lstm.weight_hh_l0": (gates, hidden_size),
        "lstm.bias_ih_l0": (gates,),
        "lstm.bias_hh_l0": (gates,),
        "ip1.weight": (1, hidden_size),
        "ip1.bias": (1,),
    }
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("hidden_size", [1, 2, 4, 15, 16, 64])
def test_weights_come_back_to_the_bit(hidden_size):
    expected = state_dict(hidden_size)
    model = params_from_torch(expected)
    assert isinstance(model, SineLSTM)
    assert model.hidden_size == hidden_size
    got = params_to_torch(model)
    assert list(got) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == array.dtype
        assert got[name].flags.c_contiguous and got[name].flags.writeable


def test_our_own_models_survive_the_way_there_and_back():
    model = SineLSTM(5, rngs=nnx.Rngs(1))
    back = params_from_torch(params_to_torch(model))
    jax.tree.map(np.testing.assert_array_equal, split_model(back)[1:], split_model(model)[1:])


def test_every_entry_lands_where_its_equation_uses_it():
    hidden_size, torch_dict = 3, state_dict(3)
    inputs = np.sin(np.arange(20.0)).reshape(10, 2, 1).astype(np.float32)
    # PyTorch's equations on PyTorch's layout, gate by gate.
    p = {name: array.astype(np.float64) for name, array in torch_dict.items()}
    h, c, expected = np.zeros((2, hidden_size)), np.zeros((2, hidden_size)), []
    for x in inputs.astype(np.float64):
        z = x @ p["lstm.weight_ih_l0"].T + p["lstm.bias_ih_l0"]
        z += h @ p["lstm.weight_hh_l0"].T + p["lstm.bias_hh_l0"]
        i, f, g, o = np.split(z, 4, axis=1)
        sigmoid = reference_lstm.sigmoid
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected.append(h @ p["ip1.weight"].T + p["ip1.bias"])
    carry, predictions = observe(params_from_torch(torch_dict), inputs)
    np.testing.assert_allclose(predictions, expected, atol=1e-6)
    np.testing.assert_allclose(carry.hidden, h, atol=1e-6)
    np.testing.assert_allclose(carry.cell, c, atol=1e-6)


def test_the_input_bias_is_kept_and_frozen():
    torch_dict = state_dict()
    _, weights, frozen = split_model(params_from_torch(torch_dict))
    np.testing.assert_array_equal(frozen["cell"]["input_bias"], torch_dict["lstm.bias_ih_l0"])
    assert "input_bias" not in weights["cell"]


def test_float64_keeps_its_bits_where_jax_can():
    torch_dict = state_dict(dtype=np.float64)
    with jax.enable_x64(True):
        got = params_to_torch(params_from_torch(torch_dict))
    for name, array in torch_dict.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == np.float64


def test_every_problem_is_listed_at_once():
    torch_dict = state_dict(3)
    del torch_dict["ip1.bias"]
    torch_dict["lstm.weight_ih_l1"] = np.zeros(3)
    torch_dict["lstm.bias_hh_l0"] = np.zeros(16, np.float32)
    torch_dict["ip1.weight"][0, 1] = np.nan
    torch_dict["lstm.bias_ih_l0"] = torch_dict["lstm.bias_ih_l0"].astype(np.int32)
    with pytest.raises(InputError) as error:
        params_from_torch(torch_dict)
    message = str(error.value)
    for complaint in (
        "ip1.bias is missing",
        "lstm.weight_ih_l1 is unknown: an LSTM of one layer and one direction is taken",
        "lstm.bias_hh_l0 has shape (16,): expected (12,) for hidden size 3",
        "ip1.weight holds values that are not finite",
        "lstm.bias_ih_l0 is int32",
    ):
        assert complaint in message


def test_a_network_beyond_the_largest_is_refused_before_it_is_made(bounded_memory):
    one = np.zeros(1, np.float32)
    large = {
        name: np.broadcast_to(one, [4097 * size // 3 if size > 1 else 1 for size in array.shape])
        for name, array in state_dict(3).items()
    }
    with pytest.raises(InputError, match="the hidden size is 4097: at most 4096 is taken"):
        params_from_torch(large)


ADAM = {"state": {0: {"step": 3, "exp_avg": np.zeros(3)}}, "param_groups": [{"lr": 0.1}]}


def prefixed(prefix, weights):
    return {f"{prefix}{name}": array for name, array in weights.items()}


OFF = "'module.' and '_orig_mod.' are taken off the weights' names"
FOUND = {
    "weights beside an epoch and an optimizer": (
        lambda weights: {"epoch": 3, "optimizer": ADAM, "model": weights},
        r"from \['model'\]$",
    ),
    "weights three levels down": (
        lambda weights: {"a": {0: {"b": weights}}},
        r"from \['a'\]\[0\]\['b'\]$",
    ),
    "names of `DataParallel`": (lambda weights: prefixed("module.", weights), OFF),
    "names of `torch.compile`": (lambda weights: prefixed("_orig_mod.", weights), OFF),
    "names of both": (lambda weights: prefixed("module._orig_mod.", weights), OFF),
    "names of an LSTM that was compiled alone": (
        lambda weights: {n.replace("lstm.", "lstm._orig_mod."): a for n, a in weights.items()},
        OFF,
    ),
}
NOT_FOUND = {
    "weights and their moving average": (
        lambda weights: {"model": weights, "ema": weights},
        r"in \['model'\] and in \['ema'\]",
    ),
    "an optimizer alone": (
        lambda weights: {"optimizer": ADAM},
        "ip1.bias is missing; optimizer is unknown",
    ),
    "names with another prefix": (
        lambda weights: {"state_dict": prefixed("net.", weights)},
        "is lstm.weight_ih_l0 with a prefix: take 'net.' off all names$",
    ),
    "an LSTM of two layers or directions": (
        lambda weights: weights | {"lstm.bias_hh_l0_reverse": np.zeros(12)},
        "_reverse is unknown: an LSTM of one layer and",
    ),
    "a matrix of another shape": (
        lambda weights: weights | {"lstm.weight_hh_l0": np.zeros((3, 12), np.float32)},
        r"shape \(3, 12\): expected",
    ),
    "two dtypes": (
        lambda weights: weights | {"ip1.bias": np.zeros(1, np.float64)},
        "float32 and float64: give one dtype",
    ),
    "text in place of weights": (
        lambda weights: weights | {"ip1.bias": "zero"},
        "ip1.bias is <U4: give float32 or float64",
    ),
    "one entry too many": (
        lambda weights: weights | {"epoch": np.zeros(1)},
        "epoch is unknown: leave it out",
    ),
    "names with a wrapper's prefix and without it": (
        lambda weights: weights | prefixed("module.", weights),
        "^lstm.weight_ih_l0 is there twice, with a wrapper's prefix, too: give one of them$",
    ),
    "nothing": (lambda weights: {}, r"lstm.weight_ih_l0 is missing; .* ip1.bias is missing$"),
}


def test_the_page_lists_the_forms():
    expected = dict.fromkeys(FOUND, "read") | dict.fromkeys(NOT_FOUND, "one line")
    assert page_rows("Weights of PyTorch") == expected


@pytest.mark.parametrize("form", FOUND)
def test_weights_are_found_by_their_names(form, caplog):
    wrap, said = FOUND[form]
    weights = state_dict(3)
    got = params_to_torch(params_from_torch(wrap(weights)))
    for name, array in weights.items():
        np.testing.assert_array_equal(got[name], array)
    (message,) = caplog.messages
    assert re.search(said, message)


@pytest.mark.parametrize("form", NOT_FOUND)
def test_weights_that_could_be_several_or_none_are_named(form):
    wrap, complaint = NOT_FOUND[form]
    with pytest.raises(InputError, match=complaint):
        params_from_torch(wrap(state_dict(3)))


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_half_precision_is_widened_without_loss(dtype):
    weights = {name: array.astype(dtype) for name, array in state_dict(3).items()}
    got = params_to_torch(params_from_torch(weights))
    for name, array in weights.items():
        assert got[name].dtype == np.float32
        np.testing.assert_array_equal(got[name].astype(dtype), array)


def test_float64_without_x64_is_named():
    with pytest.raises(InputError, match="entries are float64: set jax_enable_x64"):
        params_from_torch(state_dict(dtype=np.float64))


def test_torch_is_never_imported():
    program = (
        "import sys, sinlstm_jax, sinlstm_jax.commands.main;"
        "m = sinlstm_jax.load_pretrained('curriculum');"
        "sinlstm_jax.params_from_torch(sinlstm_jax.params_to_torch(m));"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
