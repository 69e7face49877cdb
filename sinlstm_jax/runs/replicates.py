"""Replicates: trees of arrays with a leading axis for seeds, on the host and on all devices."""

from collections.abc import Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..kernel.choice import default_platform
from ..training import REPLICATE


def stack(trees: Sequence):
    """Return trees of the same structure as one, on the host, with a leading replicate axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def take(tree, replicate: int):
    """Return one replicate of a tree on the host, as arrays on the default device."""
    return jax.device_put(jax.tree.map(lambda x: x[replicate], tree), may_alias=False)


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


def place(tree, mesh: Mesh | None):
    """Put a tree, `[replicate, ...]` and the same on every host, on the devices of a mesh.

    Where replicates are no multiple of the devices, some are there twice, behind all others; no
    one needs those.
    """
    if mesh is None:
        return jax.device_put(tree, may_alias=False)
    sharding = NamedSharding(mesh, PartitionSpec(REPLICATE))

    def spread(leaf):
        count = -(-len(leaf) // mesh.size) * mesh.size
        leaf = np.asarray(leaf)[np.arange(count) % len(leaf)]
        return jax.make_array_from_callback(leaf.shape, sharding, lambda index: leaf[index])

    return jax.tree.map(spread, tree)


def place_keys(keys: Sequence[jax.Array], mesh: Mesh | None) -> jax.Array:
    """Put random keys on the devices of a mesh, as `place` does: `[replicate]`."""
    return jax.random.wrap_key_data(place(stack([jax.random.key_data(k) for k in keys]), mesh))


def fetch(tree, count: int):
    """Return copies of the first `count` replicates, on every host; waits for the devices."""

    def whole(leaf):
        if not leaf.is_fully_addressable:
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        return np.array(leaf)[:count]

    return jax.tree.map(whole, tree)
