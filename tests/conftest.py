"""Strictness for every test, and a counter of compilations."""

import os
import resource
import shutil
import subprocess
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import pytest
from hypothesis import HealthCheck, settings

from sinlstm_jax import curriculum
from sinlstm_jax.kernel.library import NativeUnavailable, load

jax.config.update("jax_numpy_rank_promotion", "raise")

# What tests/test_properties.py tries: the same few examples each time, or many new ones.
slow_ones_too = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("few", max_examples=8, derandomize=True, **slow_ones_too)
settings.register_profile("thousands", max_examples=150, **slow_ones_too)
settings.load_profile("few")


@pytest.fixture(scope="session", params=["scan", "fused"])
def implementation(request):
    """What computes the LSTM: tests of numbers run with each; "fused" only with a compiler."""
    if request.param == "fused":
        try:
            load()
        except NativeUnavailable as error:
            pytest.skip(str(error))
    return request.param


# Where numbers are PyTorch's, or of the equations themselves, the quick suite has both.
QUICK_WITH_BOTH = ("test_lstm.py", "test_model.py", "test_torch_golden.py", "test_torch_live.py")


def pytest_collection_modifyitems(items):
    """Leave to the slow suite what the quick one runs with the kernel: the scan compiles longer."""
    try:
        load()
    except NativeUnavailable:  # then the scan is all there is
        return
    for item in items:
        of_scan = getattr(item, "callspec", None) and item.callspec.params.get("implementation")
        if of_scan == "scan" and item.path.name not in QUICK_WITH_BOTH:
            item.add_marker(pytest.mark.slow)


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


@pytest.fixture
def no_pictures(monkeypatch):
    """Have runs draw nothing: pictures are slow."""
    for drawing in ("draw_stage", "draw_long_term"):
        monkeypatch.setattr(curriculum, drawing, lambda *_: None)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB that can be filled and made read-only."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def bounded_memory():
    """Have whatever a file announces, and is believed, end in an error at once."""
    margin = 2**32  # bytes that a refusal may take on the way; what is announced is more
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + margin, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)
