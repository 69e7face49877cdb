"""Signals that ask a run to end: noted at once, heeded where nothing is lost."""

import os
import signal
import socket
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 10.0  # s from the signal until someone must have asked for it
LEAVING = 30.0  # s from then on, to save and to end
_CLOSED, _TIMED_OUT = 0, -1


class Interruption:
    """The first SIGINT or SIGTERM, in place of what they do otherwise; a context manager.

    Calling it gives the signal's number, or 0, and whoever calls is taken to save and end then.
    Where no one does within GRACE, as in a long compilation, and at a second signal, the process
    ends at once: what is on disk is whole at any time. For the main thread, as all signals are.
    """

    def __init__(self):
        self._number = 0
        self._heeded = False

    def __call__(self) -> int:
        self._heeded = self._number != 0
        return self._number

    def __enter__(self) -> "Interruption":
        # The thread reads what Python's handler in C writes: those in Python, and so
        # KeyboardInterrupt, would wait for the end of what the main thread does in C.
        self._read, self._written = socket.socketpair()
        self._written.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._written.fileno(), warn_on_full_buffer=False)
        heard = [each for each in SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
        self._handlers = {each: signal.signal(each, lambda *_: None) for each in heard}
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_) -> None:
        for each, handler in self._handlers.items():
            signal.signal(each, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._written.close()
        self._watcher.join()
        self._read.close()

    def _watch(self) -> None:
        self._number = self._next(within=None)
        if self._number == _CLOSED:
            return
        then = self._next(within=GRACE)
        if then == _TIMED_OUT and self._heeded:
            then = self._next(within=LEAVING)
        if then != _CLOSED:
            _end_at_once(128 + self._number)

    def _next(self, within: float | None) -> int:
        self._read.settimeout(within)
        try:
            while received := self._read.recv(1):
                if received[0] in self._handlers:
                    return received[0]
        except TimeoutError:
            return _TIMED_OUT
        return _CLOSED


def _end_at_once(code: int) -> None:
    if os.isatty(1):
        os.write(1, b"\x1b[?25h")  # the cursor, which a progress bar hides
    os.write(2, b"stopped at once: the same command resumes from the latest checkpoint\n")
    os._exit(code)
