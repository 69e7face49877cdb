"""A file that is far larger than what is kept of it, and a stream that does not end."""

import io
import itertools
import subprocess
import sys
import tracemalloc

import pytest

from sinlstm_jax import load_pretrained
from sinlstm_jax.streams.csv_forecasts import write_forecasts
from sinlstm_jax.streams.csv_samples import read_samples

GIGABYTE = 10**9
SCRIPT = """
import sys
from sinlstm_jax.commands.main import main
main(sys.argv[1:])
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1])
"""


def memory_of_a_forecast(path):
    """Return (the most memory in bytes that a forecast of a file took, what it said)."""
    arguments = ("forecast", str(path), "--steps", "1", "--column", "a")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return 1024 * int(done.stdout.split()[-1]), done.stderr


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="memory is had from /proc")
def test_a_gigabyte_takes_no_more_memory_than_a_page(tmp_path):
    block = "".join(f"{i % 61},{i % 7}.125\n" for i in range(100_000))
    (tmp_path / "small.csv").write_text("a,b\n" + block)
    repeated = GIGABYTE // len(block) + 1
    with (tmp_path / "large.csv").open("w") as file:
        file.write("a,b\n")
        for _ in range(repeated):
            file.write(block)
    small, _ = memory_of_a_forecast(tmp_path / "small.csv")
    large, told = memory_of_a_forecast(tmp_path / "large.csv")
    assert f"{repeated * 100_000} steps" in told
    assert large - small < 150e6


@pytest.mark.slow
def test_an_endless_stream_takes_no_more_memory_the_longer_it_is():
    model = load_pretrained("curriculum")
    peaks = {}

    def lines():
        for i in itertools.count():
            if i in (20_000, 80_000):
                peaks[i] = tracemalloc.get_traced_memory()[0]
            if i == 80_000:
                raise KeyboardInterrupt
            yield f"{i % 61}\n"

    class Nowhere(io.StringIO):
        def write(self, text):
            return len(text)

    tracemalloc.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            samples = read_samples(lines(), "a stream")
            write_forecasts(Nowhere(), model, samples, steps=5, every=5000, window=100)
    finally:
        tracemalloc.stop()
    assert peaks[80_000] - peaks[20_000] < 200_000
