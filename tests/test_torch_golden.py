"""Against what PyTorch computed when tests/data was made; needs no torch.

`python -m scripts.porting.make_torch_fixtures` writes the data; test_torch_live.py compares with an
installed torch in the same ways.
"""

import pytest
import torch_cases


@pytest.mark.parametrize(
    ("window", "batch_size", "dtype", "implementation"),
    torch_cases.passes_of_sides(),
    indirect=["implementation"],
)
@pytest.mark.parametrize("seed", torch_cases.seeds("pass"))
def test_one_pass_is_pytorchs(seed, window, batch_size, dtype, implementation):
    distances = torch_cases.golden_pass(seed, window, batch_size, dtype, implementation)
    torch_cases.assert_within(distances, torch_cases.FRESH[dtype])


@pytest.mark.parametrize(
    ("dtype", "implementation"), torch_cases.SIDES, indirect=["implementation"]
)
@pytest.mark.parametrize("setting", torch_cases.SETTINGS)
@pytest.mark.parametrize("seed", torch_cases.seeds("adam"))
def test_200_iterations_of_adam_are_pytorchs(seed, setting, dtype, implementation):
    distance = torch_cases.golden_training(seed, setting, dtype, implementation)
    assert distance <= torch_cases.FRESH[dtype].weights


@pytest.mark.parametrize(
    ("window", "batch_size", "dtype", "implementation"),
    torch_cases.passes_of_sides(),
    indirect=["implementation"],
)
def test_a_trained_models_pass_is_pytorchs(window, batch_size, dtype, implementation):
    distances = torch_cases.golden_trained_pass(window, batch_size, dtype, implementation)
    torch_cases.assert_within(distances, torch_cases.TRAINED[dtype])


def test_the_fixtures_cover_what_they_should():
    assert len(torch_cases.seeds("pass")) >= 3
    assert len(torch_cases.seeds("adam")) >= 2
    assert torch_cases.DATA.stat().st_size < 2 * 2**20
