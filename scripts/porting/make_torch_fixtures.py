"""Write the golden fixtures of tests/data from PyTorch; needs `pip install '.[torch]'`.

Outputs, losses and gradients of one pass with fresh and with trained weights, and losses and final
weights of 200 iterations of Adam. Batches are drawn again from their seeds when the fixtures are
checked, not stored.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import tyro

from tests import torch_cases

from . import torch_reference

SEEDS = (0, 1, 2)
TRAINING_SEEDS = (0, 1)


@dataclass(frozen=True)
class Options:
    """Write the golden fixtures of the tests from PyTorch."""

    out: Path = torch_cases.DATA
    """The file; what is in it is replaced."""


def main(options: Options) -> None:
    """Write the fixtures, and say how many."""
    torch.set_num_threads(1)
    path = torch_cases.DATA.with_name("trained_by_torch.pt")
    trained = torch_reference.to_numpy(torch.load(path, weights_only=True))
    arrays = {"": {"torch_version": np.array(torch.__version__)}, "trained/": trained}

    def add_passes(name: str, weights: dict, seed: int) -> None:
        for window, batch_size, dtype in torch_cases.passes():
            batch = torch_cases.batch_for(seed, window, batch_size, dtype)
            result = torch_reference.one_pass(weights, *batch)
            arrays[f"{name}/{window}/{batch_size}/{dtype}/"] = result

    add_passes("trained pass", trained, 0)
    for seed in SEEDS:
        weights = arrays[f"initial/{seed}/"] = torch_reference.initial_weights(seed)
        add_passes(f"pass/{seed}", weights, seed)
    for seed, setting, dtype in itertools.product(
        TRAINING_SEEDS, torch_cases.SETTINGS, torch_cases.DTYPES
    ):
        batches = torch_cases.batches_for(seed, setting, dtype)
        count, rates = torch_cases.ITERATIONS, setting[1:]
        losses, final = torch_reference.train(
            arrays[f"initial/{seed}/"], batches, count, *rates, np.dtype(dtype)
        )
        arrays[f"adam/{seed}/{setting.horizon}/{dtype}/"] = final | {"losses": losses}
    fixtures = {prefix + name: each[name] for prefix, each in arrays.items() for name in each}
    np.savez_compressed(options.out, **fixtures)
    size = options.out.stat().st_size
    print(f"{len(fixtures)} arrays, {size / 2**20:.2f} MiB, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main(tyro.cli(Options))
