"""The compiled kernel: built with the system's C++ compiler into the user's cache, and loaded."""

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import jaxlib.version

from ..files import cache_folder

SOURCE = Path(__file__).with_name("lstm.cc")
HEADER = SOURCE.with_name("vectors.h")
XLA_HEADERS = Path(jaxlib.__file__).with_name("include")  # jax.ffi.include_dir()
MAX_HIDDEN_SIZE = 512  # MAX_SIZE in the source
HANDLERS = ("sinlstm_forward", "sinlstm_backward", "sinlstm_predict")
COMPILERS = ("c++", "g++", "clang++")  # tried in this order, after $CXX
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-fno-math-errno", "-w")
# Left out where the compiler does not know them. The tuning is the one whose addressing suits the
# kernel: on Zen 4, gcc 12 makes backward 10 to 20 % slower without it.
TUNING = ("-march=native", "-mtune=skylake-avx512")
COMPILE_TIMEOUT = 120  # s
BUILDING = ".building-"  # what folders in the cache begin with while there is something built
_LOCK = threading.Lock()


class NativeUnavailable(Exception):
    """The kernel cannot be had here; the message says why."""


def build_ahead() -> None:
    """Have another thread build the kernel unless it is in the cache; `load` waits for it.

    JAX need not be imported yet: that takes a while, too.
    """
    threading.Thread(target=_build_locked, daemon=True).start()


def _build_locked() -> None:
    with _LOCK:
        _build_at_first()


def load() -> None:
    """Build the kernel unless it is in the cache, load it, and register its handlers with XLA.

    Raises:
      NativeUnavailable: there is no compiler, it fails, or the cache cannot be written.
    """
    reason = _load_once()
    if reason is not None:
        raise NativeUnavailable(reason)


def _load_once() -> str | None:
    """Load the kernel and return None, or return why it cannot be; the same answer ever after."""
    with _LOCK:  # functools.cache alone lets two threads in
        return _load_at_first()


@functools.cache
def _load_at_first() -> str | None:
    import jax

    built = _build_at_first()
    if isinstance(built, str):
        return built
    try:
        library = ctypes.CDLL(str(built))
    except OSError as error:
        return str(error)
    for name in HANDLERS:
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return None


@functools.cache
def _build_at_first() -> Path | str:
    """Return the path of the compiled kernel, or why there is none; the same answer ever after."""
    try:
        return _built()
    except (NativeUnavailable, OSError) as error:
        return str(error)


def _built() -> Path:
    """Return the path of the compiled kernel, compiling it if it is not there.

    The file's name holds a hash of all that it depends on, and one of its content: a library that
    lost its end in a crash would not fail to load but kill the process. It appears in one step,
    so processes that compile at the same time do not disturb each other.
    """
    compiler = _compiler()
    flags = (*FLAGS, *(flag for flag in TUNING if _accepts(compiler, flag)))
    key = _key(compiler, flags)
    try:
        folder = cache_folder()
        for path in folder.glob(f"lstm-{key}-*.so"):
            if path.name == _name(key, path):
                return path
        folder.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(folder)
        with tempfile.TemporaryDirectory(dir=folder, prefix=BUILDING) as building:
            target = Path(building) / "lstm.so"
            _run([*compiler, *flags, f"-I{XLA_HEADERS}", str(SOURCE), "-o", str(target)])
            path = folder / _name(key, target)
            os.replace(target, path)
    except OSError as error:
        raise NativeUnavailable(f"{error.filename} cannot be used ({error.strerror})") from None
    except RuntimeError as error:  # from Path.home
        raise NativeUnavailable(f"there is no cache folder ({error})") from None
    return path


def _clear_leftovers(folder: Path) -> None:
    """Remove where processes built that were killed, known by an age that no compiler reaches."""
    for path in folder.glob(f"{BUILDING}*"):
        with contextlib.suppress(OSError):  # another process was faster
            if time.time() - path.stat().st_mtime > 2 * COMPILE_TIMEOUT:
                shutil.rmtree(path)


def _name(key: str, path: Path) -> str:
    return f"lstm-{key}-{_hash(path.read_bytes())}.so"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def _compiler() -> list[str]:
    """Return the command that compiles; $CXX may come with arguments, as in make."""
    for command in (os.environ.get("CXX", ""), *COMPILERS):
        try:
            name, *arguments = shlex.split(command) or [""]
        except ValueError:  # a quote that is not closed: no command
            continue
        if found := shutil.which(name):
            return [found, *arguments]
    raise NativeUnavailable(f"there is no C++ compiler ($CXX, {', '.join(COMPILERS)})")


def _accepts(compiler: list[str], flag: str) -> bool:
    command = [*compiler, flag, "-x", "c++", "-fsyntax-only", os.devnull]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(command: list[str]) -> str:
    try:
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMPILE_TIMEOUT,
            process_group=0,  # Ctrl-C is for us: no kernel is another matter
        )
    except subprocess.TimeoutExpired:
        raise NativeUnavailable(f"{command[0]} took over {COMPILE_TIMEOUT} seconds") from None
    if result.returncode != 0:
        problem = next(iter(result.stderr.strip().splitlines()), f"exit code {result.returncode}")
        raise NativeUnavailable(f"{command[0]} failed: {problem}")
    return result.stdout


def _key(compiler: list[str], flags: tuple[str, ...]) -> str:
    parts = (
        SOURCE.read_text(),
        HEADER.read_text(),
        *compiler,
        _run([*compiler, "--version"]),
        " ".join(flags),
        _cpu(),
        jaxlib.version.__version__,
    )
    return _hash("\0".join(parts).encode())


def _cpu() -> str:
    """Return what tells CPUs with different instructions apart."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(wanted)))
