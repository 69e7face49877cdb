"""What the limits are made of: counts, by hand, and loops that compute what they say."""

import ctypes

import numpy as np
import pytest

from scripts.benchmarks import limits
from sinlstm_jax.kernel import library


def test_counts_are_those_of_the_equations():
    # 16 units, 1 input: gates [4 x 16] = weights [64, 17] x values, in vectors of 8.
    assert limits.counts(16, 8)["forward"] == (64 * 17 / 8, 3 * 2, 2 * 2)
    # Gradients of 16 units from 64 gates, and of 64 x 17 weights.
    assert limits.counts(16, 8)["backward"] == ((64 * 16 + 64 * 17) / 8, 0, 0)


@pytest.mark.slow
def test_the_loops_compute(tmp_path):
    try:
        library.load()
    except library.NativeUnavailable as error:
        pytest.skip(str(error))
    loops = limits._compiled(tmp_path)
    lanes, size = loops.lanes(), loops.vectors() * loops.lanes()
    for name, function in {"sigmoids": lambda x: 1 / (1 + np.exp(-x)), "tangents": np.tanh}.items():
        values = (ctypes.c_float * size)(*np.linspace(-3, 3, size))
        expected = function(function(np.linspace(-3, 3, size)))
        getattr(loops, name)(ctypes.c_int64(2), values)
        np.testing.assert_allclose(values, expected, atol=1e-6)
    loops.multiply_adds.restype = ctypes.c_float
    factor = (ctypes.c_float * (2 * lanes))(*[0.5] * lanes, *[1.0] * lanes)
    # Each sum is 1 + 1/2 + 1/4.
    assert loops.multiply_adds(ctypes.c_int64(3), factor) == loops.sums() * 1.75
