"""The kernel's build and cache. A script that copies a finished library stands for the compiler."""

import functools
import itertools
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jaxlib.version
import lstm_cases
import pytest

from sinlstm_jax.kernel import library
from sinlstm_jax.kernel.layer import fused_lstm
from sinlstm_jax.lstm import lstm_scan


@pytest.fixture(scope="session")
def finished():
    """A library that was really compiled."""
    try:
        library.load()
    except library.NativeUnavailable as error:
        pytest.skip(str(error))
    return library._built()


@pytest.fixture
def compiler(tmp_path, monkeypatch, finished):
    """A compiler that is quick, and notes that it ran in a file `compiled`."""
    return make_compiler(
        tmp_path, monkeypatch, f'echo >> {tmp_path}/compiled; sleep 0.2; cp {finished} "$target"'
    )


def make_compiler(folder, monkeypatch, build, version="1.0"):
    path = folder / "compiler"
    path.write_text(
        f"""#!{shutil.which("sh")}
PATH={os.environ["PATH"]}
for argument in "$@"; do
  case "$argument" in --version) echo {version}; exit;; -fsyntax-only) exit;; esac
  target="$argument"
done
{build}
"""
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return path


@pytest.fixture
def fresh(monkeypatch):
    """Forget that the kernel was built and loaded."""
    for name in ("_build_at_first", "_load_at_first"):
        forgetful = functools.cache(getattr(library, name).__wrapped__)
        monkeypatch.setattr(library, name, forgetful)


def compilations(tmp_path):
    noted = tmp_path / "compiled"
    return len(noted.read_text().splitlines()) if noted.exists() else 0


def libraries(tmp_path):
    """Return the library in the cache; there is nothing else."""
    return list((tmp_path / "cache" / "sinlstm_jax").iterdir())


def test_the_library_is_compiled_once(tmp_path, compiler):
    path = library._built()
    assert libraries(tmp_path) == [path]
    assert library._built() == path
    assert compilations(tmp_path) == 1


def test_what_killed_processes_left_half_built_is_cleared_away(tmp_path, compiler):
    cache = tmp_path / "cache" / "sinlstm_jax"
    left, busy = (cache / f".building-{name}" for name in ("left", "busy"))
    for folder in (left, busy):
        folder.mkdir(parents=True)
        (folder / "lstm.so").write_text("half")
    os.utime(left, times=(0, time.time() - 1000))
    path = library._built()
    assert sorted(libraries(tmp_path)) == [busy, path]


def test_the_cache_is_keyed_by_all_that_the_library_depends_on(tmp_path, compiler, monkeypatch):
    other_source, other_header = tmp_path / "other.cc", tmp_path / "other.h"
    other_source.write_text(library.SOURCE.read_text() + "\n")
    other_header.write_text(library.HEADER.read_text() + "\n")
    changes = {
        "source": lambda patch: patch.setattr(library, "SOURCE", other_source),
        "header": lambda patch: patch.setattr(library, "HEADER", other_header),
        "compiler": lambda patch: patch.setenv("CXX", str(shutil.copy(compiler, tmp_path / "c"))),
        "version": lambda patch: patch.setattr(library, "_run", _other_version(library._run)),
        "flags": lambda patch: patch.setattr(library, "FLAGS", (*library.FLAGS, "-O2")),
        "tuning": lambda patch: patch.setattr(library, "TUNING", ("-march=native",)),
        "cpu": lambda patch: patch.setattr(library, "_cpu", lambda: "another"),
        "jax": lambda patch: patch.setattr(jaxlib.version, "__version__", "99"),
    }
    paths = {library._built()}
    for count, change in enumerate(changes.values(), 2):
        with monkeypatch.context() as patch:
            change(patch)
            paths.add(library._built())
            assert library._built() in paths
        assert compilations(tmp_path) == count
    assert len(paths) == 1 + len(changes)


def _other_version(run):
    return lambda command: "2.0" if "--version" in command else run(command)


@pytest.mark.slow
def test_processes_that_compile_at_once_leave_one_library(tmp_path, compiler):
    program = "from sinlstm_jax.kernel.library import load; load(); print('loaded')"
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=120)[0] for process in processes] == ["loaded\n"] * 3
    assert len(libraries(tmp_path)) == 1


def test_threads_that_load_at_once_compile_once(tmp_path, compiler, fresh, monkeypatch):
    monkeypatch.setattr(jax.ffi, "register_ffi_target", lambda *_, **__: None)
    start = threading.Barrier(4)

    def load():
        start.wait()
        library.load()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(load) for _ in range(4)]:
            future.result()
    assert compilations(tmp_path) == 1


