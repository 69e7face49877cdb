"""SensorLSTM: the network for samples of any level and amplitude, which says how sure it is."""

from statistics import NormalDist
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .errors import InputError, finite_number
from .lstm import LSTMCarry
from .model import SineLSTM, checked_model
from .signals.signal import NO_INPUT

SHORTEST_PAST, LONGEST_PAST = 20, 300  # steps that it observes, where no run tells of others
BAND = 0.9  # the share of what comes that a band holds where none is asked for
LARGEST_LOG = 20.0  # of a spread, in the window's deviations; exp of more may not be finite


class Window(NamedTuple):
    """What the samples of windows are measured by, arrays of NumPy or JAX, `[batch, 1]` each."""

    level: Any  # the mean of what was observed
    scale: Any  # its standard deviation


class SensorCarry(NamedTuple):
    """Where a SensorLSTM is in its windows: what the LSTM carries, and their level and scale."""

    hidden: Float[Array, "batch hidden"]
    cell: Float[Array, "batch hidden"]
    level: Float[Array, "batch 1"]
    scale: Float[Array, "batch 1"]

    @property
    def window(self) -> Window:
        """What samples are measured by."""
        return Window(self.level, self.scale)


def measured(values, observed) -> Window:
    """Return mean and standard deviation of what was observed of windows, `[time, batch, 1]`.

    Both in NumPy or in JAX, in the dtype of the values. What was not observed may hold anything.
    The deviation of samples that do not vary counts as tiny, and as 1 where none was observed.
    """
    xp = np if isinstance(values, np.ndarray) else jnp
    count = xp.maximum(observed.sum(axis=0), 1).astype(values.dtype)

    def mean(values):
        return xp.where(observed, values, 0).sum(axis=0) / count

    level = mean(values)
    level = level + mean(values - level[None])  # what rounding left at a level that is large
    scale = xp.sqrt(mean(xp.square(values - level[None])))
    tiny = xp.finfo(np.float32).tiny
    return Window(level, xp.where(observed.any(axis=0), xp.maximum(scale, tiny), 1.0))


class SensorLSTM(SineLSTM):
    """An LSTM that measures windows by themselves, and answers with a forecast and its spread.

    Samples are less the mean and over the standard deviation of what was observed of their window,
    and what it answers is undone to their units: level and amplitude mean nothing to it. It answers
    with two numbers a step, the forecast and the standard deviation of its error, above 0.

    Arguments and errors are those of `SineLSTM`.
    """

    outputs = 2

    def initial_carry(self, batch_size: int, window: Window | None = None) -> SensorCarry:
        """Return the carry before anything was seen, of windows of a level 0 and a scale 1."""
        carry = super().initial_carry(batch_size)
        if window is None:
            zeros = jnp.zeros((batch_size, 1), carry.hidden.dtype)
            window = Window(zeros, zeros + 1)
        return SensorCarry(carry.hidden, carry.cell, window.level, window.scale)

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


def scaled(values, observed, window: Window) -> Any:
    """Return values in the units of their windows, NO_INPUT where nothing was observed."""
    xp = np if isinstance(values, np.ndarray) else jnp
    return xp.where(observed, (values - window.level[None]) / window.scale[None], NO_INPUT)


def reach_of(model, band: float) -> float:
    """Return how many spreads to both sides of a forecast hold a share `band` of what comes.

    Raises:
      InputError: band is not between 0 and 1, or the model does not say how sure it is.
    """
    with_spread(model)
    if not 0 < finite_number("band", band) < 1:
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
    """Return (forecast, log of its spread) in a window's deviations as both in its units."""
    level, scale = window.level[None], window.scale[None]
    spread = jnp.exp(jnp.minimum(outputs[..., 1:], LARGEST_LOG))
    return jnp.concatenate([level + scale * outputs[..., :1], scale * spread], axis=-1)
