"""Strictness for every test, and a counter of compilations."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


class CompilationCounter:
    """How many programs XLA compiled since the last `reset`."""

    def __init__(self):
        self.count = 0
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            self.count += 1

    def reset(self):
        self.count = 0


_counter = CompilationCounter()


@pytest.fixture
def compilations():
    _counter.reset()
    return _counter