def test_what_is_built_ahead_is_not_built_again(tmp_path, compiler, fresh, monkeypatch):
    monkeypatch.setattr(jax.ffi, "register_ffi_target", lambda *_, **__: None)
    library.build_ahead()
    library.load()
    assert compilations(tmp_path) == 1


def test_a_build_that_fails_ahead_is_not_tried_again(tmp_path, fresh, monkeypatch):
    make_compiler(tmp_path, monkeypatch, f"echo >> {tmp_path}/compiled; exit 3")
    library.build_ahead()
    with pytest.raises(library.NativeUnavailable, match="exit code 3"):
        library.load()
    assert compilations(tmp_path) == 1


def test_it_is_built_against_the_headers_of_this_jax():
    assert str(library.XLA_HEADERS) == jax.ffi.include_dir()


@pytest.mark.parametrize("damage", ["cut short", "empty", "changed"])
def test_a_damaged_library_is_built_anew(tmp_path, compiler, damage):
    path = library._built()
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(
        {"cut short": whole[:half], "empty": b"", "changed": whole[:half] + bytes(half)}[damage]
    )
    assert library._built() == path
    assert path.read_bytes() == whole
    assert libraries(tmp_path) == [path]
    assert compilations(tmp_path) == 2


STEPS = itertools.count(100)  # shapes that no other test has: what was lowered before stays


@pytest.fixture
def without_kernel(fresh, said):
    """Compute where the kernel cannot be had; check the numbers and that it is said once."""

    def check(complaint):
        for _ in range(2):
            case = lstm_cases.draw(1, 11, 3, 2, next(STEPS))
            lstm_cases.assert_close(fused_lstm(*case), lstm_scan(*case), 1e-6)
        (message,) = said()
        assert message.startswith("the plain scan replaces the kernel: ")
        assert complaint in message

    return check


def test_without_a_compiler_it_is_the_scan(tmp_path, monkeypatch, without_kernel):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    without_kernel("there is no C++ compiler ($CXX, c++, g++, clang++)")


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        ("echo no space left >&2; exit 3", "/compiler failed: no space left"),
        ("exec sleep 60", "/compiler took over 0.5 seconds"),
        ('echo rubbish > "$target"', "file too short" if sys.platform == "linux" else ""),
    ],
    ids=["fails", "hangs", "makes rubbish"],
)
def test_with_a_bad_compiler_it_is_the_scan(
    tmp_path, monkeypatch, without_kernel, build, complaint
):
    make_compiler(tmp_path, monkeypatch, build)
    monkeypatch.setattr(library, "COMPILE_TIMEOUT", 0.5)
    without_kernel(complaint)
    assert not list((tmp_path / "cache" / "sinlstm_jax").glob(".*"))


def test_with_a_compiler_that_is_no_program_it_is_the_scan(tmp_path, monkeypatch, without_kernel):
    path = make_compiler(tmp_path, monkeypatch, "")
    path.write_bytes(b"\0\1\2")
    without_kernel(str(path))


def test_without_a_place_for_the_cache_it_is_the_scan(
    tmp_path, compiler, monkeypatch, without_kernel
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    without_kernel(f"{tmp_path}/file/sinlstm_jax cannot be used (Not a directory)")


def test_without_a_home_it_is_the_scan(compiler, monkeypatch, without_kernel):
    nowhere = Path("~/.cache/sinlstm_jax")  # as platformdirs answers there
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: nowhere)
    without_kernel("there is no cache folder (the user has no home directory)")


def test_flags_that_the_compiler_does_not_know_are_left_out(tmp_path, compiler, monkeypatch):
    used = []
    monkeypatch.setattr(library, "_accepts", lambda _, flag: flag == library.TUNING[1])
    monkeypatch.setattr(library, "_run", lambda command: used.append(command) or "")
    with pytest.raises(library.NativeUnavailable):  # since nothing was compiled
        library._built()
    assert library.TUNING[0] not in used[-1]
    assert library.TUNING[1] in used[-1]


def test_the_compiler_may_come_with_arguments(monkeypatch):
    name = next(name for name in library.COMPILERS if shutil.which(name))
    monkeypatch.setenv("CXX", f"{name} -DA='b c'")
    assert library._compiler() == [shutil.which(name), "-DA=b c"]
    monkeypatch.setenv("CXX", "")
    assert library._compiler()[1:] == []
