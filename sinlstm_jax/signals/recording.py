"""Recordings as a signal: windows of what was measured, its tail held out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int32, Key, UInt32

from ..errors import InputError, finite_number, positive_number, shown
from ..files import reading as reading_file
from ..files import replacing, usable_path
from ..measurements.reading import Reading
from .samples import real_numbers
from .signal import SAMPLING_RATE, HeldOut, Scaling, Signal, fingerprint

COLUMNS = 8  # recordings are no shorter, where there are more of them than they have samples
NUMBERS = ("lengths", "share_held_out", "sampling_rate", "mean", "scale")  # what a file tells
ARRAYS = ("scaled", "tails", "share_held_out", "mean", "scale")  # fields that JAX may trace


@jax.tree_util.register_pytree_node_class
@dataclass(frozen=True, init=False, eq=False)
class Recording(Signal):
    """Windows of one recording, or of several, missing samples and all.

    Samples are scaled: less the mean of the part that is trained on, over the amplitude of a sine
    of its power, the square root of 2 times its standard deviation.

    Args:
      samples: `[time]`, or several such in a list; an array of any library, with NaN, None or a
        mask where one is missing. A window never goes from one recording into the next.
      sampling_rate: Hz.
      held_out: share of each recording, at its end, that training never sees.

    Raises:
      InputError: there are no samples, or not in one column, or infinite ones, the part that is
        trained on does not vary, or another argument does not fit.
    """

    scaled: Float32[np.ndarray, " time"]  # all recordings, one after the other, NaN where missing
    lengths: tuple[int, ...]  # of each recording
    tails: Int32[np.ndarray, " recording"]  # steps from the start of all to where each is held out
    share_held_out: float
    sampling_rate: float
    mean: float  # in the units of the samples, as scale is
    scale: float

    has_gaps = True

    def __init__(self, samples, sampling_rate: float = SAMPLING_RATE, held_out: float = 0.2):
        recordings = [_column(name, each) for name, each in _named(samples)]
        held_out = finite_number("held_out", held_out)
        if not 0 <= held_out < 1:
            raise InputError(f"held_out is {held_out}: give a share from 0 up to 1, 1 left out")
        lengths = tuple(map(len, recordings))
        everything = np.concatenate(recordings)
        self._hold(everything, lengths, held_out, positive_number("sampling_rate", sampling_rate))
        trained = np.concatenate([everything[a:b] for a, b, _ in self._parts()])
        known = trained[np.isfinite(trained)]
        if known.size == 0:
            raise InputError("all samples of the part that is trained on are missing: give others")
        with np.errstate(all="ignore"):  # what is too large is named below
            mean, scale = known.mean(), np.sqrt(2) * known.std()
            scaled = ((everything - mean) / scale).astype(np.float32)
        # Rounding alone makes a deviation of a level's last digit.
        if scale <= 1e-12 * np.abs(known).max():
            raise InputError(
                f"all samples of the part that is trained on are {known[0]:g}: there is nothing to "
                "learn, give a recording that varies, or a smaller held_out"
            )
        lost = np.isfinite(everything) & ~np.isfinite(scaled)
        if not np.isfinite([mean, scale]).all() or lost.any():
            raise InputError(
                f"samples go from {np.nanmin(everything):g} to {np.nanmax(everything):g}, and the "
                f"part that is trained on has a scale of {scale:g}: give them in other units, and "
                "NaN where one is wrong"
            )
        self._hold(scaled, lengths, held_out, self.sampling_rate, float(mean), float(scale))
        tails = np.concatenate([scaled[tail:b] for _, tail, b in self._parts()])
        if tails.size and not np.isfinite(tails).any():
            raise InputError(
                f"all samples that are held out, {held_out:g} of each recording, are missing: give "
                "another held_out"
            )

    @classmethod
    def from_csv(
        cls,
        path: str | Path,
        column: str | None = None,
        *,
        held_out: float = 0.2,
        resample: float | None = None,
        reading: Reading = Reading(),  # noqa: B008
    ) -> "Recording":
        """Return the recording in a text file, as `sinlstm forecast` reads it.

        Args:
          path: of the file.
          column: which one, by name; the only one of numbers, if not given.
          held_out: share at its end that training never sees.
          resample: Hz that it is brought to; None: it stays at its own rate.
          reading: what more is told of the file; a rate, where it has no times.

        Raises:
          InputError: the file cannot be read, the line that ends it being named, or its samples do
            not fit, as above.
        """
        if column is not None:
            reading = replace(reading, column=(column,))
        from ..measurements.series import series_in

        found = series_in(usable_path(path), reading, resample)
        return cls(found.values, found.rate or SAMPLING_RATE, held_out)

    @classmethod
    def from_series(cls, data, *, held_out: float = 0.2) -> "Recording":
        """Return the recording in a pandas Series or DataFrame of a column, or a DataArray.

        An index of moments, of durations, or of floats in seconds tells the rate and where samples
        are missing; with another one rows are steps, at 100 Hz.

        Raises:
          InputError: it is none of these, or is at no rate, or its samples do not fit, as above.
        """
        from ..measurements.series import labelled

        found = labelled(data)
        return cls(found.values, found.rate or SAMPLING_RATE, held_out)

    def _hold(self, scaled, lengths, share_held_out, sampling_rate, mean=0.0, scale=1.0) -> None:
        held = (scaled, lengths, share_held_out, sampling_rate, mean, scale)
        for name, value in zip(("scaled", *NUMBERS), held, strict=True):
            object.__setattr__(self, name, value)
        trained = [round(length * (1 - share_held_out)) for length in lengths]
        object.__setattr__(self, "tails", self._starts + np.array(trained, np.int32))

    def tree_flatten(self):
        """Take it apart for JAX: one of the same lengths and rate compiles nothing anew."""
        return tuple(getattr(self, name) for name in ARRAYS), (self.lengths, self.sampling_rate)

    @classmethod
    def tree_unflatten(cls, static, arrays) -> "Recording":
        """Put together what `tree_flatten` took apart."""
        recording = object.__new__(cls)
        names = ("lengths", "sampling_rate", *ARRAYS)
        for name, value in zip(names, (*static, *arrays), strict=True):
            object.__setattr__(recording, name, value)
        return recording

    @property
    def _starts(self) -> Int32[np.ndarray, " recording"]:
        """Where each recording begins."""
        return np.cumsum([0, *self.lengths[:-1]], dtype=np.int32)

    def _parts(self) -> list[tuple[int, int, int]]:
        """Return of each recording (its start, that of its held-out tail, its end)."""
        starts = self._starts
        ends = starts + np.array(self.lengths)
        return [
            (int(a), int(tail), int(b)) for a, tail, b in zip(starts, self.tails, ends, strict=True)
        ]

    def draw(self, key: Key[Array, ""], batch_size: int) -> UInt32[Array, " batch"]:
        """Draw which of the windows in the part that is trained on, modulo their number."""
        return jax.random.bits(key, (batch_size,), jnp.uint32)

    def values(self, drawn: UInt32[Array, " batch"], steps: int) -> Float32[Array, "steps batch"]:
        """Return windows that were drawn, scaled, NaN where a sample is missing.

        Raises:
          InputError: no recording's part that is trained on is that long. (Not under `jax.jit`,
            where that is not known: `check_windows` tells before.)
        """
        if isinstance(self.tails, np.ndarray) and self.longest_trained < steps:
            raise InputError(
                f"a window has {steps} steps, past and horizon, and the recording "
                f"{self.longest_trained} that are trained on: give shorter ones, a longer "
                "recording, or a smaller held_out"
            )
        counts = jnp.maximum(0, self.tails - self._starts - (steps - 1))
        ends = jnp.cumsum(counts)
        number = drawn % ends[-1].astype(jnp.uint32)
        # Which recording: the last one with no more windows before it than `number`.
        which = jnp.searchsorted(ends.astype(jnp.uint32), number, side="right")
        first = number + (self._starts - (ends - counts))[which].astype(jnp.uint32)
        rows = first.astype(jnp.int32)[None, :] + jnp.arange(steps, dtype=jnp.int32)[:, None]
        return jnp.asarray(self.scaled).at[rows].get(mode="promise_in_bounds")

    def held_out(self, count: int, past: int, horizon: int) -> HeldOut:
        """Return up to `count` windows whose horizon is in the held-out tails, evenly spread.

        Raises:
          InputError: no tail is that long.
        """
        firsts = [
            np.arange(max(a, tail - past), b - past - horizon + 1) for a, tail, b in self._parts()
        ]
        first = np.concatenate(firsts)
        # Nothing is to be tested where nothing is known.
        known = np.concatenate([[0], np.cumsum(np.isfinite(self.scaled))])
        middle = first + past
        first = first[(known[middle + horizon] > known[middle]) & (known[middle] > known[first])]
        if first.size == 0:
            raise InputError(
                f"the held-out tail has {self.longest_horizon} steps: it takes {horizon}, not all "
                "missing, to test a forecast, give a larger held_out"
            )
        chosen = np.unique(np.linspace(0, first.size - 1, count).round().astype(int))
        rows = first[chosen][None, :] + np.arange(past + horizon)[:, None]
        return HeldOut(self.scaled[rows], np.ones(chosen.size, np.float32))

    @property
    def longest_trained(self) -> int:
        """The most steps in a row that are trained on."""
        return max(tail - a for a, tail, _ in self._parts())

    @property
    def longest_horizon(self) -> int:
        """The most steps that can be forecast within a held-out tail."""
        return max(b - tail for _, tail, b in self._parts())

    @property
    def scaling(self) -> Scaling:
        """How samples became what is learnt."""
        return Scaling(self.mean, self.scale)

    def describe(self) -> dict[str, Any]:
        """Return what it is, as JSON's values; its samples by their SHA-256."""
        return {
            "class": "Recording",
            "sampling_rate": self.sampling_rate,
            "samples": fingerprint(self.scaled),
            "lengths": ", ".join(map(str, self.lengths)),
            "held_out": self.share_held_out,
            "scaling": self.scaling._asdict(),
        }

    def save(self, path: Path) -> None:
        """Write the recording to a .safetensors file, whole or not at all."""
        from safetensors.numpy import save_file

        numbers = {name: getattr(self, name) for name in NUMBERS}
        with replacing(path) as temporary:
            save_file({"scaled": self.scaled}, temporary, {"recording": json.dumps(numbers)})

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Return the recording in a file that `save` wrote, or raise InputError."""
        from safetensors import safe_open

        with reading_file(path, "recording of this package"), safe_open(path, "numpy") as file:
            numbers = json.loads(file.metadata()["recording"])
            scaled, lengths = file.get_tensor("scaled"), tuple(numbers.pop("lengths"))
            if scaled.dtype != np.float32 or scaled.shape != (sum(lengths),):
                raise ValueError("its samples are damaged")
            recording = object.__new__(cls)
            recording._hold(scaled, lengths, **numbers)
            return recording


def _named(samples) -> list[tuple[str, Any]]:
    """Return recordings with what errors call them."""
    several = isinstance(samples, list | tuple) and any(np.ndim(each) for each in samples)
    if isinstance(samples, Sequence) and len(samples) == 0:
        raise InputError("there are no samples: give a recording")
    lengths = {len(each) if np.ndim(each) else 1 for each in samples} if several else {0}
    if len(lengths) == 1 and 1 < max(lengths) < min(len(samples), COLUMNS):
        raise InputError(
            f"samples are {len(samples)} recordings of {max(lengths)} samples each, as rows of "
            "columns are: give one column, [time], or several recordings in a list"
        )
    return (
        [(f"recording {i}", x) for i, x in enumerate(samples)]
        if several
        else [("samples", samples)]
    )


def _column(name: str, values) -> np.ndarray:
    """Return one recording's samples, `[time]` in float64, NaN where missing."""
    column = real_numbers(name, values)
    if column.ndim == 2 and 1 in column.shape:
        column = column.ravel()
    if column.ndim != 1 or column.size == 0:
        raise InputError(
            f"{name} has shape {column.shape}: give one column, [time], or several recordings in a "
            "list"
        )
    if np.isinf(column).any():
        first = int(np.argmax(np.isinf(column)))
        raise InputError(
            f"{name}: there is {shown(float(column[first]))} at {first}: give NaN where one is "
            "missing"
        )
    return column
