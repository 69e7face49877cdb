"""How far to train between two looks at a run: about a second, the same in every process."""

import time
from collections.abc import Callable

from .processes import largest

SECONDS = 1.0  # between two looks


class Pace:
    """The iterations of the next chunk: as many as take SECONDS, at most twice the last one's.

    Args:
      stop_signal: returns the number of the signal that asks this process to stop, or 0.
    """

    def __init__(self, stop_signal: Callable[[], int]):
        self.iterations = 1
        self._stop_signal = stop_signal
        self._looked = time.monotonic()

    def look(self, iterations: int) -> int:
        """Note what was trained since the last look; return what any process is asked, or 0."""
        now = time.monotonic()
        seconds, asked = largest(now - self._looked, self._stop_signal())
        self._looked = now
        if iterations:
            fitting = int(iterations * SECONDS / max(seconds, 1e-9))
            self.iterations = max(1, min(fitting, 2 * self.iterations))
        return int(asked)
