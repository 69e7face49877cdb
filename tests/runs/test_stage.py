import itertools

import pytest

from sinlstm_jax.runs import stage


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets: what time.monotonic returns."""
    now = [0.0]
    monkeypatch.setattr(stage.time, "monotonic", lambda: now[0])
    return now


def chunks(clock, seconds_each, count, most=10**9):
    """Train `count` chunks, all iterations of which take so long: their lengths."""
    each, lengths = stage.ChunkLength(lambda: 0), []
    for _ in range(count):
        lengths.append(min(each.iterations, most))
        clock[0] += seconds_each * lengths[-1]
        assert each.look(lengths[-1]) == 0
    return lengths


def test_chunks_double_until_they_take_a_second(clock):
    assert chunks(clock, 2.0**-6, 9) == [1, 2, 4, 8, 16, 32, 64, 64, 64]


def test_a_chunk_is_never_shorter_than_an_iteration(clock):
    assert chunks(clock, 30.0, 3) == [1, 1, 1]


def test_chunks_grow_no_further_than_twice_what_was_trained_at_a_time(clock):
    lengths = chunks(clock, 0.0, 40, most=100)
    assert lengths[:8] == [1, 2, 4, 8, 16, 32, 64, 100] and set(lengths[8:]) == {100}


def test_a_chunk_that_took_long_makes_the_next_one_short(clock):
    each = stage.ChunkLength(lambda: 0)
    for _ in range(11):
        clock[0] += each.iterations / 1024
        each.look(each.iterations)
    assert each.iterations == 1024
    clock[0] += 8.0
    each.look(1024)
    assert each.iterations == 128


def test_a_look_passes_the_signal_on(clock):
    signals = itertools.chain([0, 15, 15])
    each = stage.ChunkLength(lambda: next(signals))
    assert [each.look(0), each.look(1), each.look(1)] == [0, 15, 15]
