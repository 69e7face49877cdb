"""The optimizer: PyTorch's Adam, and what the better recipes add to it."""

from functools import cache

import optax

from .errors import (
    InputError,
    finite_number,
    integer_from,
    positive_integer,
    positive_number,
    shown,
)


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
    """Return PyTorch's Adam (epsilon outside the root), one object per setting.

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

    Raises:
      InputError: a rate, an epsilon or a norm is not above 0, a decay not from 0 up to 1, a
        fraction not above 0 and at most 1, or the warmup not shorter than the iterations.
    """
    learning_rate = positive_number("learning_rate", learning_rate)
    epsilon = positive_number("epsilon", epsilon)
    b1, b2 = _decay("b1", b1), _decay("b2", b2)
    if clip_norm is not None:
        clip_norm = positive_number("clip_norm", clip_norm)
    if iterations is not None:
        iterations = positive_integer("iterations", iterations)
    warmup = integer_from(0, "warmup", warmup)
    if iterations is not None and warmup >= iterations:
        raise InputError(f"warmup is {warmup}: give fewer than the {iterations} iterations")
    if positive_number("final_fraction", final_fraction) > 1:
        raise InputError(f"final_fraction is {final_fraction!r}: give above 0, at most 1")
    if iterations is None and (warmup or final_fraction != 1):
        raise InputError("iterations is None: give those over which the rate changes")
    if not isinstance(nesterov, bool):
        raise InputError(f"nesterov is {shown(nesterov)}: give True or False")
    settings = (learning_rate, epsilon, b1, b2, nesterov, clip_norm, warmup)
    return _adam(*settings, float(final_fraction), iterations)


def _decay(name: str, decay) -> float:
    if not 0 <= finite_number(name, decay) < 1:
        raise InputError(f"{name} is {decay!r}: give a number from 0 up to 1, 1 left out")
    return float(decay)


@cache
def _adam(
    learning_rate, epsilon, b1, b2, nesterov, clip_norm, warmup, final_fraction, iterations
) -> optax.GradientTransformation:
    rate = learning_rate
    if warmup or final_fraction != 1:
        rate = optax.warmup_cosine_decay_schedule(
            0.0, learning_rate, warmup, iterations, learning_rate * final_fraction
        )
    optimizer = optax.adam(rate, b1=b1, b2=b2, eps=epsilon, eps_root=0.0, nesterov=nesterov)
    if clip_norm is not None:
        optimizer = optax.chain(optax.clip_by_global_norm(clip_norm), optimizer)
    return optimizer
