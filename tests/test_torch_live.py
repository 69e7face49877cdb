"""Against the PyTorch that is installed, on fresh random weights; skipped without it."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import torch_cases
import torch_equations
from flax import nnx
from porting_page import another_network

from tests.test_porting import BOTH_LAYERS, folded_projection, page, waves

torch = pytest.importorskip("torch", reason="needs pip install '.[torch]'")

from scripts.porting import torch_reference  # noqa: E402  (needs torch)
from sinlstm_jax import SineLSTM, observe, params_from_torch, params_to_torch  # noqa: E402

torch.set_num_threads(1)  # as the fixtures are made; where cores are busy, more wait for each other

SEED = 20_000  # of weights and batches that no fixture holds


@pytest.mark.parametrize(
    ("window", "batch_size", "dtype", "implementation"),
    torch_cases.passes_of_sides(),
    indirect=["implementation"],
)
def test_one_pass_is_pytorchs(window, batch_size, dtype, implementation):
    seed = SEED + window + batch_size
    weights = torch_reference.initial_weights(seed)
    batch = torch_cases.batch_for(seed, window, batch_size, dtype)
    expected = torch_reference.one_pass(weights, *batch)
    distances = torch_cases.pass_distances(weights, batch, expected, dtype, implementation)
    torch_cases.assert_within(distances, torch_cases.FRESH[dtype])


@pytest.mark.parametrize(
    ("dtype", "implementation"), torch_cases.SIDES, indirect=["implementation"]
)
@pytest.mark.parametrize("setting", torch_cases.SETTINGS)
def test_200_iterations_of_adam_are_pytorchs(setting, dtype, implementation):
    weights = torch_reference.initial_weights(SEED)
    losses, final = torch_reference.train(
        weights,
        torch_cases.batches_for(SEED, setting, dtype),
        torch_cases.ITERATIONS,
        setting.learning_rate,
        setting.epsilon,
        np.dtype(dtype),
    )
    distance = torch_cases.training_distance(
        weights,
        torch_cases.batches_for(SEED, setting, dtype),
        setting,
        final | {"losses": losses},
        dtype,
        implementation,
    )
    assert distance <= torch_cases.FRESH[dtype].weights


@pytest.mark.parametrize(
    ("dtype", "implementation"), torch_cases.SIDES, indirect=["implementation"]
)
def test_an_ordinary_lstm_with_two_biases_gives_the_same_outputs(dtype, implementation):
    torch.manual_seed(SEED)
    ordinary = torch.nn.ModuleDict({"lstm": torch.nn.LSTM(1, 9), "ip1": torch.nn.Linear(9, 1)})
    weights = torch_reference.to_numpy(ordinary.state_dict())
    assert np.abs(weights["lstm.bias_ih_l0"]).min() > 0
    batch = torch_cases.batch_for(SEED, 200, 3, dtype)
    expected = torch_reference.one_pass(weights, *batch)["outputs"]
    outputs = torch_cases.outputs_of(weights, batch, dtype, implementation)
    assert torch_cases.distance(outputs, expected) <= torch_cases.FRESH[dtype].outputs


@pytest.mark.parametrize(
    ("dtype", "implementation"), torch_cases.SIDES, indirect=["implementation"]
)
def test_a_trained_models_pass_is_pytorchs(dtype, implementation):
    path = Path(__file__).parent / "data" / "trained_by_torch.pt"
    weights = torch_reference.to_numpy(torch.load(path, weights_only=True))
    batch = torch_cases.batch_for(SEED, 500, 20, dtype)
    expected = torch_reference.one_pass(weights, *batch)
    distances = torch_cases.pass_distances(weights, batch, expected, dtype, implementation)
    torch_cases.assert_within(distances, torch_cases.TRAINED[dtype])


def test_the_carry_is_pytorchs_h_and_c():
    original = torch_reference.TorchSineLSTM(7)
    history = np.sin(np.arange(40.0)).reshape(20, 2).astype(np.float32)
    _, (h, c) = original.lstm(torch.from_numpy(history[:, :, None]))
    carry, _ = observe(params_from_torch(original.state_dict()), history)
    for ours, theirs in zip(carry, (h, c), strict=True):
        assert torch_cases.distance(ours, theirs[0].detach().numpy()) <= 1e-6


def test_tensors_load_and_come_back_to_the_bit():
    state_dict = torch_reference.TorchSineLSTM(7).state_dict()
    model = params_from_torch(state_dict)
    back = {name: torch.from_numpy(value) for name, value in params_to_torch(model).items()}
    assert list(back) == list(state_dict)
    assert all(torch.equal(back[name], state_dict[name]) for name in back)
    torch_reference.TorchSineLSTM(7).load_state_dict(back)


def test_training_the_tensors_does_not_change_our_model():
    original = torch_reference.TorchSineLSTM(7)
    model = params_from_torch(original.state_dict())
    before = params_to_torch(model)["ip1.bias"].copy()
    with torch.no_grad():
        original.ip1.bias.add_(1)
    np.testing.assert_array_equal(params_to_torch(model)["ip1.bias"], before)


def test_initial_weights_have_pytorchs_distribution():
    ours = params_to_torch(SineLSTM(200, rngs=nnx.Rngs(0)))
    theirs = torch_reference.initial_weights(0, 200)
    for name in ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.bias_hh_l0", "ip1.weight"):
        low, high = (np.sort(side[name].ravel()) for side in (ours, theirs))
        # Two-sample Kolmogorov-Smirnov on equal sizes: beyond this once in a thousand.
        grid = np.concatenate([low, high])
        distance = np.abs(np.searchsorted(low, grid) - np.searchsorted(high, grid)).max()
        assert distance / low.size < 1.95 * np.sqrt(2 / low.size), name


def test_pytorch_corrects_the_bias_in_doubles():
    """Optax does in float32: test_porting.py has the same with its bounds."""
    weight = torch.nn.Parameter(torch.zeros(()))
    optimizer = torch.optim.Adam([weight], lr=1.0, eps=1e-30)
    for _ in range(20):
        with torch.no_grad():
            weight.zero_()
        weight.grad = torch.ones(())
        optimizer.step()
        assert abs(1 + weight.item()) < 3e-7


def answers_of(module, inputs):
    """Return a recurrent module's weights, outputs and last states, as arrays."""
    outputs, states = module(torch.from_numpy(inputs))
    states = states if isinstance(states, tuple) else (states,)
    arrays = [x.detach().numpy() for x in (outputs, *states)]
    return torch_reference.to_numpy(module.state_dict()), *arrays


