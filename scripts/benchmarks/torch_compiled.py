"""PyTorch's loops with `torch.compile`, as a side of the benchmark.

In training, the compiler leaves `torch.nn.LSTM` as it is and compiles what is around it, and Adam.
(Written out as a loop over the window, the LSTM took minutes to compile at each length, and trained
no faster.) A forecast's step is written out, which is faster than compiling around the LSTM.
"""

import logging

import torch

from .pytorch import THREADS
from .pytorch import Side as Eager
from .sides import Setting


class Side(Eager):
    """Training with the loss, the gradients and Adam compiled; a compiled step in a Python loop."""

    def __init__(self, threads: int = THREADS):
        super().__init__(threads)
        torch._dynamo.config.recompile_limit = 1000  # each size is compiled anew
        torch._dynamo.config.accumulated_recompile_limit = 1000
        torch._logging.set_logs(all=logging.ERROR)

    def try_out(self) -> None:
        """Compile and run both on something small."""
        self.training(Setting(102, hidden_size=2, batch_size=1)).run(1)
        self.streaming().run(1)

    def step(self, weights: dict):
        """Return a compiled step of the network that has these weights."""
        weight = {name: torch.from_numpy(x).to(self._device) for name, x in weights.items()}
        bias = weight["lstm.bias_ih_l0"] + weight["lstm.bias_hh_l0"]
        arrays = [weight["lstm.weight_ih_l0"], weight["lstm.weight_hh_l0"], bias]
        arrays += [weight["ip1.weight"], weight["ip1.bias"]]
        compiled, size = self._compiled(_step), weights["ip1.weight"].shape[1]

        @torch.inference_mode()
        def step(carry, inputs):
            inputs = torch.from_numpy(inputs).to(self._device)
            carry = carry or inputs.new_zeros(2, len(inputs), size).unbind()
            *carry, predictions = compiled(inputs, *carry, *arrays)
            return carry, predictions.cpu().numpy()

        return step

    def _compiled(self, function):
        return torch.compile(function, dynamic=False)


def _step(inputs, hidden, cell, inputs_to, hidden_to, bias, output, output_bias):
    """Return (hidden, cell, predictions) after a step; the weights are PyTorch's, `[out, in]`."""
    gates = torch.addmm(torch.addmm(bias, inputs, inputs_to.T), hidden, hidden_to.T)
    take, keep, new, show = gates.chunk(4, 1)
    cell = keep.sigmoid() * cell + take.sigmoid() * new.tanh()
    hidden = show.sigmoid() * cell.tanh()
    return hidden, cell, torch.addmm(output_bias, hidden, output.T)
