"""The other side of every comparison: the tutorial's network and training step in PyTorch."""

import numpy as np
import torch


class TorchSineLSTM(torch.nn.Module):
    """torch.nn.LSTM and torch.nn.Linear under the tutorial's names, with its forced biases."""

    def __init__(self, hidden_size: int = 15):
        super().__init__()
        self.lstm = torch.nn.LSTM(1, hidden_size)
        self.ip1 = torch.nn.Linear(hidden_size, 1)
        with torch.no_grad():
            self.lstm.bias_hh_l0[hidden_size : 2 * hidden_size].fill_(1)
            self.lstm.bias_ih_l0.zero_()
        self.lstm.bias_ih_l0.requires_grad_(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Predict a window: inputs and predictions `[time, batch, 1]`."""
        hidden, _ = self.lstm(inputs)
        return self.ip1(hidden)


def initial_weights(seed: int, hidden_size: int = 15) -> dict[str, np.ndarray]:
    """Return fresh weights as PyTorch draws them, float32, by name."""
    torch.manual_seed(seed)
    return to_numpy(TorchSineLSTM(hidden_size).state_dict())


def one_pass(weights: dict, inputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    """Return outputs, loss and every gradient, in the dtype of the inputs."""
    model = load(weights, inputs.dtype)
    outputs = model(torch.from_numpy(inputs))
    loss = torch.nn.functional.mse_loss(outputs, torch.from_numpy(targets))
    loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    return to_numpy({"outputs": outputs, "loss": loss, **gradients})


def train(weights: dict, batches, iterations: int, learning_rate: float, epsilon: float, dtype):
    """Return (losses, final weights) of so many Adam iterations on the given batches."""
    model = load(weights, dtype)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, eps=epsilon)
    losses = np.empty(iterations, dtype)
    for iteration, (inputs, targets) in zip(range(iterations), batches, strict=False):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(
            model(torch.from_numpy(inputs)), torch.from_numpy(targets)
        )
        loss.backward()
        optimizer.step()
        losses[iteration] = loss.item()
    return losses, to_numpy(model.state_dict())


def load(weights: dict, dtype) -> TorchSineLSTM:
    """Return a model with the given weights, in a NumPy dtype."""
    model = TorchSineLSTM(weights["ip1.weight"].shape[1])
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return model.to(torch.from_numpy(np.empty(0, dtype)).dtype)


def to_numpy(tensors: dict) -> dict[str, np.ndarray]:
    """Return copies of tensors as arrays."""
    return {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}
