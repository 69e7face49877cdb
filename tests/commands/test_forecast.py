"""`sinlstm forecast` and `sinlstm export`."""

import csv
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import reference_lstm
from scipy.stats import norm

from sinlstm_jax import NO_INPUT, SineLSTM, load_pretrained, save_model
from sinlstm_jax.model import split_model
from sinlstm_jax.streams import csv_samples

CURRICULUM = ("--model", "curriculum")
WAVES = np.sin(2 * np.pi * np.array([1.7, 0.8]) * np.arange(160)[:, None] / 100)


def text(rows):
    return "".join(",".join("" if np.isnan(x) else str(x) for x in row) + "\n" for row in rows)


def parsed(output):
    """Return the header and the numbers of a CSV text."""
    header, *rows = csv.reader(output.splitlines())
    return header, np.array(rows, float)


def expected(inputs, steps):
    """Return what the float64 LSTM with the shipped weights forecasts after inputs."""
    inputs = np.where(np.isnan(inputs), NO_INPUT, inputs)
    inputs = np.concatenate([inputs, np.full((steps, inputs.shape[1]), NO_INPUT)])
    reference = reference_lstm.arrays(*split_model(load_pretrained("curriculum"))[1:])
    return reference_lstm.forward(reference, inputs[:, :, None])[-steps:, :, 0]


def test_standard_input_is_continued_with_a_band_in_its_units(command):
    history = 50 + 3 * WAVES[:100, :1]
    code, output, errors = command("forecast", given=text(history))
    assert (code, errors) == (0, "")
    header, rows = parsed(output)
    assert header == ["observed", "time", "value", "value_low", "value_high"]
    assert rows.shape == (400, 5)
    assert (rows[:, 0] == 100).all()
    np.testing.assert_allclose(rows[:, 1], np.arange(100, 500) / 100)
    level, scale = history.mean(), history.std()
    inputs = np.concatenate([(history - level) / scale, np.full((400, 1), NO_INPUT)])
    reference = reference_lstm.arrays(*split_model(load_pretrained())[1:])
    outputs = reference_lstm.forward(reference, inputs[:, :, None])[100:, 0]
    value, away = level + scale * outputs[:, 0], norm.ppf(0.95) * scale * np.exp(outputs[:, 1])
    np.testing.assert_allclose(rows[:, 2], value, atol=5e-4)
    np.testing.assert_allclose(rows[:, 3:], np.stack([value - away, value + away], 1), atol=6e-4)


def test_a_large_level_and_a_pause_leave_what_is_known(command):
    level, history = 123456789, 50 * np.sin(np.arange(300) / 9)
    lines = [f"{i / 100:.2f},{level + x:.3f}" for i, x in enumerate(history)]
    late = [f"{2000 + i / 100:.2f},{level + 1}" for i in range(2)]
    given = "time,a\n" + "\n".join(lines + late) + "\n"
    command_line = ("forecast", "--steps", 30, "--every", 300)
    code, output, errors = command(*command_line, given=given)
    assert code == 0 and "a has 2 samples: models are trained to forecast after 20" in errors
    rows = list(csv.reader(output.splitlines()))[1:]
    known = np.array([row[2:] for row in rows if row[0] == "300"], float)
    assert np.unique(known[:, 0]).size == 30  # float32 knows every eighth number there
    off = known[:, 0] - level - 50 * np.sin(np.arange(300, 330) / 9)
    assert np.abs(off).max() < 5 and (known[:, 2] - known[:, 1] > 0.1).all()
    # In the middle of the pause nothing is known, and nothing is written.
    assert {tuple(row[2:]) for row in rows if row[0] == "9900"} == {("", "", "")}


def test_a_model_without_a_band_has_none(command):
    output = command("forecast", *CURRICULUM, given=text(WAVES[:100, :1]))[1]
    header, rows = parsed(output)
    assert header == ["observed", "time", "value"]
    np.testing.assert_allclose(rows[:, 2:], expected(WAVES[:100, :1], 400), atol=3e-4)


