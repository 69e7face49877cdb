"""What training need not wait for: work done in turn on another thread."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import jax


class Background:
    """Another thread, as a context manager.

    Leaving it waits for what was started; after an error, only for what is being done.
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._started: list[Future] = []

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, error, *_) -> None:
        self._thread.shutdown(cancel_futures=error is not None)
        if error is None:
            for future in self._started:
                future.result()  # raises what was raised there

    def start(self, function, *arguments, **keywords) -> None:
        """Do it when all that was started before is done."""
        # Of this thread; compiled programs depend on it.
        device = jax.config.jax_default_device  # pyright: ignore  (made at run time)

        def on_same_device():
            with jax.default_device(device):
                function(*arguments, **keywords)

        self._started.append(self._thread.submit(on_same_device))

    def finish(self, stop_signal: Callable[[], int]) -> int:
        """Wait for all that was started, or for a signal: return its number, or 0."""
        while wait(self._started, timeout=0.1).not_done:
            if signal := stop_signal():
                return signal
        return 0
