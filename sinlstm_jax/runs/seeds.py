"""The seeds of a run's replicates, and the random keys that follow from each."""

import operator

import jax
import numpy as np

from ..errors import InputError, positive_integer, shown


def run_seeds(seed: int, replicates: int) -> list[int]:
    """Return the seeds of a run's replicates, one after the other.

    Raises:
      InputError: there is no replicate, or a seed is not a whole number from 0 to 2**32 - 1.
    """
    replicates = positive_integer("replicates", replicates)
    try:
        first = operator.index(seed)
    except TypeError:
        first = -1
    if isinstance(seed, bool) or not 0 <= first < 2**32:
        raise InputError(f"seed is {shown(seed)}: give a whole number from 0 to {2**32 - 1}")
    if first + replicates > 2**32:
        raise InputError(
            f"seed is {first} and replicates {replicates}: give a seed of at most "
            f"{2**32 - replicates}, since theirs are counted up from it"
        )
    return list(range(first, first + replicates))


def run_keys(seed: int) -> tuple[jax.Array, jax.Array]:
    """Return (key of the initial weights, key of the data) for a replicate's seed.

    Stage k, from 1 on, trains with `fold_in(data key, k)`.
    """
    weights_key, data_key = jax.random.split(jax.random.key(np.uint32(seed)))
    return weights_key, data_key