def test_forecasts_come_while_samples_do_and_from_the_latest_hundred(command):
    waves = WAVES.copy()
    waves[[20, 21, 130], [0, 0, 1]] = np.nan
    times = 7 + np.arange(160)[:, None] / 100
    given = "time,left,right\n" + text(np.concatenate([times, waves], axis=1))
    code, output, errors = command(
        "forecast", *CURRICULUM, "--every", 60, "--steps", 5, given=given
    )
    assert (code, errors) == (0, "")
    header, rows = parsed(output)
    assert header == ["observed", "time", "left", "right"]
    assert rows[:, 0].tolist() == np.repeat([60, 120, 160], 5).tolist()
    for part, observed in zip(np.split(rows, 3), (60, 120, 160), strict=True):
        np.testing.assert_allclose(part[:, 1], 7 + (observed + np.arange(5)) / 100)
        history = waves[max(0, observed - 100) : observed]
        np.testing.assert_allclose(part[:, 2:], expected(history, 5), atol=1e-5)


def test_a_forecast_at_the_very_end_is_not_repeated(command):
    output = command("forecast", "--every", 50, "--steps", 1, given=text(WAVES[:100]))[1]
    assert parsed(output)[1][:, 0].tolist() == [50, 100]


def test_all_samples_count_with_a_window_of_all(command):
    output = command("forecast", *CURRICULUM, "--steps", 9, "--window", 160, given=text(WAVES))[1]
    np.testing.assert_allclose(parsed(output)[1][:, 2:], expected(WAVES, 9), atol=1e-5)


def test_files_in_and_out_and_a_picture_by_a_run(command, tmp_path):
    save_model(load_pretrained("curriculum"), tmp_path / "run")
    (tmp_path / "samples.csv").write_text(text(WAVES))
    arguments = (
        "forecast",
        "samples.csv",
        "--column",
        "value_1",
        "--column",
        "value_2",
        "--model",
        "run",
        "--out",
        "new/a.csv",
        "--picture",
        "new/a.png",
    )
    code, output, errors = command(*arguments)
    assert (code, output) == (0, "")
    told, first, second = errors.splitlines()
    assert told == "samples.csv: value_1, value_2, no times; 160 steps at 100 Hz"
    assert first.startswith("value_1: over the last 160 steps, level ")
    assert first.endswith("a period of 58.9 steps (0.589 s)") and "period" not in second
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"a.csv", "a.png"}
    header, rows = parsed((tmp_path / "new" / "a.csv").read_text())
    assert header == ["observed", "time", "value_1", "value_2"]
    np.testing.assert_allclose(rows[:, 2:], expected(WAVES[-100:], 400), atol=3e-4)
    code, _, errors = command(*arguments)
    assert (code, errors) == (2, "error: new/a.csv exists: give a name that does not\n")


def test_a_loggers_file_is_continued_in_its_units_at_its_rate(command, tmp_path):
    step = np.arange(400)
    noise = 0.05 * np.random.default_rng(0).standard_normal(400)  # bands are for samples with some
    wave = 20 + 0.5 * np.sin(2 * np.pi * step / 60) + noise
    moments = [f"2024-03-01 {i // 60:02}:{i % 60:02}" for i in step]
    rows = zip(moments, wave, step, strict=True)
    lines = [f"{t};{x:.5f}".replace(".", ",") for t, x, i in rows if not 150 <= i < 170]
    (tmp_path / "log.csv").write_text("\n".join(["Zeit;Temperatur", *lines]))
    arguments = ("forecast", "log.csv", "--steps", 90, "--picture", "log.png")
    code, output, errors = command(*arguments)
    assert code == 0
    header, *answers = csv.reader(output.splitlines())
    assert header == ["observed", "time", "Temperatur", "Temperatur_low", "Temperatur_high"]
    assert [row[1] for row in answers[:2]] == ["2024-03-01T06:40:00", "2024-03-01T06:41:00"]
    values = np.array([row[2:] for row in answers], float)
    truth = 20 + 0.5 * np.sin(2 * np.pi * np.arange(400, 490) / 60)
    np.testing.assert_allclose(values[:, 0], truth, atol=0.05)
    assert np.mean((values[:, 1] <= truth) & (truth <= values[:, 2])) > 0.9
    told = errors.splitlines()
    assert told[0] == (
        "log.csv: Temperatur, times from Zeit; 400 steps at one every 60 s; 1 gap in time, the "
        "longest of 21 min"
    )
    assert told[2] == "the model knows periods of 25 to 200 steps, here of 25 min to 3.33 h"
    assert len(told) == 3
    assert (tmp_path / "log.png").exists()


