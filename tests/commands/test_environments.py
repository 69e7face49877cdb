"""Commands in the environments that users have: the right forecast, or one line that says why not.

Docs/reliability.md lists what is tried.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import reference_lstm
from reliability_page import page_rows

from sinlstm_jax import NO_INPUT, load_pretrained
from sinlstm_jax.model import split_model

SAMPLES = np.round(np.sin(2 * np.pi * 1.7 * np.arange(120) / 100), 4)
STEPS = 3
FORECAST = f"sinlstm forecast s.csv --steps {STEPS}"
STRANGER = "setpriv --reuid 12345 --clear-groups"
UNDERSTOOD = r"\.csv: .*, no times; 120 steps at 100 Hz$|: over the last 120 steps, level 0.001411,"
RIGHT = "the right forecast"
SCAN = "the right forecast, by the scan, with a warning"
PICTURE = "the right forecast, and the picture"
# A name, what is typed in a folder with s.csv, and what comes of it: one of the three above, or an
# exit code and what the one line on standard error (or, with code 0, the output) contains.
ENVIRONMENTS = {
    # Matplotlib's
    "`MPLBACKEND` of a notebook": (
        f"MPLBACKEND=module://matplotlib_inline.backend_inline {FORECAST}",
        RIGHT,
    ),
    "`MPLBACKEND` of a notebook, a picture": (
        f"MPLBACKEND=module://matplotlib_inline.backend_inline {FORECAST} --picture p.png",
        PICTURE,
    ),
    "`MPLBACKEND` that is none, a picture": (
        f"MPLBACKEND=bogus {FORECAST} --picture p.png",
        PICTURE,
    ),
    "`MPLBACKEND` that is none, `--list-recipes`": (
        "MPLBACKEND=bogus sinlstm curriculum --list-recipes",
        (0, "short-window:"),
    ),
    "`MPLBACKEND` that is none, the import": (
        "MPLBACKEND=bogus python -c 'import sinlstm_jax; print(sinlstm_jax.NO_INPUT)'",
        (0, "-2"),
    ),
    "a matplotlibrc with LaTeX and a window's backend": (
        "printf 'text.usetex: True\\nbackend: TkAgg\\n' > matplotlibrc; "
        f"{FORECAST} --picture p.png",
        PICTURE,
    ),
    "a matplotlibrc with other sizes": (
        "printf 'figure.dpi: 300\\nsavefig.dpi: 20\\nsavefig.bbox: tight\\n' > matplotlibrc; "
        f"{FORECAST} --picture p.png",
        PICTURE,
    ),
    "`MATPLOTLIBRC` that is not there": (
        f"MATPLOTLIBRC=/nowhere {FORECAST} --picture p.png",
        PICTURE,
    ),
    # JAX's
    "`JAX_PLATFORMS=cpu`": (f"JAX_PLATFORMS=cpu {FORECAST}", RIGHT),
    "`JAX_PLATFORMS` empty": (f"JAX_PLATFORMS= {FORECAST}", RIGHT),
    "`JAX_PLATFORMS` of a GPU that is not there": (
        f"JAX_PLATFORMS=cuda {FORECAST}",
        (2, "JAX_PLATFORMS"),
    ),
    "`JAX_PLATFORMS` that is none": (f"JAX_PLATFORMS=bogus {FORECAST}", (2, "JAX_PLATFORMS")),
    "`JAX_PLATFORMS` that is none, `--device cpu`": (
        f"JAX_PLATFORMS=bogus {FORECAST} --device cpu",
        (2, "JAX_PLATFORMS"),
    ),
    "`JAX_PLATFORMS` that is none, training": (
        "JAX_PLATFORMS=bogus sinlstm curriculum --recipe smoke --out r",
        (2, "JAX_PLATFORMS"),
    ),
    "`JAX_PLATFORMS` that is none, `evaluate`": (
        "JAX_PLATFORMS=bogus sinlstm evaluate curriculum --out r",
        (2, "JAX_PLATFORMS"),
    ),
    "`JAX_PLATFORMS` that is none, `convert`": (
        "JAX_PLATFORMS=bogus sinlstm convert curriculum m.safetensors",
        (2, "JAX_PLATFORMS"),
    ),
    "`JAX_PLATFORMS` that is none, `export`": (
        "JAX_PLATFORMS=bogus sinlstm export curriculum x",
        (2, "JAX_PLATFORMS"),
    ),
    "`JAX_PLATFORMS` that is none, `playground`": (
        "JAX_PLATFORMS=bogus sinlstm playground curriculum --out p.html",
        (2, "JAX_PLATFORMS"),
    ),
    "`JAX_PLATFORMS` that is none, `--help`": (
        "JAX_PLATFORMS=bogus sinlstm forecast --help",
        (0, "--window"),
    ),
    "`--device gpu` without a GPU": (f"{FORECAST} --device gpu", (2, "JAX finds only 'cpu'")),
    "`JAX_DISABLE_JIT=1`": (f"JAX_DISABLE_JIT=1 {FORECAST}", RIGHT),
    "`JAX_DEBUG_NANS=1`": (f"JAX_DEBUG_NANS=1 {FORECAST}", RIGHT),
    "`JAX_DEBUG_NANS=1`, training": (
        "JAX_DEBUG_NANS=1 sinlstm curriculum --recipe smoke --out r",
        (0, "metrics.csv and run.json are in r"),
    ),
    "`JAX_ENABLE_X64=1`": (f"JAX_ENABLE_X64=1 {FORECAST}", RIGHT),
    "`JAX_ENABLE_X64` that is neither": (f"JAX_ENABLE_X64=maybe {FORECAST}", (2, "JAX_ENABLE_X64")),
    "`JAX_NUMPY_RANK_PROMOTION=raise`": (f"JAX_NUMPY_RANK_PROMOTION=raise {FORECAST}", RIGHT),
    "`JAX_NUMPY_DTYPE_PROMOTION=strict`": (f"JAX_NUMPY_DTYPE_PROMOTION=strict {FORECAST}", RIGHT),
    "`JAX_COMPILATION_CACHE_DIR`": (
        f"JAX_COMPILATION_CACHE_DIR=$PWD/jc XDG_CACHE_HOME=$PWD/x {FORECAST}; "
        'test -n "$(ls jc)" -a ! -e x/sinlstm_jax/xla',
        RIGHT,
    ),
    "`JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS`": (
        f"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=99 XDG_CACHE_HOME=$PWD/x {FORECAST}; "
        'test -z "$(ls x/sinlstm_jax/xla)"',
        RIGHT,
    ),
    "`JAX_ENABLE_COMPILATION_CACHE=0`": (
        f"JAX_ENABLE_COMPILATION_CACHE=0 XDG_CACHE_HOME=$PWD/x {FORECAST}; "
        'test -z "$(ls x/sinlstm_jax/xla)"',
        RIGHT,
    ),
    # The compiler's
    "`CXX` with a quote that does not end": (f"CXX='g++ \"-O2' {FORECAST}", RIGHT),
    "`CXX` that is no program": (f"CXX=nothing-here {FORECAST}", RIGHT),
    "`CXX` empty": (f"CXX= {FORECAST}", RIGHT),
    "no compiler": (f"CXX= XDG_CACHE_HOME=$PWD/x PATH=$BIN $BIN/{FORECAST}", SCAN),
    # Standard input, output and errors
    "standard input closed": (f"sinlstm forecast --steps {STEPS} <&-", (2, "standard input")),
    "standard input closed, a file given": (f"{FORECAST} <&-", RIGHT),
    "standard output closed": (f"{FORECAST} >&-", (2, "standard output")),
    "standard output closed, a file given": (f"{FORECAST} --out f.csv >&-; cat f.csv", RIGHT),
    "standard error closed": (f"{FORECAST} 2>&-", RIGHT),
    "all three closed": (f"{FORECAST} --out f.csv <&- >&- 2>&-; cat f.csv", RIGHT),
    "a full disk behind standard output": (f"{FORECAST} > /dev/full", (4, "No space left")),
    "a reader that goes away": (
        "sinlstm forecast s.csv --steps 50000 | head -1; test ${PIPESTATUS[0]} = 1",
        (0, "observed,time,value"),
    ),
    "standard input from a pipe": (f"cat s.csv | sinlstm forecast --steps {STEPS}", RIGHT),
    "samples from a pipe with a name": (
        f"mkfifo f; cat s.csv > f & sinlstm forecast f --steps {STEPS}",
        RIGHT,
    ),
    # The user and the machine
    "no `HOME`": (f"env -u HOME {FORECAST}", RIGHT),
    "`HOME` that is not there": (f"HOME=/nowhere {FORECAST}", RIGHT),
    "`XDG_CACHE_HOME` that is a file": (f"touch x; XDG_CACHE_HOME=$PWD/x {FORECAST}", SCAN),
    "a user without name and rights": (
        f"cat s.csv | {STRANGER} sinlstm forecast --steps {STEPS}",
        SCAN,
    ),
    "one core": (f"taskset -c 0 {FORECAST}", RIGHT),
    "64 open files": (f"ulimit -n 64; {FORECAST}", RIGHT),
    "a umask that hides files": (
        f"umask 077; {FORECAST} --out f.csv; test $(stat -c %a f.csv) = 600; cat f.csv",
        RIGHT,
    ),
    "a time zone": (f"TZ=Asia/Kathmandu {FORECAST}", RIGHT),
    # Locales, terminals, Python
    "`LC_ALL=C`": (f"LC_ALL=C {FORECAST}", RIGHT),
    "`LC_ALL=C`, names that are not ASCII": (
        f"(echo Füße; cat s.csv) > ü.csv; LC_ALL=C sinlstm forecast ü.csv --steps {STEPS}",
        RIGHT,
    ),
    "`PYTHONIOENCODING=ascii`, names that are not ASCII": (
        f"(echo Füße; cat s.csv) > ü.csv; "
        f"PYTHONIOENCODING=ascii sinlstm forecast ü.csv --steps {STEPS}",
        RIGHT,
    ),
    "`PYTHONIOENCODING=ascii`, an error about such a file": (
        "PYTHONIOENCODING=ascii sinlstm forecast ü.csv",
        (2, ".csv"),
    ),
    "a locale that is not there": (f"LANG=xx_YY.UTF-8 {FORECAST}", RIGHT),
    "`TERM=dumb`, one column": (f"TERM=dumb COLUMNS=1 {FORECAST}", RIGHT),
    "no `TERM`, `NO_COLOR`": (f"env -u TERM NO_COLOR=1 {FORECAST}", RIGHT),
    "`FORCE_COLOR`": (f"FORCE_COLOR=1 {FORECAST}", RIGHT),
    "`PYTHONOPTIMIZE=2`": (f"PYTHONOPTIMIZE=2 {FORECAST}", RIGHT),
    "`PYTHONWARNINGS=error`": (f"PYTHONWARNINGS=error {FORECAST}", RIGHT),
    "`PYTHONUTF8=0`": (f"PYTHONUTF8=0 {FORECAST}", RIGHT),
    # Folders
    "a folder with spaces, quotes and umlauts": (
        f'mkdir "a ü\'b"; cp s.csv "a ü\'b"; cd "a ü\'b"; {FORECAST}',
        RIGHT,
    ),
    "a folder with a numpy.py and a signals.py": (
        f"echo 1/0 | tee numpy.py > signals.py; {FORECAST}",
        RIGHT,
    ),
    "a folder that was deleted": (
        f"mkdir d; cd d; rmdir ../d; sinlstm forecast ../s.csv --steps {STEPS}",
        RIGHT,
    ),
    "a folder that was deleted, training": (
        "mkdir d; cd d; rmdir ../d; sinlstm curriculum --recipe smoke",
        (2, "runs/smoke-4112 cannot be written"),
    ),
    "`TMPDIR` that is not there": (f"TMPDIR=/nowhere {FORECAST}", RIGHT),
    "a link in place of the file": (f"mv s.csv t.csv; ln -s t.csv s.csv; {FORECAST}", RIGHT),
    "a link to nothing": (f"rm s.csv; ln -s nothing s.csv; {FORECAST}", (2, "s.csv")),
}


def in_words(outcome):
    """Return what the page says of an outcome."""
    if isinstance(outcome, str):
        return outcome
    return f"one line, exit code {outcome[0]}" if outcome[0] else "as ever"


def test_the_page_lists_the_environments():
    assert page_rows("Environments") == {k: in_words(v[1]) for k, v in ENVIRONMENTS.items()}


@pytest.fixture(scope="module")
def expected():
    """What PyTorch's equations in float64 forecast from the samples, measured by themselves."""
    p = reference_lstm.arrays(*split_model(load_pretrained())[1:])
    level, scale = SAMPLES.mean(), SAMPLES.std()
    inputs = np.full((SAMPLES.size + STEPS, 1, 1), float(NO_INPUT))
    inputs[: SAMPLES.size, 0, 0] = (SAMPLES - level) / scale
    return level + scale * reference_lstm.forward(p, inputs)[-STEPS:, 0, 0]


