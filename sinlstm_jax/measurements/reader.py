"""A file of measured samples, read in pieces: what it holds, and its samples at one rate."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import InputError, positive_number
from .clock import Rate, corrections, step_of, steps_between
from .columns import Table, chosen
from .layout import find_layout
from .reading import Reading, delimiter_of
from .rows import first_rows, line_of, numbers, settled, times
from .words import duration_in_words

RATE_TOLERANCE = 0.01  # share by which a rate that is told may differ from that of the times
STRETCH = 32  # rows over which the rate is held against that of the whole file
CHANGED = 0.15  # share by which it may differ
LONGEST_GAP = 10_000  # steps that stand for a gap; of a longer one only its end is of use


Progress = Callable[[float], object]  # told the share that was read


def _in_silence(share: float) -> None:
    pass


class Survey(NamedTuple):
    """What a file of samples holds, as found by going through it once."""

    table: Table
    rate: Rate | None  # as times tell; None without any
    sampling_rate: float | None  # Hz; None where neither times nor `--rate` tell


class Piece(NamedTuple):
    """Samples of successive steps."""

    seconds: np.ndarray  # [step], as the file tells them; of a missing row, between those beside
    values: np.ndarray  # [step, column], NaN where missing


def survey(
    path: Path,
    reading: Reading = Reading(),  # noqa: B008
    progress: Progress = _in_silence,
) -> Survey:
    """Find out how a file is laid out, which columns it has, and at which rate.

    Args:
      path: of the file.
      reading: what is told of it.
      progress: told the share of it that was read, where it has times: all of them are.

    Raises:
      InputError: it cannot be read, has no such columns, or none that holds numbers alone, or its
        times go back, stand twice, or are at no rate.
    """
    rate = None if reading.rate is None else positive_number("--rate", reading.rate)
    layout = find_layout(
        path,
        delimiter=delimiter_of(reading),
        decimal=reading.decimal,
        header=reading.header,
        missing=reading.missing,
    )
    rows = first_rows(path, layout)
    if not rows:
        raise InputError(f"{path}: there is a header, but no samples: give some, one a line")
    table = settled(chosen(path, layout, reading, rows))
    measured = None if table.time is None else _measured_rate(table, progress)
    if measured is None:  # a single row, or no times
        return Survey(table, None, rate)
    table = table._replace(time=table.time and table.time.counting(measured.last))
    told = 1 / measured.step
    if rate is not None and not math.isclose(rate, told, rel_tol=RATE_TOLERANCE):
        raise InputError(
            f"{path}: --rate is {rate:g}, and the times tell {told:.5g} Hz: leave it out, or give "
            "--no-time, too, if they are wrong"
        )
    return Survey(table, measured, rate or told)


def pieces(surveyed: Survey, progress: Progress = _in_silence) -> Iterator[Piece]:
    """Read a file's samples, step by step, those missing that are between times.

    Raises:
      InputError: a field of a column that is read holds no number, or is infinite.
    """
    chunks = numbers(surveyed.table, progress)
    if surveyed.table.time is None or surveyed.rate is None:
        rate, first = surveyed.sampling_rate or 1.0, 0
        for _, values in chunks:
            yield Piece((first + np.arange(len(values))) / rate, values)
            first += len(values)
        return
    before, follow = None, _Follower(surveyed.table, surveyed.rate.step)
    for seconds, values in chunks:
        straight, steps = follow(seconds)
        yield placed(steps, seconds, straight, values, before)
        before = float(seconds[-1]), float(straight[-1])


def placed(
    steps: np.ndarray,
    seconds: np.ndarray,
    straight: np.ndarray,
    values: np.ndarray,
    before: tuple[float, float] | None = None,
) -> Piece:
    """Return rows step by step, with nothing where rows are missing.

    Args:
      steps: since the row before each, `[row]`; of the very first row they do not count.
      seconds: of the rows, as the clock tells them, `[row]`.
      straight: the same, as if the clock had never been put back.
      values: `[row, column]`.
      before: both times of the row before the first one; None where there is none.
    """
    lasts = np.cumsum(np.minimum(steps, LONGEST_GAP)) - 1
    told, true, at = seconds, straight, lasts
    if before is None:
        lasts = at = lasts - lasts[0]
    else:
        told, true, at = np.append(before[0], told), np.append(before[1], true), np.append(-1, at)
    rows = np.full((int(lasts[-1]) + 1, values.shape[1]), np.nan)
    rows[lasts] = values
    every = np.arange(len(rows))
    put = (true - told)[np.searchsorted(at, every, side="right") - 1]  # as of the row before
    times = np.interp(every, at, true) - put
    times[lasts] = seconds
    return Piece(times, rows)


def latest(read: Iterator[Piece], count: int) -> tuple[Piece, int]:
    """Return (the last `count` steps of a file, how many steps came before those).

    No more than they and a piece are in memory.
    """
    kept: list[Piece] = []
    steps = 0
    for piece in read:
        steps += len(piece.values)
        kept.append(piece)
        while len(kept) > 1 and sum(len(each.values) for each in kept[1:]) >= count:
            del kept[0]
    joined = Piece(*(np.concatenate(parts) for parts in zip(*kept, strict=True)))
    found = Piece(joined.seconds[-count:], joined.values[-count:])
    return found, steps - len(found.values)


class _Follower:
    """Follows the times of a file, chunk after chunk."""

    def __init__(self, table: Table, step: float | None = None):
        assert table.time is not None
        self.table, self.step, self.wraps = table, step, table.time.wraps
        self.before, self.offset, self.row, self.put = None, 0.0, 0, 0

    def __call__(self, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (times straightened, steps since the row before), `[row]`; the first is 1."""
        lost = np.isnan(seconds)
        if lost.any():
            number = line_of(self.table, self.row + int(np.argmax(lost)))
            raise InputError(
                f"{self.table.path}, line {number} has no time: give one in every line, "
                "take the line out if it holds a total, say, or give --no-time"
            )
        told = seconds + self.offset
        chain = told if self.before is None else np.concatenate([[self.before], told])
        if self.step is None:
            forwards = np.diff(chain)
            forwards = forwards[forwards > 0]
            self.step = step_of(forwards, str(self.table.path)) if forwards.size else 1.0
        added = corrections(chain, self.step, self.wraps)
        intervals = np.diff(chain) + added
        if (intervals <= 0).any():
            self._complain(int(np.argmax(intervals <= 0)) + (self.before is None))
        self.put += int(np.count_nonzero(added))
        self.offset += float(added.sum())
        straight = chain + np.concatenate([[0.0], np.cumsum(added)])
        steps = steps_between(intervals, self.step)
        if self.before is None:
            steps = np.concatenate([[1], steps])
        self.before, self.row = float(straight[-1]), self.row + len(seconds)
        return straight[-len(seconds) :], steps

    def _complain(self, row: int):
        """Raise InputError about a row of this chunk that does not come after the one before."""
        number = line_of(self.table, self.row + row)
        before = line_of(self.table, self.row + row - 1)
        raise InputError(
            f"{self.table.path}, line {number} is not after line {before}, which has the same "
            "time or a later one: sort the lines and leave out doubles, or give --no-time and "
            "--rate"
        )


