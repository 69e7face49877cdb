"""Checks of the fused kernel that need a process of their own: python layer_checks.py NAME."""

import concurrent.futures
import functools
import hashlib
import sys

import jax
import jax.numpy as jnp
import lstm_cases
import numpy as np

from sinlstm_jax.kernel import library
from sinlstm_jax.kernel.layer import fused_lstm
from sinlstm_jax.lstm import lstm_scan


def digest():
    """Print a hash of everything computed from a case that many threads share."""
    case = lstm_cases.draw(0, 15, 1, 23, 60, replicates=(7,))
    results = jax.jit(jax.vmap(lstm_cases.results_of(fused_lstm)))(*case)
    content = b"".join(np.asarray(x).tobytes() for x in jax.tree.leaves(results))
    print(hashlib.sha256(content).hexdigest())


def devices():
    """Share replicates out over the devices, with weights of their own and with the same ones."""
    mesh = jax.make_mesh((8,), ("replicates",), axis_types=(jax.sharding.AxisType.Auto,))
    over, same = jax.P("replicates"), jax.P()
    layer = jax.vmap(functools.partial(lstm_cases.results, fused_lstm))
    case = lstm_cases.draw(0, 15, 1, 20, 40, replicates=(16,))
    expected = jax.jit(layer)(*case)
    for check_vma in (True, False):
        shared_out = jax.jit(
            jax.shard_map(layer, mesh=mesh, in_specs=over, out_specs=over, check_vma=check_vma)
        )
        for _ in range(20):
            lstm_cases.assert_same_bits(shared_out(*case), expected)

    def total(layer, weights, carry, inputs):
        _, hidden = jax.vmap(layer, in_axes=(None, None, 0))(weights, carry, inputs)
        return jnp.sum(jnp.sin(hidden))

    weights, carry, _ = lstm_cases.part(case, 0)
    expected = jax.grad(functools.partial(total, lstm_scan), argnums=(0, 1))(
        weights, carry, case[2]
    )
    gradient = jax.shard_map(
        jax.grad(functools.partial(total, fused_lstm), argnums=(0, 1)),
        mesh=mesh,
        in_specs=(same, same, over),
        out_specs=same,
    )
    lstm_cases.assert_close(jax.jit(gradient)(weights, carry, case[2]), expected, 1e-5)


def threads():
    """Compile and call from several threads at once, before anything is loaded."""
    drawn = [lstm_cases.draw(i, 15, 1, 20, 10 + i % 2, replicates=(2,)) for i in range(8)]
    layer = jax.jit(jax.vmap(lstm_cases.results_of(fused_lstm)))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        at_once = list(pool.map(lambda case: [layer(*case) for _ in range(20)], drawn))
    for case, results in zip(drawn, at_once, strict=True):
        for result in results:
            lstm_cases.assert_same_bits(result, layer(*case))


def build(results, *flags):
    """Save what a kernel compiled with other flags computes from all shapes."""
    library.TUNING = flags
    library.load()
    np.savez(results, *jax.tree.leaves([lstm_cases.fused(case) for case in lstm_cases.cases()]))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
