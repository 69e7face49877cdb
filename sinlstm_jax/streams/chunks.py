"""A model read on in chunks of a few lengths, so that a stream never waits for the compiler."""

from collections.abc import Callable
from functools import cache, partial

import jax
import numpy as np
from flax import nnx

from ..lstm import LSTMCarry
from ..model import SineLSTM, split_model

# Steps that one call computes. Whatever comes is put together from these.
CHUNKS = (512, 64, 8, 1)


def reader_of(model: SineLSTM) -> Callable[..., tuple[np.ndarray, LSTMCarry]]:
    """Return what reads `[time, batch, 1]` from a carry on: (outputs `[time, batch, ...]`, carry).

    Reading in pieces gives the bits of reading at once.
    """
    structure, *arrays = split_model(model)
    return partial(_read, partial(_compiled_advance(structure), arrays), model.outputs)


def _read(advance, width: int, carry: LSTMCarry, inputs: np.ndarray):
    outputs, start = [], 0
    for chunk in CHUNKS:
        while start + chunk <= inputs.shape[0]:
            carry, piece = advance(carry, inputs[start : start + chunk])
            outputs.append(piece)
            start += chunk
    if not outputs:
        return np.empty((0, inputs.shape[1], width), carry.hidden.dtype), carry
    return np.concatenate([np.asarray(piece) for piece in outputs]), carry


@cache
def _compiled_advance(structure):
    def advance(arrays, carry, inputs):
        return nnx.merge(structure, *arrays).predict(carry, inputs, inputs.shape[0])

    return jax.jit(advance)
