"""Which step a line of a stream is, by its time, as it comes: nothing tells what will follow."""

import math

from ..errors import InputError, shown
from ..measurements.dates import OF_DAY
from ..measurements.fields import as_number
from ..measurements.names import SECONDS
from ..measurements.reader import LONGEST_GAP
from ..measurements.times import TimeColumn
from ..measurements.words import DAY

STEP_TOLERANCE = 0.5  # steps that a sample may come early or late, or one is missing, or twice
RATE_TOLERANCE = 0.01  # share by which the rate may be off on the whole
ROOM = 1.0  # steps that a sample may be off besides, by its jitter and that of the first one
DOUBT = 2  # lines after a missing sample that may tell that it was none
PULL = 0.1  # share of what a sample is early or late by, by which those to come are expected to be


class StreamClock:
    """Follows the times of a stream, line after line.

    Args:
      column: how times are read; None: as no line tells.
      rate: of the samples, in Hz.
    """

    def __init__(self, column: TimeColumn | None, rate: float):
        self.column, self.rate = column, rate
        self.field, self.before = "", math.nan  # of the line before; s
        self.first = self.slot = 0.0  # s, of the first step, and where the line before belongs
        self.step = 0  # of the line before, by its time
        self.owed = 0  # missing samples that were told and were none, as a line came late
        self.doubt = 0  # lines that may still tell that the last ones told were none
        self.days = 0.0  # s, that a clock which tells the time of day has gone on by

    def __call__(self, field: str, where: str) -> tuple[float, int]:
        """Return a line's time in s, and how many samples are missing before it.

        A sample that is more than half a step late looks like one that comes after a missing one,
        until the next is there. What was told too much is taken off where samples are missing next.

        Raises:
          InputError: the line has no time, it does not come after the one before, or it is not
            where the rate would put it.
        """
        now = self._seconds(field)
        begins = math.isnan(self.before)
        if not begins and not self._is_next(now):
            now = self._turned(field, now)
        if math.isnan(now):
            what = f"has no time, but {shown(field.strip())}"
            raise InputError(f"{where} {what}: give one in every line, or --no-time")
        missing = 0
        if begins:
            self.first = self.slot = now
        else:
            missing = self._missing(now, where)
        self.field, self.before = field, now
        return now, missing

    def _seconds(self, field: str) -> float:
        """Return a line's time in s, a day later than the clock tells for each midnight."""
        if self.column is None:
            return math.nan
        if self.column.form is None:
            number = as_number(field.replace(",", "."))
            return math.nan if number is None else number * SECONDS[self.column.unit]
        now = float(self.column.seconds([[field]])[0]) + self.days
        if self.column.form == OF_DAY and now - self.before < -DAY / 2:
            self.days += DAY
            now += DAY
        return now

    def _is_next(self, now: float) -> bool:
        """Tell whether a time is about a step after the one before."""
        return abs((now - self.before) * self.rate - 1) <= STEP_TOLERANCE

    def _turned(self, field: str, now: float) -> float:
        """Return a time with day and month the other way round, where it is the next one so.

        Within a day nothing tells which of them comes first; at midnight it shows.
        """
        other = None if self.column is None else self.column.turned()
        if other is None:
            return now
        before, turned = (float(x) for x in other.seconds([[self.field, field]]))
        if not abs((turned - before) * self.rate - 1) <= STEP_TOLERANCE:
            return now
        self.first += before - self.before
        self.slot += before - self.before
        self.column, self.before = other, before
        return turned

    def _missing(self, now: float, where: str) -> int:
        """Return how many samples are missing before a line."""
        apart = (now - self.before) * self.rate
        if self.step == 0 and apart > 1 + STEP_TOLERANCE:
            raise InputError(
                f"{where} is {now - self.before:.4g} s after the one before: the rate is taken to "
                f"be {self.rate:g} Hz, so give --rate {1 / (now - self.before):.4g} if that is it"
            )
        if apart <= 0:
            raise InputError(
                f"{where} is {now - self.before:.4g} s after the one before: sort the lines and "
                "leave out doubles, or give --no-time"
            )
        late = (now - self.slot) * self.rate - 1
        skipped = 0  # steps without a line, or -1 where it is of a step that was told already
        if apart >= 1 + STEP_TOLERANCE:
            skipped = max(0, math.floor(late + 0.5))
        elif late < -STEP_TOLERANCE and self.doubt:
            skipped = -1
        self.doubt = DOUBT if skipped > max(0.0, late) else max(0, self.doubt - 1)
        missing = max(0, skipped - self.owed)
        self.owed -= skipped - missing
        told = min(missing, LONGEST_GAP)
        self.slot = now - (1 - PULL) * (late - skipped) / self.rate
        self.first += (missing - told) / self.rate  # as if what is left out had never been
        self.step += 1 + skipped - (missing - told)
        self._check_rate((now - self.first) * self.rate, where)
        return told

    def _check_rate(self, elapsed: float, where: str) -> None:
        """Raise InputError if a step is not where its rate would put it, the first one being 0."""
        if abs(elapsed - self.step) > ROOM + RATE_TOLERANCE * self.step:
            raise InputError(
                f"{where}: the rate is {self.step * self.rate / elapsed:.4g} Hz up to here, and "
                f"not {self.rate:g}: give --rate, or --no-time if times are wrong"
            )
