"""What the study says of networks that observe as long as they like."""

import numpy as np
import pytest
from flax import nnx

from scripts.pages import DOCS
from scripts.study import bars, noise_report, pasts
from sinlstm_jax import SensorLSTM
from sinlstm_jax.evaluation.bands import INTERVALS
from sinlstm_jax.evaluation.baselines import zero
from sinlstm_jax.evaluation.sines import held_out_sines
from sinlstm_jax.evaluation.windows import SPOILINGS
from sinlstm_jax.signals.sines import SINES

SHAPE = (len(pasts.PASTS), len(SPOILINGS))


def test_errors_are_of_fast_and_of_slow_waves():
    waves = held_out_sines(SINES, 200)
    found = pasts.errors_after(zero, waves, 100)
    assert found.shape == (len(SPOILINGS), 2)
    # Of an answer of 0: the mean square of the waves from step 100 on, by closed form.
    step = np.arange(100, 500)[:, None] / 100
    square = np.sin(2 * np.pi * waves.frequency * (step + waves.offset)) ** 2
    slow = waves.frequency < 1
    assert 10 < slow.sum() < 190
    want = square[:, ~slow].mean(), square[:, slow].mean()
    np.testing.assert_allclose(found, np.tile(want, (len(SPOILINGS), 1)))


@pytest.mark.slow
def test_the_fit_comes_near_the_limit_where_there_is_enough_to_see():
    found = {name: np.array(each) for name, each in pasts.references(48).items()}
    shape = len(pasts.LIMIT_PASTS), len(pasts.LIMIT_NOISES), 2
    assert found["limit"].shape == found["fit"].shape == shape
    ratios = found["fit"][1:] / found["limit"][1:]  # after 200 steps and more
    assert (ratios > 0.97).all() and (ratios < 1.1).all()
    # Errors go with the noise's square, and fall with the past.
    np.testing.assert_allclose(found["limit"][2, 1] / found["limit"][2, 0], 4, rtol=0.1)
    assert (np.diff(found["limit"], axis=0) < 0).all()


@pytest.mark.slow
def test_a_network_is_measured_after_every_past():
    found = pasts.measure(SensorLSTM(3, rngs=nnx.Rngs(1)))
    assert np.shape(found["by_past"]) == (*SHAPE, 2)
    assert np.shape(found["held"]) == (*SHAPE, len(INTERVALS))
    assert np.isfinite(found["by_past"]).all() and (np.array(found["held"]) <= 1).all()


@pytest.fixture
def references():
    limit = np.full((len(pasts.LIMIT_PASTS), 2, 2), 0.01)
    limit[1, 1, 0] = 0.02
    return {"limit": limit.tolist(), "fit": (1.25 * limit).tolist()}


@pytest.fixture
def result():
    """Three seeds: at 1.1, 1.2 and 1.5 times a limit of 0.01, but for one entry, and 30 steps."""
    errors = np.ones((3, *SHAPE, 2)) * np.array([0.011, 0.012, 0.015])[:, None, None, None]
    errors[:, :, 0], errors[:, :, -1] = 0.0004, 0.002
    held = np.full((3, *SHAPE, len(INTERVALS)), 0.9)
    held[:, 1, 3, 0] = 0.85
    errors[:, 0, 3:5], held[:, 0] = 0.5, 0.6  # after 30 steps nothing is judged by a limit
    return {"iteration_steps": 38e6, "by_past": errors.tolist(), "held": held.tolist()}


def test_errors_after_noise_are_told_as_multiples_of_the_limit(result, references):
    lines = noise_report.limit_table(result, references).splitlines()
    assert lines[2] == (
        "| 100 | 0.1 | 0.01 | 1.25 | 1.20, worst 1.50 | 0.01 | 1.25 | 1.20, worst 1.50 |"
    )
    assert lines[5].startswith("| 200 | 0.2 | 0.02 | 1.25 | 0.60, worst 0.75 |")
    assert len(lines) == 2 + len(pasts.LIMIT_PASTS) * len(pasts.LIMIT_NOISES)


