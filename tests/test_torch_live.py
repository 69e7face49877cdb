"""Against the PyTorch that is installed, on fresh random weights; skipped without it."""

from pathlib import Path

import numpy as np
import pytest
import torch_cases
from flax import nnx

torch = pytest.importorskip("torch", reason="needs pip install '.[torch]'")

import torch_reference  # noqa: E402  (needs torch)

from sinlstm_jax import SineLSTM, observe, params_from_torch, params_to_torch  # noqa: E402

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