def test_a_wave_in_volts_is_scaled_for_a_model_of_waves_of_one(command, tmp_path):
    (tmp_path / "v.csv").write_text("volts\n" + text(2.5 + 1.8 * WAVES[:100, :1]))
    options = ("forecast", "v.csv", *CURRICULUM, "--steps", 50)
    errors = {}
    for scale in ("run", "auto", "none"):
        code, output, told = command(*options, "--scale", scale)
        assert code == 0
        left = parsed(output)[1][:, 2] - (2.5 + 1.8 * WAVES[100:150, 0])
        errors[scale] = np.sqrt(np.mean(left**2)) / 1.8
        assert ("so give --scale auto" in told) == (scale != "auto")
    plain = parsed(command("forecast", *CURRICULUM, "--steps", 50, given=text(WAVES[:100, :1]))[1])
    own = np.sqrt(np.mean((plain[1][:, 2] - WAVES[100:150, 0]) ** 2))
    assert errors["auto"] == pytest.approx(own, rel=0.05)
    assert errors["run"] == errors["none"] > 10 * own


def test_a_file_is_brought_to_the_models_rate_and_forecast_on_the_way(command, tmp_path):
    times = np.arange(1500) / 400
    wave = np.sin(2 * np.pi * 0.9 * times)
    (tmp_path / "fast.csv").write_text("t,a\n" + text(np.stack([times, wave], axis=1)))
    output, errors = command("forecast", "fast.csv", "--steps", 100)[1:]
    assert "a has a frequency of about 0.9 Hz, 444 steps a period" in errors
    output, errors = command(
        "forecast", "fast.csv", "--steps", 100, "--resample", "model", "--every", 300
    )[1:]
    assert "resampled from 400 Hz to 100 Hz" in errors and "warning" not in errors
    rows = parsed(output)[1]
    assert sorted(set(rows[:, 0])) == [300, 375]
    np.testing.assert_allclose(rows[:, 2], np.sin(2 * np.pi * 0.9 * rows[:, 1]), atol=0.1)
    at_last = parsed(command("forecast", "fast.csv", "--steps", 100, "--resample", 100)[1])[1]
    np.testing.assert_allclose(at_last[:, :3], rows[100:, :3], atol=2e-3)


def test_a_column_that_ended_long_ago_is_named(command, tmp_path):
    (tmp_path / "log.csv").write_text("time,a,b\n" + "".join(f"{i},{i % 7},\n" for i in range(50)))
    code, output, errors = command("forecast", "log.csv", "--column", "a", "--column", "b")
    assert (code, output) == (2, "")
    assert "the last 50 samples of b are all missing: give another --column" in errors


def test_a_picture_of_times_of_day_goes_on_over_midnight(command, tmp_path, monkeypatch):
    drawn = Mock()
    monkeypatch.setattr("sinlstm_jax.plots.plot_streams", drawn)
    minutes = 23 * 60 + np.arange(400)
    lines = [f"{m // 60 % 24:02}:{m % 60:02}:00,{np.sin(m / 9):.4f}" for m in minutes]
    (tmp_path / "log.csv").write_text("\n".join(["Uhrzeit,a", *lines]))
    code, _, errors = command("forecast", "log.csv", "--steps", 20, "--picture", "x.png")
    assert code == 0 and "Traceback" not in errors
    ((_, streams, _), _) = drawn.call_args
    np.testing.assert_allclose(np.diff(streams.times), 60)
    assert streams.observed.shape[0] + 20 == len(streams.times)


def test_names_in_a_picture_are_no_formulas(command, tmp_path):
    given = "$x_$\n" + text(WAVES[:, :1])
    assert command("forecast", "--picture", "a.png", "--steps", 1, given=given)[::2] == (0, "")
    assert (tmp_path / "a.png").exists()


def test_what_the_model_was_not_trained_on_is_said(command):
    given = text(8 * WAVES[:50, :1])
    assert command("forecast", "--steps", 1, given=given)[2] == ""
    code, output, errors = command("forecast", *CURRICULUM, "--steps", 1, given=given)
    assert code == 0 and len(output.splitlines()) == 2
    first, second, third = errors.splitlines()
    assert first.startswith("warning: standard input, line 3 holds 1.69")
    assert second.startswith("warning: value has 50 samples: models are trained to forecast after")
    assert third.startswith("warning: value has an amplitude of about 8:")
    code, output, errors = command("forecast", "--steps", 1601, given=given)
    assert code == 0 and len(output.splitlines()) == 1602
    assert errors.startswith("warning: 1601 steps go far beyond the 400 that the model is trained")