def test_errors_without_noise_are_told_as_they_are(result):
    lines = noise_report.gaps_table(result).splitlines()
    assert lines[0] == (
        "| steps observed | waves | clean | gaps 2% | gaps 10% | gaps 20% | gaps 50% |"
    )
    assert lines[2].startswith("| 30 | from 1 Hz up | 0.0004, worst 0.0004 | 0.012, worst 0.015 |")
    assert lines[2].endswith("| 0.002, worst 0.002 |") and len(lines) == 2 + 2 * len(pasts.PASTS)


def test_single_changes_are_told_beside_what_was_changed(result, references):
    failed = result | {"by_past": (2 * np.array(result["by_past"])).tolist()}
    failed["by_past"][0][1][3][0] = None
    lines = noise_report.changes_table({"short": result, "worse": failed}, references).splitlines()
    same = "1.20, worst 1.50"
    assert lines[2] == f"| short | 3 | {same} | {same} | {same} | {same} | 0.0004 | 0.002 |"
    assert lines[3].startswith("| worse | 3 | 3.00, worst inf | 2.40, worst 3.00 |")
    assert lines[3].endswith("| 0.0008 | 0.004 |")


def test_bands_are_told_by_their_least_and_most(result):
    lines = noise_report.bands_table(result).splitlines()
    assert lines[2].startswith("| clean | 60% to 60% | 90% to 90% |") and len(lines) == 2 + len(
        SPOILINGS
    )
    assert lines[5] == "| noise 0.1 | 60% to 60% | 85% to 90% | 90% to 90% | 90% to 90% |"


def test_every_table_has_its_place_and_words(result, references):
    shown = noise_report.sensor_tables(result, references).split("\n\n")
    assert [part[0] == "|" for part in shown] == [True, False, True, False, True, False]
    assert shown[0] == noise_report.limit_table(result, references)
    page = (DOCS / "results.md").read_text()
    assert page.count("<!-- sensor -->\n") == page.count("<!-- /sensor -->") == 1


def test_every_bar_of_a_network_for_sensors_can_be_missed(result, references):
    lines = bars.bars({"sensor": result}, references).splitlines()[2:]
    came = [line.split(" | ")[3] for line in lines]
    assert came == ["38", "1.2", "1.5", "1.2", "0.002", "0.0004", "0.05"]
    assert [line.endswith("| **missed** |") for line in lines] == [
        *(False, True, True, True, True, False, True)
    ]


def test_bars_of_noise_and_of_long_forecasts_are_judged_by_median_and_worst_seed():
    spoilt = np.zeros((3, len(SPOILINGS)))
    spoilt[:, 3], spoilt[:, 4], spoilt[:, -1] = [0.01, 0.01, 0.013], 0.04, [0, 0.003, 0.003]
    errors = np.full((3, 4), 0.0001)
    noisy = {"iteration_steps": 15e6, "errors": errors, "robustness": spoilt}
    long = {"iteration_steps": 39e6, "errors": [[0, 0, 0, 0, 0.01], [0, 0, 0, 0, None]]}
    lines = bars.bars({"noisy": noisy, "long": long}).splitlines()[2:]
    missed = [line for line in lines if line.endswith("| **missed** |")]
    assert len(lines) == 8 + 2 and [line.split(" | ")[1:4] for line in missed] == [
        ["worst of 3 seeds, noise 0.1, steps 0 to 400", "0.0125", "0.013"],
        ["median, half of the samples missing", "0.002", "0.003"],
        ["worst of 2 seeds, steps 5000 to 10000", "0.05", "inf"],
    ]


def test_bands_are_drawn(result, tmp_path):
    noise_report.plot_bands(tmp_path / "bands.png", result)
    assert (tmp_path / "bands.png").stat().st_size > 10_000
