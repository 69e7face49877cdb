"""Replicates: the seeds that are trained at once, and the devices that share them.

Their arrays have a leading axis, `[replicate, ...]`, on the host and on the devices.
"""

import contextlib
import operator
import os
from collections.abc import Sequence

import jax
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..errors import InputError, positive_integer, shown
from ..kernel.choice import default_platform
from ..model import SineLSTM
from ..networks import initial_model, network_named
from ..recipe import Recipe
from ..training import REPLICATE, TrainState


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


def fresh_models(
    recipe: Recipe, seeds: list[int], implementation: str, number: int = 1
) -> list[SineLSTM]:
    """Return models with fresh weights for stage `number` of a recipe, from 1 on.

    Those of the first stage are drawn from the seeds' own keys, of others from keys folded with
    the number.
    """
    keys = [run_keys(seed)[0] for seed in seeds]
    if number > 1:
        keys = [jax.random.fold_in(key, number) for key in keys]
    return [fresh_model(recipe, key, implementation) for key in keys]


def fresh_model(recipe: Recipe, key: jax.Array, implementation: str = "auto") -> SineLSTM:
    """Return a model as a recipe begins with."""
    network = network_named(recipe.network)
    return initial_model(recipe.hidden_size, key, implementation, network, recipe.forget_bias)


def stage_keys(seeds: list[int], number: int, mesh: Mesh | None) -> jax.Array:
    """Return the keys of the data of stage `number`, from 1 on, `[replicate]`, on a mesh."""
    keys = [jax.random.fold_in(run_keys(seed)[1], number) for seed in seeds]
    return jax.random.wrap_key_data(place(stack(list(map(jax.random.key_data, keys))), mesh))


def give_each_core_a_device(replicates: int) -> None:
    """Have JAX, before it starts, see each core as a device, no more than there are replicates.

    What the user has set of it stays.
    """
    unset = jax.config.jax_num_cpu_devices < 0  # pyright: ignore  (options are made at run time)
    if unset and "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        there = hasattr(os, "sched_getaffinity")  # not on macOS
        cores = len(os.sched_getaffinity(0)) if there else os.cpu_count() or 1
        with contextlib.suppress(RuntimeError):  # it has started
            jax.config.update("jax_num_cpu_devices", min(replicates, cores))


def replicate_mesh(count: int) -> Mesh | None:
    """Return a mesh of the devices that share so many replicates, or None if it is just one.

    Of several processes, all devices take part; of one process, no more than there are replicates.
    CPU devices of one process share its one pool of threads, which the fused kernel uses, too: with
    virtual devices there are as many threads as devices or cores, whichever is more.
    """
    devices = jax.devices(default_platform())
    if jax.process_count() == 1:
        devices = devices[:count]
    return Mesh(np.array(devices), (REPLICATE,)) if len(devices) > 1 else None


def stack(trees: Sequence):
    """Return trees of the same structure as one, on the host, with a leading replicate axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def take(tree, replicate: int):
    """Return one replicate of a tree on the host, as arrays on the default device."""
    return jax.device_put(jax.tree.map(lambda x: x[replicate], tree), may_alias=False)


def merge_models(model: SineLSTM, state: TrainState) -> list[SineLSTM]:
    """Return the models of all replicates, of the structure of one, from a state on the host."""
    structure, arrays = nnx.graphdef(model), (state.weights, state.frozen)
    return [nnx.merge(structure, *take(arrays, k)) for k in range(len(state.losses))]


def place(tree, mesh: Mesh | None):
    """Put a tree, `[replicate, ...]` and the same on every host, on the devices of a mesh.

    It is padded with copies to a multiple of the devices; `fetch` drops them.
    """
    if mesh is None:
        return jax.device_put(tree, may_alias=False)
    sharding = NamedSharding(mesh, PartitionSpec(REPLICATE))

    def spread(leaf):
        count = -(-len(leaf) // mesh.size) * mesh.size
        leaf = np.asarray(leaf)[np.arange(count) % len(leaf)]
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(spread, tree)


def fetch(tree, count: int):
    """Return copies of the first `count` replicates, on every host; waits for the devices."""

    def whole(leaf):
        if not leaf.is_fully_addressable:
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        return np.array(leaf)[:count]

    return jax.tree.map(whole, tree)
