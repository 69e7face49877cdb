"""The benchmark's bookkeeping with fake sides and a fake clock, and a tiny run of all of it."""

import itertools
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from scripts.benchmarks import __main__ as benchmark
from scripts.benchmarks import measures, sides
from scripts.benchmarks.comparison import compare
from scripts.benchmarks.loops import draw_values
from scripts.benchmarks.report import duration
from scripts.benchmarks.sides import Setting, load_sides
from scripts.benchmarks.timing import Work, alternate, ratio
from scripts.pages import ROOT
from sinlstm_jax import generate_sample
from sinlstm_jax.recipes import RECIPES


class FakeMachine:
    """A clock that only work moves, and the names of those who worked."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def clock(self):
        return self.now

    def work(self, name, *seconds, **options):
        """Return work of so many seconds a unit; of several, one after the other, then the last."""
        turns = itertools.chain(seconds, itertools.repeat(seconds[-1]))

        def run(count):
            self.calls.append((name, count))
            self.now += count * next(turns)

        return Work(run, **options)


@pytest.fixture
def machine():
    return FakeMachine()


def test_sides_take_turns_and_every_second_round_goes_backwards(machine):
    works = {name: machine.work(name, 1.0) for name in "abc"}
    alternate(works, 1.0, 3, machine.clock)
    assert "".join(name for name, _ in machine.calls[-9:]) == "abc" + "cba" + "abc"


def test_a_side_works_as_long_as_it_is_told_to(machine):
    works = {"fast": machine.work("fast", 0.01), "slow": machine.work("slow", 1.0)}
    times, amounts = alternate(works, 2.0, 2, machine.clock)
    assert machine.calls[-2:] == [("slow", 2), ("fast", 200)]
    assert amounts == {"fast": 200, "slow": 2}
    np.testing.assert_allclose(times["fast"], [0.01, 0.01], rtol=1e-9)


@pytest.mark.parametrize(
    ("seconds", "options", "expected"),
    [
        ([60.0, 1.0], {}, ([1.0, 1.0], 1)),  # the first call is not timed
        ([5.0], {"size": 10, "most": 1}, ([0.5, 0.5], 10)),  # per unit of size one; work ends
        ([3.0, 4.0], {"cold": True}, ([3.0, 4.0], 1)),  # and cold work has no warm-up
    ],
)
def test_what_is_timed(machine, seconds, options, expected):
    works = {"a": machine.work("a", *seconds, **options)}
    times, amounts = alternate(works, 1.0, 2, machine.clock)
    assert (times["a"], amounts["a"]) == expected


def test_ratios_are_taken_within_a_repeat():
    slow, fast = [10.0, 40.0, 30.0], [5.0, 5.0, 10.0]  # the ratio of medians would be 6
    assert ratio(slow, fast) == {"median": 3.0, "lowest": 2.0, "highest": 8.0}


def test_training_iteration_has_the_shape_that_is_promised(machine, monkeypatch):
    class Side:
        def __init__(self, seconds):
            self.seconds = seconds

        def training(self, setting):
            return machine.work("side", self.seconds * setting.window)

        def parts(self, setting):
            return {"layer": machine.work("layer", 100.0), "data": machine.work("data", 25.0)}

    def measure():
        return measures.training_iteration(measures.QUICK, sides, Setting(150), lambda *_: None)

    monkeypatch.setattr(measures, "alternate", partial(alternate, clock=machine.clock))
    sides = {"fused": Side(1.0), "scan": Side(2.0), "PyTorch": Side(7.0)}
    result = measure()
    assert result["ratio_to_pytorch"] == 7.0
    assert result["ratios_to_pytorch"]["scan"]["median"] == 3.5
    assert result["seconds"]["PyTorch"]["median"] == 1050.0
    assert result["parts_together"]["median"] == 125.0
    assert result["ratio_to_parts"]["median"] == 1.2

    del sides["PyTorch"], sides["fused"]
    result = measure()
    assert result["ratio_to_pytorch"] is None
    assert result["ratio_to_parts"]["median"] == 2.4


def test_ratios_are_to_the_better_number_of_threads_and_to_the_fastest_other():
    times = {"fused": [2.0], "scan": [1.0], "PyTorch": [30.0], "PyTorch, 1 thread": [20.0]}
    result = compare({name: seconds * 2 for name, seconds in times.items()} | {"numba": [1.0, 1.0]})
    assert result["baseline"] == "PyTorch, 1 thread"
    assert result["ratio_to_pytorch"] == 10.0
    assert result["ratios_to_pytorch"]["PyTorch"]["median"] == 20 / 30
    assert (result["fastest_other"], result["ratio_to_fastest"]) == ("numba", 0.5)
    assert result["ratios_to_ours"]["scan"]["median"] == 0.5


def test_without_others_there_are_no_ratios_to_them():
    result = compare({"scan": [1.0]})
    assert (
        result["ratio_to_pytorch"] is result["fastest_other"] is result["ratio_to_fastest"] is None
    )


def test_what_cannot_be_had_or_does_not_run_is_left_out_with_a_reason(monkeypatch):
    class Broken:
        def try_out(self):
            raise OSError("no compiler\nand more on it")

    there = {"scan": object(), "PyTorch": Broken()}
    monkeypatch.setattr(sides, "SIDES", {**dict.fromkeys(there), "PyTorch, 1 thread": None})
    monkeypatch.setattr(sides, "load_side", lambda name: there[name])
    assert load_sides(cores=1) == ({"scan": there["scan"]}, {"PyTorch": "no compiler"})
    assert list(load_sides(cores=2)[1]) == ["PyTorch", "PyTorch, 1 thread"]


def test_the_other_sides_get_the_tutorials_batches():
    ours = np.random.RandomState(3)
    _, past, _, future = generate_sample(None, None, 4, 50, 100, rng=ours)
    theirs = draw_values(np.random.RandomState(3), 4, 150)
    np.testing.assert_array_equal(theirs, np.concatenate([past, future], axis=1))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.00038, "380 µs"), (1.2345, "1.23 s"), (0.01, "10 ms"), (4e-8, "0.04 µs"), (2e3, "2000 s")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("options", [{"cores": 0}, {"json": Path("no/such/folder/file.json")}])
def test_bad_options_end_with_one_line(options, capsys):
    with pytest.raises(SystemExit) as ending:
        benchmark.main(benchmark.Options(**options))
    assert ending.value.code == 2
    output, errors = capsys.readouterr()
    assert not output
    assert errors.startswith("error: --")
    assert errors.count("\n") == 1


TINY = measures.QUICK._replace(
    recipe=RECIPES["short-window"],
    seconds=0.0,
    repeats=2,
    rollout_seconds=0.0,
    sizes=((110, 5, 2),),
    replicates=(2,),
    compilations=(150,),
    costs=(("window", (110,)), ("hidden_size", (5,)), ("batch_size", (2,))),
)
RUN = """
import sys
from pathlib import Path
from scripts.benchmarks import processes, sides
from scripts.benchmarks.measures import collect
from scripts.benchmarks.report import publish
from scripts.benchmarks.test_benchmarks import TINY
sides.SIDES = {"scan": ("ours", "Side", "scan"), "PyTorch": ("not_installed", "Side")}
starting = [sys.executable, "-c", "import time; print('step 0 loss 1', flush=True); time.sleep(60)"]
processes.curriculum = lambda *_: starting
publish(Path(sys.argv[1]), collect(TINY, full=False, cores=1, pinned=False))
"""


@pytest.mark.slow
def test_what_stands_beside_iterations_is_a_run_of_few(tmp_path):
    task = {"recipe": "smoke", "iterations": 2, "folder": str(tmp_path / "run")}
    command = [sys.executable, "-m", "scripts.benchmarks.worker", json.dumps(task)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    losses = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[1:]
    assert len(losses) == 2 * len(RECIPES["smoke"].stages)
    assert (tmp_path / "run" / "long-term.png").exists()


@pytest.mark.slow
def test_a_tiny_run_publishes_its_figures(tmp_path):
    docs = tmp_path / "docs"
    (docs / "images").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "benchmarks.md", docs)
    command = [sys.executable, "-W", "error", "-c", RUN, tmp_path]
    how = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 300}
    result = subprocess.run(command, **how, check=False)
    assert result.returncode == 0, result.stderr
    missing = "No module named 'scripts.benchmarks.not_installed'"
    assert f"PyTorch is left out: {missing}" in result.stdout
    assert "rollout step, batch 1024, 1500 steps: scan" in result.stdout
    figures = json.loads((docs / "benchmarks.json").read_text())
    assert figures["ours"] == "scan"
    assert list(figures["missing"]) == ["PyTorch"]
    (result,) = figures["training_iteration"].values()
    assert result["ratio_to_pytorch"] is None
    assert result["seconds"]["scan"]["lowest"] > 0
    assert figures["start_up"]["scan"]["peak_bytes"]["median"] > 5e7
    assert figures["versions"]["jax"]
    written = (docs / "benchmarks.md").read_text()
    assert "Left out: PyTorch" in written
    assert "<!-- rollout -->\n| batch | steps | side | time |" in written
    assert "| fused |" not in written  # every table is a new one
    assert (docs / "images" / "benchmark-cost.png").stat().st_size > 10_000