def test_the_pages_gru_is_pytorchs():
    inputs = waves(6)
    weights, expected, last = answers_of(torch.nn.GRU(6, 4), inputs)
    cell = page()["gru_cell"](weights)
    h, outputs = nnx.RNN(cell, time_major=True, return_carry=True)(inputs)
    for sides in ((outputs, expected), (h, last[0]), (torch_equations.gru(weights, inputs)[1], h)):
        assert torch_cases.distance(*sides) <= 1e-6


def test_the_pages_two_layers_both_ways_are_pytorchs():
    inputs = waves(6)
    module = torch.nn.LSTM(6, 3, num_layers=2, bidirectional=True)
    weights, expected, h, c = answers_of(module, inputs)
    assert list(weights)[::4] == [f"weight_ih_{layer}" for layer in BOTH_LAYERS]
    outputs = another_network(weights=weights, inputs=inputs)["outputs"]
    assert torch_cases.distance(outputs, expected) <= 1e-6
    lower, *first = torch_equations.bidirectional_lstm(weights, inputs, "l0")
    upper, *second = torch_equations.bidirectional_lstm(weights, lower, "l1")
    states = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    for ours, theirs in ((upper, expected), (states[0], h), (states[1], c)):
        assert torch_cases.distance(ours, theirs) <= 1e-6


def test_dropout_stands_between_layers_and_not_after_the_last():
    module = torch.nn.LSTM(6, 6, num_layers=2, dropout=1.0)  # all of it
    weights, outputs, *_ = answers_of(module, waves(6))
    nothing = np.zeros((12, 3, 6))
    expected, *_ = torch_equations.lstm(weights, nothing, "l1")
    assert torch_cases.distance(outputs, expected) <= 1e-6
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        torch.nn.LSTM(6, 6, dropout=0.5)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_a_projection_is_pytorchs():
    inputs = waves(6)
    weights, expected, *_ = answers_of(torch.nn.LSTM(6, 5, proj_size=2), inputs)
    assert weights["weight_hh_l0"].shape == (20, 2) and weights["weight_hr_l0"].shape == (2, 5)
    assert torch_cases.distance(folded_projection(weights, inputs), expected) <= 1e-6
    assert torch_cases.distance(torch_equations.lstm(weights, inputs)[0], expected) <= 1e-6


def test_batch_first_is_of_inputs_and_outputs_and_not_of_the_states():
    module = torch.nn.LSTM(6, 3, batch_first=True)
    inputs = waves(6, steps=12, batch=4)
    weights, outputs, h, c = answers_of(module, np.ascontiguousarray(inputs.swapaxes(0, 1)))
    assert outputs.shape == (4, 12, 3) and h.shape == c.shape == (1, 4, 3)
    expected, last_h, _ = torch_equations.lstm(weights, inputs)
    assert torch_cases.distance(outputs.swapaxes(0, 1), expected) <= 1e-6
    assert torch_cases.distance(h[0], last_h) <= 1e-6


def test_packed_sequences_are_seq_lengths_but_for_the_padding():
    inputs, lengths = waves(6), [7, 12, 9]
    pack, unpack = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    with pytest.raises(RuntimeError, match="sorted in decreasing order"):
        pack(torch.from_numpy(inputs), lengths)
    module = torch.nn.LSTM(6, 3, bidirectional=True)
    answer, (h, c) = module(pack(torch.from_numpy(inputs), lengths, enforce_sorted=False))
    expected = unpack(answer)[0].detach().numpy()
    rnn = page()["bidirectional"](torch_reference.to_numpy(module.state_dict()))
    carries, outputs = rnn(inputs, seq_lengths=jnp.asarray(lengths), return_carry=True)
    valid = np.arange(12)[:, None] < lengths
    assert not expected[~valid].any() and np.abs(outputs[~valid]).min() > 0
    assert torch_cases.distance(outputs * valid[..., None], expected) <= 1e-6
    for way, carry in enumerate(carries):
        for ours, theirs in zip(carry, (c, h), strict=True):
            assert torch_cases.distance(ours, theirs[way].detach().numpy()) <= 1e-6