def _measured_rate(table: Table, progress: Progress) -> Rate | None:
    """Return what the times of a whole file tell; None of a single row."""
    follow = _Follower(table)
    first = last = step = None
    steps = gaps = 0
    moments, longest = np.zeros(3), 0.0
    paces: list[tuple[float, int]] = []  # the shortest and the longest steps of a chunk
    for seconds in times(table, progress):
        before, row = follow.before, follow.row
        straight, apart = follow(seconds)
        step = follow.step or 1.0
        if first is None:
            first = float(straight[0])
        last = float(straight[-1])
        inner = apart[1:] if before is None else apart
        chain = straight if before is None else np.append(before, straight)
        intervals = np.diff(chain)
        steps += int(inner.sum())
        gaps += int(np.count_nonzero(inner > 1))
        longest = max(longest, float(intervals[inner > 1].max(initial=0.0)))
        single = intervals[inner == 1] / step - 1
        moments += [len(single), single.sum(), np.square(single).sum()]
        paces += _paces(intervals, inner, row)
    if first is None or last is None or steps == 0:
        return None
    step = (last - first) / steps
    for pace, row in paces:
        if abs(pace / step - 1) > CHANGED:
            raise InputError(
                f"{table.path}: around line {line_of(table, row)} rows are "
                f"{duration_in_words(pace)} apart, and {duration_in_words(step)} over the whole "
                "file, so its rate changes: split it there, or give --no-time and --rate if the "
                "times are wrong"
            )
    count, total, square = moments
    spread = math.sqrt(max(0.0, square / count - (total / count) ** 2) / 2) if count else 0.0
    return Rate(step, spread, steps + 1, gaps, longest, follow.put, last - follow.offset)


def _paces(intervals: np.ndarray, steps: np.ndarray, row: int) -> list[tuple[float, int]]:
    """Return (mean length of a step in s, row) of the stretches where it is shortest and longest.

    Args:
      intervals: between rows, in s.
      steps: that these are taken for.
      row: where they begin.
    """
    begin = np.arange(0, len(intervals) - STRETCH + 1, STRETCH)
    if not begin.size:
        return []
    pace = np.add.reduceat(intervals, begin) / np.add.reduceat(steps, begin)
    middle = row + begin + STRETCH // 2
    return [(float(pace[i]), int(middle[i])) for i in (pace.argmin(), pace.argmax())]
