"""A stream of samples that a model follows, and that can be forecast at any moment."""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from ..errors import InputError, positive_integer, shown
from ..lstm import LSTMCarry
from ..model import SineLSTM, lstm_model, split_model
from ..runs.loading import load_model
from ..runs.signals import trained_on
from ..signals.samples import observed, real_numbers
from ..signals.signal import NO_INPUT, Scaling, checked_scaling

# Steps that one call computes. Whatever comes is put together from these, so that there are only
# as many programs, and a stream never waits for the compiler.
CHUNKS = (512, 64, 8, 1)
UNSCALED = Scaling()


class Forecaster:
    """Follows one stream of samples, or a batch of them, and forecasts it when asked.

    Samples are as the model was trained on: of the tutorial's, at 100 Hz, of waves of amplitude 1;
    of a recording's (`load`), in its units, which are those of forecasts, too. What is missing is
    None or NaN, which the network is told as NO_INPUT (as is a sample of exactly that value, once
    it is scaled). Everything is compiled when the first forecaster of a model's size, a batch size
    and a device is made, and nothing after.

    Args:
      model: a trained model.
      batch_size: how many streams there are; None for a single one, without a batch axis.
      window: how many of the latest steps a forecast is made from, as if the stream had begun with
        them; None for all. After more steps than they were trained to observe, 100 in our recipes,
        networks forecast worse (docs/using.md has figures), and there 100 is the best.
      scaling: how samples become what the model sees, (mean, scale); undone on what it answers.

    Raises:
      InputError: batch_size or window is neither None nor a whole number of at least 1, or the
        model's cell is another.
    """

    def __init__(
        self,
        model: SineLSTM,
        batch_size: int | None = None,
        window: int | None = None,
        *,
        scaling: Scaling = UNSCALED,
    ):
        if batch_size is not None:
            batch_size = positive_integer("batch_size", batch_size)
        if window is not None:
            window = positive_integer("window", window)
        self.model = lstm_model(model)
        self.batch_size = batch_size
        self.window = window
        self.scaling = checked_scaling(scaling)
        structure, *arrays = split_model(model)
        self._advance = partial(_compiled_advance(structure), arrays)
        self.reset()
        self.forecast(sum(CHUNKS))

    @classmethod
    def load(
        cls,
        path: str | Path,
        batch_size: int | None = None,
        window: int | None = None,
        *,
        replicate: int | None = None,
    ) -> "Forecaster":
        """Start a stream with the model of a run's folder, scaled as the run's recording is.

        Raises:
          InputError: as `load_model` does.
        """
        model = load_model(path, replicate)
        return cls(model, batch_size, window, scaling=trained_on(path).scaling)

    @classmethod
    def from_state(cls, model: SineLSTM, state: Mapping) -> "Forecaster":
        """Go on with a stream where `state` was taken, as arrays or as JSON's nested lists.

        Raises:
          InputError: the state has other entries, shapes that do not fit the model, or values that
            are not finite.
        """
        dtype = lstm_model(model).output.kernel[...].dtype
        arrays = _checked_state(state, model.hidden_size, dtype)
        batch_size = None if arrays["hidden"].ndim == 1 else arrays["hidden"].shape[0]
        window: Any = arrays["window"][()] if "window" in arrays else None  # checked as any other
        stream = cls(model, batch_size, window, scaling=Scaling(*arrays["scaling"]))
        if window is not None:
            stream._recent = arrays["recent"].reshape(-1, batch_size or 1, 1)[-int(window) :]
        carry = (arrays[name].reshape(batch_size or 1, -1) for name in LSTMCarry._fields)
        stream._carry = LSTMCarry(*carry)  # pyright: ignore  (still on the host)
        return stream

    def __reduce__(self):  # what is compiled is compiled anew where it arrives
        return type(self).from_state, (self.model, self.state())

    def reset(self) -> None:
        """Forget all samples, as at the start of a new stream."""
        self._carry = self.model.initial_carry(self.batch_size or 1)
        self._recent = np.empty((0, self.batch_size or 1, 1), self._dtype)

    def state(self) -> dict[str, np.ndarray]:
        """Return all that is known of the stream, by names, as arrays.

        "hidden" and "cell", `[hidden]` each; where there is a window its length, "window", and the
        steps in it, "recent", `[time]`; of a batch, `[batch, hidden]` and `[time, batch]`; where
        samples are scaled, "scaling", (mean, scale).
        `np.savez(file, **state)` keeps it, or JSON with each entry's `tolist()`, without loss.
        """
        batch = () if self.batch_size is None else (self.batch_size,)
        state = {k: np.array(v).reshape(*batch, -1) for k, v in self._carry._asdict().items()}
        if self.scaling != UNSCALED:
            state["scaling"] = np.array(self.scaling)
        if self.window is not None:
            state["window"] = np.array(self.window)
            state["recent"] = self._recent.copy().reshape(-1, *batch)
        return state

    def observe(self, values) -> np.ndarray:
        """Read the next sample, or the next several.

        Args:
          values: of one stream, a number or None, or `[time]`; of a batch, `[batch]`, or
            `[time, batch]`; an array of any library, with None, NaN or a mask where one is missing.

        Returns:
          What the model takes each sample for, in its dtype and of the shape of `values`: near the
          sample where there is one, and its forecast where there is none.

        Raises:
          InputError: values are not numbers, infinite, or of another shape; none was read then.
        """
        inputs, shape = self._as_inputs(values)
        predictions, self._carry = self._read(self._carry, inputs)
        if self.window is not None:
            self._recent = np.concatenate([self._recent, inputs])[-self.window :]
        return self._undo(predictions.reshape(shape))

    def forecast(self, steps: int) -> np.ndarray:
        """Return the next `steps` values, `[steps]` or `[steps, batch]`, in the model's dtype.

        The stream stays where it is: what is observed next follows what was observed last.

        Raises:
          InputError: steps is not a whole number of at least 1.
        """
        steps = positive_integer("steps", steps)
        carry = self._carry
        if self.window is not None:
            _, carry = self._read(self.model.initial_carry(self.batch_size or 1), self._recent)
        nothing = np.full((steps, self.batch_size or 1, 1), NO_INPUT, self._dtype)
        predictions, _ = self._read(carry, nothing)
        return self._undo(predictions[:, 0] if self.batch_size is None else predictions)

    def _undo(self, predictions: np.ndarray) -> np.ndarray:
        """Return predictions in the units of the samples."""
        if self.scaling == UNSCALED:
            return predictions
        return self.scaling.undo(predictions.astype(np.float64)).astype(self._dtype)

    @property
    def _dtype(self) -> np.dtype:
        return self._carry.hidden.dtype

    def _read(self, carry: LSTMCarry, inputs: np.ndarray) -> tuple[np.ndarray, LSTMCarry]:
        """Read `[time, batch, 1]` from a carry on: (predictions `[time, batch]`, next carry).

        Reading in pieces gives the bits of reading at once.
        """
        predictions, start = [], 0
        for chunk in CHUNKS:
            while start + chunk <= inputs.shape[0]:
                carry, piece = self._advance(carry, inputs[start : start + chunk])
                predictions.append(piece)
                start += chunk
        if not predictions:
            return np.empty((0, inputs.shape[1]), self._dtype), carry
        return np.concatenate([np.asarray(piece) for piece in predictions])[:, :, 0], carry

    def _as_inputs(self, values) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return samples as `[time, batch, 1]` with NO_INPUT, and the shape they had."""
        given = values
        if self.scaling != UNSCALED:
            given = self.scaling.apply(real_numbers("samples", values))
        given = observed("samples", given, self._dtype)
        expected = "a number or [time]"
        ranks = (0, 1)
        if self.batch_size is not None:
            expected = f"[{self.batch_size}] or [time, {self.batch_size}]"
            ranks = (1, 2)
        if given.ndim not in ranks or (
            self.batch_size is not None and given.shape[-1] != self.batch_size
        ):
            raise InputError(f"samples have shape {given.shape}: give {expected}")
        return given.reshape(-1, self.batch_size or 1, 1), given.shape


@cache
def _compiled_advance(structure):
    def advance(arrays, carry, inputs):
        return nnx.merge(structure, *arrays).predict(carry, inputs, inputs.shape[0])

    return jax.jit(advance)


def _checked_state(state: Mapping, hidden_size: int, dtype) -> dict[str, np.ndarray]:
    """Return a state's entries as NumPy arrays, floats in `dtype`, or raise InputError."""
    if not isinstance(state, Mapping):
        raise InputError(f"the state is {shown(state)}: give what Forecaster.state returned")
    names = {"hidden", "cell"} | ({"scaling"} & set(state))
    if "window" in state:
        names |= {"window", "recent"}
    if set(state) != names:
        found = shown(sorted(map(str, state)))
        raise InputError(f"the state has the entries {found}: give what Forecaster.state returned")
    arrays = {"scaling": np.array(UNSCALED)}
    for name, value in state.items():
        if name == "window":
            arrays[name] = np.asarray(value)
            continue
        arrays[name] = real_numbers(f"{name} of the state", value)
        if name != "scaling":
            arrays[name] = arrays[name].astype(dtype)
        if not np.isfinite(arrays[name]).all():
            raise InputError(f"{name} of the state holds values that are not finite")
    shape = arrays["hidden"].shape
    if len(shape) not in (1, 2) or shape[-1] != hidden_size or 0 in shape:
        raise InputError(
            f"hidden of the state has shape {shape}: this model takes [{hidden_size}] or "
            f"[batch, {hidden_size}]"
        )
    if arrays["cell"].shape != shape:
        raise InputError(
            f"cell of the state has shape {arrays['cell'].shape}: give {shape}, as hidden has"
        )
    if arrays["scaling"].shape != (2,):
        raise InputError(
            f"scaling of the state has shape {arrays['scaling'].shape}: give (mean, scale)"
        )
    if "recent" in arrays:
        if arrays["recent"].size == 0:  # JSON does not tell the shape of an empty list
            arrays["recent"] = np.empty((0, *shape[:-1]), dtype)
        recent = arrays["recent"].shape
        if not recent or recent[1:] != shape[:-1]:
            expected = "[time]" if len(shape) == 1 else f"[time, {shape[0]}]"
            raise InputError(f"recent of the state has shape {recent}: give {expected}")
    return arrays
