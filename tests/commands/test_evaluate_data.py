"""`sinlstm evaluate --data`."""

import csv

import numpy as np
import pytest

from sinlstm_jax import Recipe, Recording, Stage, forecast_function, load_model, run
from sinlstm_jax.evaluation.rolling import origins_of

STEP = np.arange(600)
NOISY = 20 + 0.5 * np.sin(2 * np.pi * STEP / 40)
NOISY += 0.05 * np.random.default_rng(0).normal(size=600)


def written(path):
    path.write_text("volts\n" + "".join(f"{x:.4f}\n" for x in NOISY))


def rows(path):
    with path.open() as file:
        return {(row["forecaster"], int(row["last_step"])): row for row in csv.DictReader(file)}


def test_models_are_held_against_baselines_on_a_file(command, tmp_path):
    written(tmp_path / "log.csv")
    arguments = ("evaluate", "sensor", "tuned", "--data", "log.csv", "--out", "found")
    code, output, errors = command(*arguments, "--horizon", 50)
    assert (code, errors) == (0, "")
    for name in ("sensor", "tuned"):
        folder = tmp_path / "found" / name / "log"
        assert {p.name for p in folder.iterdir()} == {"errors.csv", "errors.png", "forecasts.png"}
    found = rows(tmp_path / "found" / "sensor" / "log" / "errors.csv")
    origins = origins_of(np.round(NOISY, 4), 480, past=100, horizon=50)
    assert f"over the first steps of {len(origins.first)} forecasts" in output
    off = origins.history[-1] - origins.truth
    row = found["last value", 10]
    assert float(row["rmse"]) == pytest.approx(np.mean(off[:10] ** 2) ** 0.5, rel=1e-6)
    yardstick = np.mean(np.abs(np.round(NOISY, 4)[40:480] - np.round(NOISY, 4)[:440]))
    assert float(row["mase"]) == pytest.approx(np.mean(np.abs(off[:10])) / yardstick, rel=1e-6)
    assert float(found["sensor", 50]["rmse"]) < 0.08 < float(found["last value", 50]["rmse"])
    # `tuned` knows waves of amplitude 1 around 0 alone: 20 V fed as they are would be lost on it.
    assert float(rows(tmp_path / "found/tuned/log/errors.csv")["tuned", 50]["rmse"]) < 0.3
    assert "lie in its bands of 90%" in output and "sensor" in output and "tuned" in output


def test_a_run_on_a_recording_brings_its_scaling_and_what_it_held_out(command, tmp_path):
    written(tmp_path / "log.csv")
    recording = Recording(1.5 * NOISY, held_out=0.3)  # not the scaling that the file would have
    recipe = Recipe("volts", "a test", (Stage(5, 30),), 10, past=8, hidden_size=4, signal=recording)
    run(recipe, 1, tmp_path / "run")
    code, output, _ = command("evaluate", "run", "--data", "log.csv", "--horizon", 10)
    assert code == 0
    origins = origins_of(np.round(NOISY, 4), 420, past=8, horizon=10)
    assert f"over the first steps of {len(origins.first)} forecasts" in output
    assert "(8 steps observed each time)" in output
    mean, scale = recording.scaling
    forecaster = forecast_function(load_model(tmp_path / "run"))
    forecast = mean + scale * np.float64(forecaster((origins.history - mean) / scale, 10))
    found = rows(tmp_path / "run" / "evaluation" / "log" / "errors.csv")["run", 10]
    mae = np.mean(np.abs(forecast - origins.truth))
    assert float(found["mae"]) == pytest.approx(mae, rel=1e-5)
    assert (tmp_path / "run" / "evaluation" / "log" / "forecasts.png").exists()
    code, _, errors = command("evaluate", "run", "--data", "log.csv", "--rate", 50)
    assert code == 2
    assert "log.csv is at 50 Hz, and the model was trained at 100 Hz: give --resample 100" in errors


def test_past_and_rate_are_as_asked_and_the_horizon_is_half_of_what_is_held_out(command, tmp_path):
    written(tmp_path / "log.csv")
    for options, past, horizon, origins in (
        (("--past", 30), 30, 60, 61),
        (("--rate", 400, "--resample", "model"), 50, 15, 16),  # 150 steps, of which 30 are held out
    ):
        line = ("evaluate", "sensor", "--data", "log.csv", "--out", "found", *options)
        code, output, _ = command(*line)
        assert code == 0 and f"({past} steps observed each time)" in output
        assert f"over the first steps of {origins} forecasts" in output
        found = rows(tmp_path / "found" / "sensor" / "log" / "errors.csv")
        assert max(last for _, last in found) == horizon
    (tmp_path / "log.csv").write_text("".join(f"{x:.4f}\n" for x in NOISY[:50]))
    code, output, _ = command("evaluate", "sensor", "--data", "log.csv", "--out", "found")
    assert code == 0 and "(20 steps observed each time)" in output  # the least that it knows


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--horizon", 500), "600 steps, of which 120 are held out, hold no forecast of 500"),
        (("--held-out", 1), "--held-out is 1.0: give a share between 0 and 1"),
        (("--horizon", 0), "--horizon is 0: give a whole number of at least 1"),
        (("--data", "nowhere.csv"), "nowhere.csv cannot be read"),
        (("--resample", "x"), "--resample is 'x': give a rate in Hz, or model"),
    ],
)
def test_bad_input_is_named(command, tmp_path, options, complaint):
    written(tmp_path / "log.csv")
    arguments = ("evaluate", "sensor", "--data", "log.csv", "--out", "found", *options)
    code, output, errors = command(*arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("error: ") and complaint in errors and errors.count("\n") == 1
    assert not (tmp_path / "found").exists()


def test_columns_are_forecast_each_by_itself(command, tmp_path):
    other = np.cos(2 * np.pi * STEP / 25)
    lines = [f"{a:.4f},{b:.4f},{b:.4f}\n" for a, b in zip(NOISY, other, strict=True)]
    (tmp_path / "log.csv").write_text("volts,a/b,a b\n" + "".join(lines))
    columns = ("--column", "volts", "--column", "a/b", "--column", "a b")
    options = ("evaluate", "sensor", "--data", "log.csv", "--horizon", 20, "--out", "all")
    code, output, errors = command(*options, *columns)
    assert (code, errors) == (0, "")
    assert [f"{name}:" in output.splitlines() for name in ("volts", "a/b", "a b")] == [True] * 3
    folder = tmp_path / "all" / "sensor" / "log"
    assert sorted(p.name for p in folder.iterdir()) == ["1-volts", "2-a_b", "3-a_b"]
    for part, values in (("1-volts", NOISY), ("2-a_b", other)):
        origins = origins_of(np.round(values, 4), 480, past=200, horizon=20)
        naive = np.mean(np.abs(origins.history[-1] - origins.truth))
        row = rows(folder / part / "errors.csv")["last value", 20]
        assert float(row["mae"]) == pytest.approx(naive, rel=1e-6)
    # One column's folder has no part for it, and its forecasts are what they are beside others.
    assert command(*options[:-1], "one", "--column", "volts")[0] == 0
    alone = rows(tmp_path / "one" / "sensor" / "log" / "errors.csv")["sensor", 20]
    beside = rows(folder / "1-volts" / "errors.csv")["sensor", 20]
    assert float(beside["mae"]) == pytest.approx(float(alone["mae"]), rel=1e-5)
