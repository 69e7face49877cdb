"""A stream of samples that a model follows, and that can be forecast at any moment."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np

from ..errors import InputError, positive_integer
from ..lstm import LSTMCarry
from ..model import SineLSTM, lstm_model
from ..recipe import TRAINED_SAMPLES
from ..runs.loading import load_model
from ..runs.signals import trained_on
from ..sensor import LONGEST_PAST, SensorCarry, SensorLSTM, reach_of
from ..signals.samples import finite_or_missing, observed, real_numbers, warn_of_rows
from ..signals.signal import NO_INPUT, Scaling, checked_scaling
from ..window import Window, measured, scaled, told_by
from .chunks import CHUNKS, reader_of
from .scaling import AUTO, estimated
from .state import MEASURED, checked_state

PIECE = 64  # samples that a SensorLSTM's window moves on by at the most
UNSCALED = Scaling()


class Band(NamedTuple):
    """A forecast and what holds a share of what comes, `[steps]` or `[steps, batch]` each."""

    values: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Forecaster:
    """Follows one stream of samples, or a batch of them, and forecasts it when asked.

    Samples are as the model was trained on: of the tutorial's, at 100 Hz, of waves of amplitude 1;
    of a recording's (`load`), in its units, which are those of forecasts, too; to a SensorLSTM, in
    any units. What is missing is None or NaN, which the network is told as NO_INPUT (as is a sample
    of exactly that value, once it is scaled). Everything is compiled when the first forecaster of a
    model's size, a batch size and a device is made, and nothing after.

    Args:
      model: a trained model.
      batch_size: how many streams there are; None for a single one, without a batch axis.
      window: how many of the latest steps a forecast is made from, as if the stream had begun with
        them. None is all; of a SensorLSTM, and with "auto", which measure the window anew each
        time, the latest 300 and 100. After more steps than they were trained to observe networks
        forecast worse (docs/using.md has figures): 100 is the best for the tutorial's.
      scaling: how samples become what the model sees, (mean, scale); undone on what it answers.
        "auto" estimates both from the window, each time, for a model that learnt waves of amplitude
        1 around 0; a SensorLSTM measures windows anyway.

    Raises:
      InputError: batch_size or window is neither None nor a whole number of at least 1, scaling
        none of the two, or the model's cell is another.
    """

    def __init__(
        self,
        model: SineLSTM,
        batch_size: int | None = None,
        window: int | None = None,
        *,
        scaling: Scaling | Literal["auto"] = UNSCALED,
    ):
        if batch_size is not None:
            batch_size = positive_integer("batch_size", batch_size)
        if window is not None:
            window = positive_integer("window", window)
        self.model = lstm_model(model)
        self._measure_window = measured if isinstance(model, SensorLSTM) else None
        longest = LONGEST_PAST
        if isinstance(scaling, str) and scaling == AUTO:
            if self._measure_window is None:
                self._measure_window, longest = estimated, TRAINED_SAMPLES
            scaling = UNSCALED
        self._measures = self._measure_window is not None
        if self._measures and window is None:
            window = longest
        self.batch_size = batch_size
        self.window = window
        self.scaling = checked_scaling(scaling)
        self._read = reader_of(model)
        self.reset()
        self._forecast(sum(CHUNKS))

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
        trained = trained_on(path, model)
        if window is None and isinstance(model, SensorLSTM):
            window = trained.past
        return cls(model, batch_size, window, scaling=trained.scaling)

    @classmethod
    def from_state(cls, model: SineLSTM, state: Mapping) -> "Forecaster":
        """Go on with a stream where `state` was taken, as arrays or as JSON's nested lists.

        Raises:
          InputError: the state has other entries, shapes that do not fit the model, or values that
            are not finite.
        """
        arrays = checked_state(state, lstm_model(model))
        batch_size = None if arrays["hidden"].ndim == 1 else arrays["hidden"].shape[0]
        window: Any = arrays["window"][()] if "window" in arrays else None  # checked as any other
        is_measured = tuple(arrays["scaling"]) == MEASURED
        scaling = AUTO if is_measured else Scaling(*arrays["scaling"])
        stream = cls(model, batch_size, window, scaling=scaling)
        if window is not None:
            stream._recent = arrays["recent"].reshape(-1, batch_size or 1, 1)[-int(window) :]
        carry = {name: arrays[name].reshape(batch_size or 1, -1) for name in LSTMCarry._fields}
        stream._carry = stream._carry._replace(**carry)  # still on the host
        stream._began = bool(len(stream._recent)) or any(x.any() for x in carry.values())
        return stream

    def __reduce__(self):  # what is compiled is compiled anew where it arrives
        return type(self).from_state, (self.model, self.state())

    def reset(self) -> None:
        """Forget all samples, as at the start of a new stream."""
        self._began = False
        self._carry = self.model.initial_carry(self.batch_size or 1)
        dtype = np.float64 if self._measures else self._dtype
        self._recent = np.empty((0, self.batch_size or 1, 1), dtype)

    def state(self) -> dict[str, np.ndarray]:
        """Return all that is known of the stream, by names, as arrays.

        "hidden" and "cell", `[hidden]` each; where there is a window its length, "window", and the
        steps in it, "recent", `[time]`; of a batch, `[batch, hidden]` and `[time, batch]`; where
        samples are scaled, "scaling", (mean, scale), of "auto" (0, 0).
        `np.savez(file, **state)` keeps it, or JSON with each entry's `tolist()`, without loss.
        """
        batch = () if self.batch_size is None else (self.batch_size,)
        carry = LSTMCarry(self._carry.hidden, self._carry.cell)
        state = {k: np.array(v).reshape(*batch, -1) for k, v in carry._asdict().items()}
        if self._measure_window is estimated:
            state["scaling"] = np.array(MEASURED)
        elif self.scaling != UNSCALED:
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
          What the model takes each sample for, in the dtype of `forecast` and of the shape of
          `values`: near the sample where there is one, and its forecast where there is none.

        Raises:
          InputError: values are not numbers, infinite, or of another shape; none was read then.
        """
        samples, shape = self._as_samples(values)
        warn_of_rows("samples", samples.shape[:2])
        self._began = self._began or len(samples) > 0
        if self._measures:
            pieces = [self._measure(piece) for piece in _in_pieces(samples, self.window or PIECE)]
            predictions = np.concatenate([*pieces, np.empty((0, *samples.shape[1:]))])
        else:
            predictions, self._carry = self._read(self._carry, samples)
            self._remember(samples)
        return self._undo(predictions.reshape(shape))

    def _remember(self, samples: np.ndarray) -> None:
        """Keep the latest samples, as many as a window holds."""
        if self.window is not None:
            self._recent = np.concatenate([self._recent, samples])[-self.window :]

    def _measure(self, samples: np.ndarray) -> np.ndarray:
        """Move a window that is measured on by samples; return what these are taken for."""
        self._remember(samples)
        inputs, window, told = self._seen()
        outputs, _ = self._read(self._began_with(window), inputs)
        return told.level + told.scale * outputs[-len(samples) :, :, :1]

    def _seen(self) -> tuple[np.ndarray, Window, Window]:
        """Return the latest samples as the model sees them, what measures them, and what they tell.

        The last is NaN where too little is known: on the host alone, where it disturbs nothing.
        """
        known = ~np.isnan(self._recent)
        assert self._measure_window is not None
        window = self._measure_window(self._recent, known)
        inputs = scaled(self._recent, known, window).astype(self._dtype)
        return inputs, window, told_by(known, window)

    def _began_with(self, window: Window) -> LSTMCarry | SensorCarry:
        """Return the carry before a window that was measured, in whose units samples are seen."""
        if not isinstance(self._carry, SensorCarry):
            return self._carry
        return self._carry._replace(noise=window.noise.astype(self._dtype))

    @overload
    def forecast(self, steps: int) -> np.ndarray: ...

    @overload
    def forecast(self, steps: int, band: float) -> Band: ...

    def forecast(self, steps: int, band: float | None = None) -> np.ndarray | Band:
        """Return the next `steps` values, `[steps]` or `[steps, batch]`.

        They are in the model's dtype; where windows are measured or samples scaled in float64, lest
        a large level rounds the waves away. Where a window that is measured holds no sample they
        are NaN, and where it holds a single one, a band's low and high are: one tells no scale. The
        stream stays where it is: what is observed next follows what was observed last.

        Args:
          steps: how many.
          band: where a SensorLSTM is to say how sure it is, the share of what comes, without the
            noise on it, that is to lie between two values; the result is then a Band.

        Raises:
          InputError: steps is not a whole number of at least 1, band not between 0 and 1, or the
            model does not say how sure it is.
        """
        steps = positive_integer("steps", steps)
        reach = None if band is None else reach_of(self.model, band)
        if not self._began:
            warnings.warn("nothing was observed yet: the forecast is of no stream", stacklevel=2)
        return self._forecast(steps, reach)

    def _forecast(self, steps: int, reach: float | None = None) -> np.ndarray | Band:
        carry, told = self._carry, Window(0.0, 1.0)
        if self._measures:
            inputs, window, told = self._seen()
            _, carry = self._read(self._began_with(window), inputs)
        elif self.window is not None:
            _, carry = self._read(self.model.initial_carry(self.batch_size or 1), self._recent)
        nothing = np.full((steps, self.batch_size or 1, 1), NO_INPUT, self._dtype)
        outputs, _ = self._read(carry, nothing)
        values = outputs[..., :1]
        if self._measures:
            values = told.level + told.scale * values
        if reach is None:
            return self._as_answer(values)
        away = reach * np.where(np.isnan(told.noise), np.nan, told.scale) * outputs[..., 1:]
        return Band(*map(self._as_answer, (values, values - away, values + away)))

    def _as_answer(self, values: np.ndarray) -> np.ndarray:
        """Return values `[time, batch, 1]` as they are answered with, in the samples' units."""
        return self._undo(values[:, 0, 0] if self.batch_size is None else values[:, :, 0])

    def _undo(self, values: np.ndarray) -> np.ndarray:
        """Return values in the units of the samples."""
        if self.scaling != UNSCALED:
            return self.scaling.undo(values.astype(np.float64))
        return values.astype(np.float64 if self._measures else self._dtype, copy=False)

    @property
    def _dtype(self) -> np.dtype:
        return self._carry.hidden.dtype

    def _as_samples(self, values) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return samples as `[time, batch, 1]`, and the shape they had.

        Where one is missing there is NO_INPUT; where windows are measured, NaN, in float64.
        """
        given = values
        if self.scaling != UNSCALED:
            given = self.scaling.apply(real_numbers("samples", values))
        given = (finite_or_missing if self._measures else observed)("samples", given, self._dtype)
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


def _in_pieces(samples: np.ndarray, longest: int) -> list[np.ndarray]:
    """Return samples in pieces that a window of so many steps can move on by."""
    step = min(PIECE, longest)
    return [samples[start : start + step] for start in range(0, len(samples), step)]
