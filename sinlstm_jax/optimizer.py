"""The optimizer: PyTorch's Adam, and what the better recipes add to it, Muon last."""

from functools import cache

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from .errors import InputError

HIDDEN_KERNEL = "hidden_kernel"  # the name of that matrix in the weights of an LSTM


@cache
def adam(
    learning_rate: float,
    epsilon: float,
    *,
    b1: float = 0.9,
    b2: float = 0.999,
    nesterov: bool = False,
    clip_norm: float | None = None,
    warmup: int = 0,
    final_fraction: float = 1.0,
    iterations: int | None = None,
    muon_learning_rate: float | None = None,
) -> optax.GradientTransformation:
    """Return PyTorch's Adam (epsilon outside the root); the same arguments give the same object.

    It holds functions, which cannot be pickled: make it anew in each process.

    Formula: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html

    Args:
      learning_rate: at its peak.
      epsilon: added to the root of the second moment.
      b1: decay of the first moment.
      b2: decay of the second moment.
      nesterov: look one step ahead with the first moment (NAdam, Dozat 2016).
      clip_norm: the global norm that gradients are scaled down to before all else. A gradient whose
        norm is not finite, as windows of hundreds of steps now and then give, counts as 0.
      warmup: iterations in which the learning rate rises from 0 to its peak, linearly.
      final_fraction: of the peak, reached after `iterations` along a cosine; 1 stays there.
      iterations: of the whole stage; needed for the last two.
      muon_learning_rate: at its peak, where Muon is to train the matrix between hidden units, which
        moves by the orthogonal matrix nearest to its momentum (Jordan et al., 2024,
        https://kellerjordan.github.io/posts/muon), and Adam all else.

    Raises:
      InputError: iterations is None where the rate changes, or, when it is given weights, none of
        them is a matrix that Muon could train.
    """

    def scheduled(rate: float):
        if not warmup and final_fraction == 1:
            return rate
        if iterations is None:
            raise InputError("iterations is None: give those over which the rate changes")
        return optax.warmup_cosine_decay_schedule(
            0.0, rate, warmup, iterations, rate * final_fraction
        )

    optimizer = optax.adam(
        scheduled(learning_rate), b1=b1, b2=b2, eps=epsilon, eps_root=0.0, nesterov=nesterov
    )
    if muon_learning_rate is not None:
        of_hidden = optax.contrib.muon(scheduled(muon_learning_rate))
        optimizer = optax.partition({True: of_hidden, False: optimizer}, _are_hidden_kernels)
    if clip_norm is not None:
        optimizer = optax.chain(
            optax.stateless(_nothing_unless_finite), optax.clip_by_global_norm(clip_norm), optimizer
        )
    return optimizer


def _nothing_unless_finite(gradients, _):
    """Return gradients as they are, or zeros where their norm is not finite."""
    finite = jnp.isfinite(optax.tree.norm(gradients))
    return jax.tree.map(lambda gradient: jnp.where(finite, gradient, 0), gradients)


def _are_hidden_kernels(weights):
    """Tell of each array of weights whether it is the matrix between hidden units."""
    found = jax.tree_util.tree_map_with_path(
        lambda path, _: bool(path) and getattr(path[-1], "key", None) == HIDDEN_KERNEL, weights
    )
    if not any(jax.tree.leaves(found)):
        raise InputError(
            f"muon_learning_rate is given, and no array of the weights is a {HIDDEN_KERNEL}: give "
            "none, Adam trains other cells"
        )
    return found
