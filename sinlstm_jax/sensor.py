"""SensorLSTM: the network for samples of any level and amplitude, which says how sure it is."""

from statistics import NormalDist
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .errors import InputError, finite_number
from .lstm import LSTMCarry
from .model import SineLSTM, checked_model
from .signals.signal import NO_INPUT
from .window import Window, measured, scaled

SHORTEST_PAST, LONGEST_PAST = 20, 300  # steps that it observes, where no run tells of others
BAND = 0.9  # the share of what comes that a band holds where none is asked for
LARGEST_LOG = 20.0  # of a spread, in the window's deviations; exp of more may not be finite


class SensorCarry(NamedTuple):
    """Where a SensorLSTM is in its windows: what the LSTM carries, and what measures them."""

    hidden: Float[Array, "batch hidden"]
    cell: Float[Array, "batch hidden"]
    level: Float[Array, "batch 1"]
    scale: Float[Array, "batch 1"]
    noise: Float[Array, "batch 1"]

    @property
    def window(self) -> Window:
        """What samples are measured by."""
        return Window(self.level, self.scale, self.noise)


class SensorLSTM(SineLSTM):
    """An LSTM that measures windows by themselves, and answers with a forecast and its spread.

    Samples are less the mean and over the standard deviation of what was observed of their window,
    and what it answers is undone to their units: level and amplitude mean nothing to it. It answers
    with two numbers a step, the forecast and the standard deviation of its error, above 0. That is
    of two parts, the logs of which it puts out: what it is off by itself, and, as a multiple of the
    noise that was measured on the window, what that makes of it. Their squares add up.

    Arguments and errors are those of `SineLSTM`.
    """

    outputs = 3

    def initial_carry(self, batch_size: int, window: Window | None = None) -> SensorCarry:
        """Return the carry before anything was seen, of windows of level 0, scale 1, no noise."""
        carry = super().initial_carry(batch_size)
        if window is None:
            zeros = jnp.zeros((batch_size, 1), carry.hidden.dtype)
            window = Window(zeros, zeros + 1, zeros)
        return SensorCarry(carry.hidden, carry.cell, *window)

    def __call__(self, inputs: "Array | np.ndarray") -> Float[Array, "time batch 2"]:
        """Predict a whole window at once, measured by all that is observed in it."""
        inputs = self.checked(inputs, "[time, batch, 1]", "x.reshape(len(x), -1, 1)")
        observed = inputs != NO_INPUT
        window = measured(inputs, observed)
        return _undone(super().__call__(scaled(inputs, observed, window)), window)

    def predict(
        self, carry: SensorCarry, inputs: Float[Array, "time batch 1"], steps: int
    ) -> tuple[SensorCarry, Float[Array, "{steps} batch 2"]]:
        """Predict step by step from a carry, as `SineLSTM` does; inputs are `scaled` already."""
        lstm, outputs = super().predict(LSTMCarry(carry.hidden, carry.cell), inputs, steps)
        after = carry._replace(hidden=lstm.hidden, cell=lstm.cell)
        return after, _undone(outputs, carry.window)


def reach_of(model, band: float) -> float:
    """Return how many spreads to both sides of a forecast hold a share `band` of what comes.

    Raises:
      InputError: band is not between 0 and 1, or the model does not say how sure it is.
    """
    with_spread(model)
    if not 0.5 < (1 + finite_number("band", band)) / 2 < 1:
        raise InputError(f"band is {band!r}: give a share between 0 and 1, such as 0.9")
    return NormalDist().inv_cdf((1 + band) / 2)


def with_spread(model) -> SensorLSTM:
    """Return a model that says how sure it is, or raise InputError if it does not."""
    if not isinstance(checked_model(model), SensorLSTM):
        name = type(model).__name__
        raise InputError(
            f"the model is a {name}, which does not say how sure it is: give a SensorLSTM"
        )
    return model


def _undone(outputs: jax.Array, window: Window) -> jax.Array:
    """Return forecasts in a window's deviations, and the logs of spreads, as both in its units."""
    level, scale = window.level[None], window.scale[None]
    forecast, own, of_noise = jnp.split(outputs, 3, axis=-1)
    noise = jnp.log(jnp.maximum(window.noise[None], jnp.finfo(outputs.dtype).tiny))
    log_spread = jnp.logaddexp(2 * own, 2 * (of_noise + noise)) / 2
    spread = jnp.exp(jnp.minimum(log_spread, LARGEST_LOG))
    return jnp.concatenate([level + scale * forecast, scale * spread], axis=-1)
