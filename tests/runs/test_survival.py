"""What a run goes through and comes back from: signals, damage, full disks, and other runs."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny import QUIET, assert_same_run, at_look, tiny_recipe, weights

from sinlstm_jax import InputError, curriculum, load_model, run
from sinlstm_jax.errors import Interrupted, SaveFailed
from sinlstm_jax.runs import stage
from sinlstm_jax.runs.loading import replicate_seeds

TINY = tiny_recipe()
CURRICULUM = Path(__file__).parents[2] / "scripts" / "curriculum.py"


def train(out, **options):
    return run(TINY, 7, out, **{"checkpoint_every": 5, "console": QUIET} | options)


@pytest.fixture(autouse=True)
def known_chunks(no_pictures, monkeypatch):
    """Chunks of 1, 2, 4, ... iterations, however long they take here."""
    monkeypatch.setattr(stage, "LOOK_EVERY", 1e9)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing happened to, without its pictures."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(out)
    for picture in out.glob("*.png"):
        picture.unlink()
    return out


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def steps(out):
    folder = out / "checkpoints"
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def damage(out, step):
    """Flip one bit of the largest file of a step."""
    files = [path for path in (out / "checkpoints" / str(step)).rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 4
    largest.write_bytes(content)


@pytest.mark.parametrize("look", [1, 2, 6, 7, 8, 12])
def test_a_run_stops_where_it_is_asked_to_and_goes_on_to_the_same_bits(tmp_path, whole, look):
    out = tmp_path / "run"
    with pytest.raises(
        Interrupted, match=r"^stopped at stage .* the same command resumes there$"
    ) as stopped:
        train(out, checkpoint_every=1000, stop_signal=at_look(look, lambda: signal.SIGTERM))
    assert stopped.value.signal == signal.SIGTERM
    words = str(stopped.value).split()
    number, iteration = int(words[3].strip(",")), int(words[5].strip(":"))
    reached = (0, 20)[number - 1] + iteration
    assert steps(out)[-1:] == ([reached] if reached else [])
    train(out, checkpoint_every=1000)
    assert_same_run(out, whole)


@pytest.mark.parametrize("look", [1, 5, 8, 14])
def test_a_run_that_crashes_goes_on_from_the_checkpoint_before(tmp_path, whole, look):
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "run", checkpoint_every=7, stop_signal=at_look(look, lambda: 1 / 0))
    train(tmp_path / "run", checkpoint_every=9)
    assert_same_run(tmp_path / "run", whole)


def test_a_run_that_is_stopped_again_and_again_ends_the_same_and_no_larger(tmp_path, whole):
    out = tmp_path / "run"
    for _ in range(100):
        try:
            train(out, checkpoint_every=1000, stop_signal=at_look(4, lambda: signal.SIGINT))
        except Interrupted:
            assert len(steps(out)) <= 3
        else:
            break
    assert_same_run(out, whole)


def test_a_signal_while_pictures_are_drawn_does_not_wait_for_them(tmp_path, whole, monkeypatch):
    drawing, asked = threading.Event(), threading.Event()

    def draw(*_, **__):
        drawing.set()
        assert asked.wait(60)

    def stop():
        if drawing.is_set():
            asked.set()
        return signal.SIGTERM if drawing.is_set() else 0

    monkeypatch.setattr(curriculum, "draw_long_term", draw)
    with pytest.raises(Interrupted, match="all trained: the same command draws pictures"):
        train(tmp_path / "run", stop_signal=stop)
    assert_same_run(tmp_path / "run", whole)


@pytest.mark.slow
def test_a_signal_to_the_command_saves_in_mid_chunk(tmp_path):
    """Iterations that take long: 100 of them, without a look, would be a minute."""
    command = [sys.executable, "-W", "error", CURRICULUM, "--recipe", "long-window"]
    command += ["--batch-size", "500", "--implementation", "scan", "--out", tmp_path / "run"]
    metrics = tmp_path / "run" / "metrics.csv"
    with subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        while not (metrics.exists() and metrics.read_text().count("\n") > 3):
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < 20
    assert process.returncode == 128 + signal.SIGINT
    (reached,) = steps(tmp_path / "run")
    assert errors == (f"stopped at stage 1, iteration {reached}: the same command resumes there\n")
    assert metrics.read_text().count("\n") == 1 + reached


@pytest.fixture
def stopped(tmp_path):
    """The folder of a run that was stopped, with the ends of its first stage and two more."""
    out = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(out, stop_signal=at_look(13, lambda: signal.SIGTERM))
    assert steps(out) == [20, 30, 35]
    return out


def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(stopped, whole, capsys):
    _, before, last = steps(stopped)
    damage(stopped, last)
    train(stopped, console=None)
    output = capsys.readouterr().out
    assert f"checkpoint {last} is damaged (" in output and "has changed)" in output
    assert f"later checkpoints than {before} were moved to damaged\n" in output
    assert f"from stage 2, iteration {before - 20}\n" in output
    assert [path.name for path in (stopped / "checkpoints" / "damaged").iterdir()] == [str(last)]
    assert_same_run(stopped, whole)


def test_damage_is_warned_of_where_nothing_is_printed(stopped, caplog, capsys):
    last = steps(stopped)[-1]
    damage(stopped, last)
    train(stopped, console=QUIET)
    assert capsys.readouterr().out == ""
    assert f"checkpoint {last} is damaged (" in caplog.messages[0]


def test_a_damaged_end_of_a_stage_is_made_again(tmp_path, whole):
    train(tmp_path / "run")
    assert steps(tmp_path / "run") == [20, 45, 50]
    damage(tmp_path / "run", 50)
    train(tmp_path / "run")
    assert_same_run(tmp_path / "run", whole)


def test_damage_without_a_way_back_is_refused_and_nothing_is_touched(stopped):
    end, *later = steps(stopped)
    damage(stopped, end)
    before = contents(stopped / "checkpoints")
    with pytest.raises(InputError, match=r"^checkpoint 20 is damaged \(.*put a copy back, or st"):
        train(stopped)
    for step in later:
        damage(stopped, step)
    with pytest.raises(InputError, match=r"checkpoint .* is damaged .*: give another, or put"):
        load_model(stopped)
    for step in later:
        damage(stopped, step)  # the same bit: it is whole again
    assert contents(stopped / "checkpoints") == before


def test_a_lost_end_of_a_stage_is_named(tmp_path, stopped):
    (stopped / "checkpoints" / "20").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="checkpoint of stage 1, step 20, is gone"):
        train(stopped)


def test_a_damaged_checkpoint_is_not_loaded(stopped, caplog):
    _, before, last = steps(stopped)
    expected = weights(stopped / "checkpoints" / str(before))
    damage(stopped, last)
    assert caplog.messages == []
    jax.tree.map(np.testing.assert_array_equal, weights(stopped), expected)
    (message,) = caplog.messages
    assert f"checkpoints/{last} is damaged (" in message and message.endswith(f"taking {before}")
    assert replicate_seeds(stopped) == [7]
    with pytest.raises(InputError, match=rf"{last} is damaged \(.* has changed\): give another"):
        load_model(stopped / "checkpoints" / str(last))


def test_a_checkpoint_without_a_manifest_is_called_old(stopped):
    for step in steps(stopped):
        (stopped / "checkpoints" / str(step) / "manifest.json").unlink()
    for use in (train, load_model):
        with pytest.raises(InputError, match=r"no manifest\.json, like those of older versions"):
            use(stopped)


def fill(disk, after=None):
    """Write to a disk until it is full, when a step of the run on it has been saved."""
    while after and not (disk / "run" / "checkpoints" / str(after)).exists():
        time.sleep(0.01)
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


@pytest.mark.parametrize(("look", "after"), [(3, None), (6, 10), (12, 25), (16, 45)])
def test_a_run_goes_on_when_there_is_room_again(small_disk, whole, capfd, look, after):
    out = small_disk / "run"
    with pytest.raises(
        SaveFailed,
        match=r"small/run/.* cannot be written \(No space left on device\): earlier files are "
        r"intact; fix that, and the same command resumes the run$",
    ):
        train(out, stop_signal=at_look(look, lambda: fill(small_disk, after)))
    assert capfd.readouterr().err == ""  # the command has that one line to say
    if after:
        load_model(out)
    (small_disk / "filler").unlink()
    train(out)
    assert_same_run(out, whole)


def test_a_disk_that_is_full_when_pictures_are_drawn_is_named(small_disk, whole, monkeypatch):
    def draw(folder, *_, **__):
        fill(small_disk, 50)
        (folder / "long-term.png").write_bytes(bytes(4096))

    out = small_disk / "run"
    with monkeypatch.context() as patch, pytest.raises(SaveFailed, match="No space left on device"):
        patch.setattr(curriculum, "draw_long_term", draw)
        train(out)
    (small_disk / "filler").unlink()
    (out / "long-term.png").unlink(missing_ok=True)
    train(out)
    assert_same_run(out, whole)


def test_a_read_only_disk_is_named(small_disk):
    out = small_disk / "run"
    with pytest.raises(Interrupted):
        train(out, stop_signal=at_look(9, lambda: signal.SIGTERM))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    before = contents(out)
    with pytest.raises(InputError, match=r"cannot be written \(Read-only file system\): give"):
        train(out)
    assert load_model(out).hidden_size == 4
    assert contents(out) == before