@pytest.mark.parametrize(
    ("arguments", "given", "complaint"),
    [
        (["--steps", "0"], "0\n", "--steps is 0: give"),
        (["--steps", "1000001"], "0\n", "--steps is 1000001: give at most 1000000"),
        (["--every", "-1"], "0\n", "--every is -1: give"),
        (["--window", "0"], "0\n", "--window is 0: give"),
        (["--model", "nowhere"], "0\n", "nowhere does not exist: give a run's folder"),
        (["nowhere.csv"], "", "nowhere.csv cannot be read (No such file or directory)"),
        (["latin1.csv"], "", "latin1.csv has no column of numbers (there is"),
        (["--resample", "50"], "0\n", "--resample takes a file, not standard input: give one"),
        (
            ["fine.csv", "--resample", "fast"],
            "",
            "--resample is 'fast': give a rate in Hz, or model",
        ),
        (["fine.csv", "--resample", "0"], "", "--resample is 0.0: give a finite number above 0"),
        (["--out", "new/x", "--picture", "new/x"], "0\n", "--out and --picture are both new/x"),
        (["--picture", "file/x.png"], "0\n", "file cannot be made (File exists)"),
        ([], "", "standard input is empty: give samples"),
        ([], "time,a\n", "there is a header, but no samples"),
        (["--out", "x.csv"], "0.5\n1\nx\n", "standard input, line 3: value is 'x'"),
        ([], "time,a\n0,0\n0.02,1\n", "the rate is taken to be 100 Hz, so give --rate 50"),
    ],
)
def test_bad_input_leaves_nothing(command, tmp_path, arguments, given, complaint):
    (tmp_path / "file").write_text("")
    (tmp_path / "latin1.csv").write_bytes("a\n\xe4\n".encode("latin1"))
    (tmp_path / "fine.csv").write_text("a\n1\n2\n")
    code, _, errors = command("forecast", *arguments, given=given)
    assert code == 2
    assert errors.startswith("error: ") and complaint in errors
    assert errors.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"file", "latin1.csv", "fine.csv"}


def test_folders_that_cannot_be_written_to_are_named_first(command, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # as for whoever is not root
    code, _, errors = command("forecast", "--picture", "x.png", given="0\n")
    message = f"error: {tmp_path} cannot be written to: give x.png another folder\n"
    assert (code, errors) == (2, message)


def test_a_live_stream_is_answered_line_by_line():
    script = [Path(sys.executable).with_name("sinlstm"), "forecast", *CURRICULUM]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(
        [*script, "--every", "1", "--steps", "1"], text=True, bufsize=1, **pipes
    ) as process:
        answers = []
        for i in range(3):
            process.stdin.write(f"{WAVES[i, 0]}\n")
            if i == 0:
                assert process.stdout.readline() == "observed,time,value\n"
            answers.append(float(process.stdout.readline().split(",")[2]))
        # Who reads goes away: no traceback.
        process.stdout.close()
        process.stdin.write("0.5\n0.5\n")
        process.stdin.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, "")
    want = [expected(WAVES[: i + 1, :1], 1)[0, 0] for i in range(3)]
    np.testing.assert_allclose(answers, want, atol=1e-5)


def test_ctrl_c_ends_a_stream_quietly(command, monkeypatch):
    monkeypatch.setattr(csv_samples, "read_samples", Mock(side_effect=KeyboardInterrupt))
    assert command("forecast") == (130, "", "interrupted\n")


def test_export_makes_a_folder_once(command, tmp_path):
    save_model(SineLSTM(3), tmp_path / "run")
    assert command("export", "run", "out") == (0, "out: 3 hidden units, from run\n", "")
    files = {"rollout.bin", "step.bin", "signatures.json", "weights.safetensors", "example.py"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == files
    for arguments, complaint in (
        (("run", "out"), "out exists: give a name that does not"),
        (("nowhere", "other"), "nowhere does not exist: give a run's folder"),
        (("curriculum", "run/checkpoints"), "run/checkpoints exists"),
    ):
        code, output, errors = command("export", *arguments)
        assert (code, output) == (2, "")
        assert errors.startswith("error: ") and complaint in errors
    assert {path.name for path in tmp_path.iterdir()} == {"run", "out"}


@pytest.mark.parametrize("given", ["1\n2\nx\n", "a,b\n", "a,b\n1,2\n1\n"])
def test_an_error_before_the_first_forecast_leaves_no_header(command, given):
    code, output, errors = command("forecast", given=given)
    assert (code, output) == (2, "") and errors.startswith("error: ")
