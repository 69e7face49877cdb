import numpy as np
import pytest

from sinlstm_jax.errors import InputError, positive_integer, positive_number


@pytest.mark.parametrize("value", [1, 10**9, np.int64(3)])
def test_whole_numbers_pass(value):
    assert positive_integer("size", value) == value
    assert type(positive_integer("size", value)) is int


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", None, True, [1]])
def test_other_sizes_are_named(value):
    with pytest.raises(InputError) as error:
        positive_integer("size", value)
    assert str(error.value) == f"size is {value!r}: give a whole number of at least 1"


@pytest.mark.parametrize("value", [1, 0.5, np.float32(2)])
def test_positive_numbers_pass(value):
    assert positive_number("rate", value) == value


@pytest.mark.parametrize("value", [0, -0.5, float("nan"), float("inf"), "1", None])
def test_other_numbers_are_named(value):
    with pytest.raises(InputError) as error:
        positive_number("rate", value)
    assert str(error.value) == f"rate is {value!r}: give a finite number above 0"
