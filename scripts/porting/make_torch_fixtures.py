"""Write the golden fixtures of tests/data from PyTorch; needs `pip install '.[torch]'`.

Outputs, losses and gradients of one pass with fresh and with trained weights, and losses and final
weights of 200 iterations of Adam. Batches are drawn again from their seeds when the fixtures are
checked, not stored.
"""

import numpy as np
import torch

from tests import torch_cases

from . import torch_reference

SEEDS = (0, 1, 2)
TRAINING_SEEDS = (0, 1)


def main() -> None:
    """Write tests/data/torch_fixtures.npz."""
    torch.set_num_threads(1)
    fixtures = {"torch_version": np.array(torch.__version__)}
    for seed in SEEDS:
        weights = torch_reference.initial_weights(seed)
        add(fixtures, f"initial/{seed}", weights)
        for window, batch_size, dtype in torch_cases.passes():
            batch = torch_cases.batch_for(seed, window, batch_size, dtype)
            result = torch_reference.one_pass(weights, *batch)
            add(fixtures, f"pass/{seed}/{window}/{batch_size}/{dtype}", result)
    for seed in TRAINING_SEEDS:
        weights = torch_reference.initial_weights(seed)
        for setting in torch_cases.SETTINGS:
            for dtype in torch_cases.DTYPES:
                losses, final = torch_reference.train(
                    weights,
                    torch_cases.batches_for(seed, setting, dtype),
                    torch_cases.ITERATIONS,
                    setting.learning_rate,
                    setting.epsilon,
                    np.dtype(dtype),
                )
                add(fixtures, f"adam/{seed}/{setting.horizon}/{dtype}", final | {"losses": losses})
    path = torch_cases.DATA
    trained = torch.load(path.with_name("trained_by_torch.pt"), weights_only=True)
    trained = torch_reference.to_numpy(trained)
    add(fixtures, "trained", trained)
    for window, batch_size, dtype in torch_cases.passes():
        batch = torch_cases.batch_for(0, window, batch_size, dtype)
        result = torch_reference.one_pass(trained, *batch)
        add(fixtures, f"trained pass/{window}/{batch_size}/{dtype}", result)
    np.savez_compressed(path, **fixtures)
    size = path.stat().st_size
    print(f"{len(fixtures)} arrays, {size / 2**20:.2f} MiB, PyTorch {torch.__version__}")


def add(fixtures: dict, prefix: str, arrays: dict) -> None:
    """Add arrays under `prefix/name`."""
    fixtures.update({f"{prefix}/{name}": array for name, array in arrays.items()})


if __name__ == "__main__":
    main()
