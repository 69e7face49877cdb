"""Against what PyTorch computed when tests/data was made; needs no torch.

`scripts/make_torch_fixtures.py` writes the data; test_torch_live.py compares with an installed
torch in the same ways.
"""

from pathlib import Path

import numpy as np
import pytest
import torch_cases

DATA = Path(__file__).parent / "data" / "torch_fixtures.npz"
FIXTURES = dict(np.load(DATA))


def fixture(prefix):
    """Return the arrays under `prefix/`, by the rest of their names."""
    return {
        name.removeprefix(prefix + "/"): array
        for name, array in FIXTURES.items()
        if name.startswith(prefix + "/")
    }


def seeds(prefix):
    return sorted({int(name.split("/")[1]) for name in FIXTURES if name.startswith(prefix + "/")})


@pytest.mark.parametrize(
    ("window", "batch_size", "dtype", "implementation"),
    torch_cases.passes_of_sides(),
    indirect=["implementation"],
)
@pytest.mark.parametrize("seed", seeds("pass"))
def test_one_pass_is_pytorchs(seed, window, batch_size, dtype, implementation):
    expected = fixture(f"pass/{seed}/{window}/{batch_size}/{dtype}")
    batch = torch_cases.batch_for(seed, window, batch_size, dtype)
    distances = torch_cases.pass_distances(
        fixture(f"initial/{seed}"), batch, expected, dtype, implementation
    )
    torch_cases.assert_within(distances, torch_cases.FRESH[dtype])


@pytest.mark.parametrize(
    ("dtype", "implementation"), torch_cases.SIDES, indirect=["implementation"]
)
@pytest.mark.parametrize("setting", torch_cases.SETTINGS)
@pytest.mark.parametrize("seed", seeds("adam"))
def test_200_iterations_of_adam_are_pytorchs(seed, setting, dtype, implementation):
    expected = fixture(f"adam/{seed}/{setting.horizon}/{dtype}")
    distance = torch_cases.training_distance(
        fixture(f"initial/{seed}"),
        torch_cases.batches_for(seed, setting, dtype),
        setting,
        expected,
        dtype,
        implementation,
    )
    assert distance <= torch_cases.FRESH[dtype].weights


@pytest.mark.parametrize(
    ("window", "batch_size", "dtype", "implementation"),
    torch_cases.passes_of_sides(),
    indirect=["implementation"],
)
def test_a_trained_models_pass_is_pytorchs(window, batch_size, dtype, implementation):
    expected = fixture(f"trained pass/{window}/{batch_size}/{dtype}")
    batch = torch_cases.batch_for(0, window, batch_size, dtype)
    distances = torch_cases.pass_distances(
        fixture("trained"), batch, expected, dtype, implementation
    )
    torch_cases.assert_within(distances, torch_cases.TRAINED[dtype])


def test_the_fixtures_cover_what_they_should():
    assert len(seeds("pass")) >= 3
    assert len(seeds("adam")) >= 2
    assert DATA.stat().st_size < 2 * 2**20
