"""The optimizer: PyTorch's Adam, and what the better recipes add to it."""

from functools import cache

import optax


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
      clip_norm: the global norm that gradients are scaled down to before all else.
      warmup: iterations in which the learning rate rises from 0 to its peak, linearly.
      final_fraction: of the peak, reached after `iterations` along a cosine; 1 stays there.
      iterations: of the whole stage; needed for the last two.
    """
    rate = learning_rate
    if warmup or final_fraction != 1:
        assert iterations is not None, "the rate changes over so many iterations"
        rate = optax.warmup_cosine_decay_schedule(
            0.0, learning_rate, warmup, iterations, learning_rate * final_fraction
        )
    optimizer = optax.adam(rate, b1=b1, b2=b2, eps=epsilon, eps_root=0.0, nesterov=nesterov)
    if clip_norm is not None:
        optimizer = optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)
    return optimizer
