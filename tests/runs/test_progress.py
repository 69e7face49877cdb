import io
import time

import pytest
from rich.console import Console
from tiny import tiny_recipe

from sinlstm_jax import Stage
from sinlstm_jax.runs.progress import RunProgress, clock


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3725, "1:02:05")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def show(monkeypatch, force_terminal):
    now = iter([100.0, 110.0, 130.0, 200.0, 210.0])
    output = io.StringIO()
    console = Console(file=output, force_terminal=force_terminal, width=120)
    recipe = tiny_recipe(Stage(50, 1000), Stage(200, 100), past=100)
    with RunProgress(console, recipe) as progress:
        monkeypatch.setattr(time, "monotonic", lambda: next(now))
        progress.start_stage(1)
        progress.update(100)  # compiled: no speed yet
        progress.update(200)
        progress.update(400)
        speed = progress._bar.tasks[0].fields["speed"]
        monkeypatch.undo()
    return speed, output.getvalue()


def test_speed_leaves_out_the_first_pause(monkeypatch):
    speed, output = show(monkeypatch, force_terminal=True)
    # 300 iterations in 30 s; 600 and, twice as slow, 100 are left.
    assert speed == "10 it/s, left: stage 1:00, run 1:20"
    assert "stage 1/2" in output


def test_a_file_gets_no_bar(monkeypatch):
    assert show(monkeypatch, force_terminal=False)[1] == ""