def forecasts(output):
    """Return the numbers in the column after the time's, without the line of names."""
    return [float(line.split(",")[2]) for line in output.splitlines()[1:]]


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environments(environment, tmp_path, expected):
    shell, outcome = ENVIRONMENTS[environment]
    if STRANGER in shell and subprocess.run([*STRANGER.split(), "true"]).returncode:
        pytest.skip("needs the right to act for another user")
    np.savetxt(tmp_path / "s.csv", SAMPLES, "%.4f")
    binaries = Path(sys.executable).parent
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "PYTHON"))}
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=tmp_path,
        env=inherited | {"BIN": str(binaries), "PATH": f"{binaries}:{os.environ['PATH']}"},
        text=True,
        capture_output=True,
    )
    said = [line for line in done.stderr.splitlines() if not re.search(UNDERSTOOD, line)]
    if outcome in (RIGHT, SCAN, PICTURE):
        assert (done.returncode, len(said)) == (0, int(outcome == SCAN)), done.stderr
        np.testing.assert_allclose(forecasts(done.stdout), expected, atol=2e-5)
        if outcome == SCAN:
            assert said[0].startswith("warning: ")
        if outcome == PICTURE:
            png = (tmp_path / "p.png").read_bytes()
            size = [int.from_bytes(png[k : k + 4]) for k in (16, 20)]
            assert png[:8] == b"\x89PNG\r\n\x1a\n" and size == [850, 352]
        return
    code, words = outcome
    assert done.returncode == code, done.stderr
    assert len(said) == (code != 0), done.stderr
    assert words in (done.stderr if code else done.stdout)
