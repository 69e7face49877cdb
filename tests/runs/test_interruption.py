"""Signals to a process that heeds them, or does not."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sinlstm_jax.runs import interruption
from sinlstm_jax.runs.interruption import Interruption

SCRIPT = """
import hashlib, sys, time
import interruption
interruption.GRACE, interruption.LEAVING = map(float, sys.argv[2:])
with interruption.Interruption() as signal:
    print("ready", flush=True)
    if sys.argv[1] == "busy":  # in one call of C, where no handler in Python could run
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    while not signal():
        time.sleep(0.01)
    print("heeded", flush=True)
    time.sleep({"leaves": 0, "hangs": 60}[sys.argv[1]])
    sys.exit(signal() + 1)
"""


@pytest.fixture
def process():
    """Start the script: a function (what it does, GRACE, LEAVING) -> process that is ready."""
    started = []

    def start(does, grace=60.0, leaving=60.0):
        command = [sys.executable, "-c", SCRIPT, does, str(grace), str(leaving)]
        each = subprocess.Popen(
            command,
            cwd=Path(interruption.__file__).parent,  # the module alone: the package takes seconds
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(each)
        assert each.stdout.readline() == "ready\n"
        return each

    yield start
    for each in started:
        each.kill()
        each.communicate()


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_a_signal_is_noted_and_the_process_goes_on(process, number):
    each = process("leaves")
    each.send_signal(number)
    output, errors = each.communicate(timeout=20)
    assert (each.returncode, output, errors) == (number + 1, "heeded\n", "")


def test_a_second_signal_ends_the_process_at_once(process):
    each = process("hangs")
    each.send_signal(signal.SIGTERM)
    assert each.stdout.readline() == "heeded\n"
    each.send_signal(signal.SIGINT)
    _, errors = each.communicate(timeout=20)
    assert each.returncode == 128 + signal.SIGTERM
    assert errors == "stopped at once: the same command resumes from the latest checkpoint\n"


@pytest.mark.parametrize(("does", "grace", "leaving"), [("busy", 1, 60), ("hangs", 1, 1)])
def test_a_process_that_does_not_leave_is_ended(process, does, grace, leaving):
    each, began = process(does, grace, leaving), time.monotonic()
    each.send_signal(signal.SIGINT)
    _, errors = each.communicate(timeout=20)
    assert 1 <= time.monotonic() - began < 10
    assert each.returncode == 130
    assert errors.startswith("stopped at once")


def test_what_signals_did_before_they_do_again_after():
    before = [signal.getsignal(number) for number in interruption.SIGNALS]
    with Interruption() as stop_signal:
        assert stop_signal() == 0
        assert [signal.getsignal(number) for number in interruption.SIGNALS] != before
    assert [signal.getsignal(number) for number in interruption.SIGNALS] == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_was_ignored_stays_so(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as stop_signal:
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.1)
            assert stop_signal() == 0
    finally:
        signal.signal(signal.SIGINT, before)
