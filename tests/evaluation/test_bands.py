import csv
import io
from statistics import NormalDist

import numpy as np
import pytest
from rich.console import Console

from sinlstm_jax import SensorLSTM
from sinlstm_jax.evaluation.bands import SHARES, held_by_bands, in_spreads, shares_held
from sinlstm_jax.evaluation.baselines import last_value
from sinlstm_jax.evaluation.csv_files import write_csv
from sinlstm_jax.evaluation.plots import plot_evaluation
from sinlstm_jax.evaluation.report import Comparison, report, trial
from sinlstm_jax.evaluation.tables import tables
from sinlstm_jax.evaluation.windows import SPOILINGS
from sinlstm_jax.signals.signal import HeldOut
from sinlstm_jax.signals.sines import SINES

RNG = np.random.default_rng(3)
MODEL = SensorLSTM(3)
PAST, WAVES = 20, 400


def test_bands_of_normal_errors_hold_the_shares_they_are_named_after():
    off = np.abs(RNG.standard_normal((300, 2000)))
    off[100:150, :1000] = np.nan  # not known
    held = shares_held(off, MODEL, ((0, 100), (100, 300)))
    np.testing.assert_allclose(held, np.tile(SHARES, (2, 1)), atol=5 * 0.5 / 200_000**0.5)
    # No spread around what is off holds nothing; where nothing is known, nothing counts.
    few = shares_held(np.array([[0.5, np.inf, np.nan, 0.6]]), MODEL, ((0, 1),))
    np.testing.assert_allclose(few[0, -1], 2 / 3)
    # Of twice the spread that is told, less: P(|z| < reach / 2).
    normal = NormalDist()
    less = [2 * normal.cdf(normal.inv_cdf((1 + share) / 2) / 2) - 1 for share in SHARES]
    np.testing.assert_allclose(shares_held(2 * off, MODEL, ((0, 100),))[0], less, atol=0.006)


def test_errors_are_told_in_spreads_where_there_are_some():
    error, spread = np.array([1.0, -2, 0, 3, np.nan, 1]), np.array([2.0, 4, 0, 0, 1, np.nan])
    np.testing.assert_array_equal(in_spreads(error, spread), [0.5, 0.5, 0, np.inf, np.nan, np.nan])


def test_the_last_interval_ends_where_the_forecast_does(monkeypatch):
    values = RNG.standard_normal((PAST + 250, 50))
    off = RNG.standard_normal((PAST + 250, 50, 1))

    def rollout_with_spread(model, history, horizon):
        steps = PAST + horizon
        return values[:steps, :, None] + off[:steps], np.ones((steps, 50, 1))

    monkeypatch.setattr("sinlstm_jax.evaluation.bands.rollout_with_spread", rollout_with_spread)
    for steps, ends in ((50, (50,)), (100, (100,)), (250, (100, 200, 250))):
        bands = held_by_bands(MODEL, HeldOut(values[: PAST + steps], np.ones(50)), PAST)
        assert bands.intervals == tuple(zip((0, 100, 200), ends, strict=False))
        first, last = bands.intervals[-1]
        inside = np.abs(off[PAST + first : PAST + last]) <= NormalDist().inv_cdf(0.95)
        assert bands.held[0, -1, SHARES.index(0.9)] == pytest.approx(inside.mean())


@pytest.fixture
def told(monkeypatch):
    """Have every model be off by normal errors, of twice the spread that it tells after noise."""
    windows = HeldOut(RNG.standard_normal((PAST + 400, WAVES)), np.full(WAVES, 3.0))
    seen = []

    def rollout_with_spread(model, history, horizon):
        seen.append(history)
        spread = 0.1 + RNG.random((PAST + horizon, WAVES, 1))
        factor = 2 if len(seen) in (2, 3, 4, 5) else 1  # the noise in SPOILINGS
        off = factor * spread * RNG.standard_normal(spread.shape)
        return windows.values[:, :, None] + off, spread

    monkeypatch.setattr("sinlstm_jax.evaluation.bands.rollout_with_spread", rollout_with_spread)
    return held_by_bands(MODEL, windows, PAST), seen, windows


def test_bands_are_measured_after_noise_and_gaps_against_what_truly_comes(told):
    bands, seen, windows = told
    assert bands.held.shape == (len(SPOILINGS), len(bands.intervals), len(SHARES))
    for spoiling, history in zip(SPOILINGS, seen, strict=True):
        missing = np.isnan(history)
        assert abs(missing.mean() - spoiling.missing) < 0.03
        noise = (history - windows.values[:PAST])[~missing].std()
        assert noise == pytest.approx(3 * spoiling.noise, rel=0.05)
    normal = NormalDist()
    held = bands.over_all_steps[:, SHARES.index(0.9)]
    half = 2 * normal.cdf(normal.inv_cdf(0.95) / 2) - 1
    expected = [half if spoiling.noise else 0.9 for spoiling in SPOILINGS]
    np.testing.assert_allclose(held, expected, atol=0.01)


def test_what_bands_hold_is_told_in_a_table_a_file_and_a_picture(told, tmp_path, monkeypatch):
    bands = told[0]
    tried = trial(SINES, 400, PAST)
    values, amplitude = tried.held_out
    tried = tried._replace(waves=None, held_out=HeldOut(values[:, :9], amplitude[:9]))
    compared = Comparison(tried, {"mine": report(last_value, tried)}, {}, {}, {"mine": bands})
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(tables(compared)[-1])
    text = console.export_text()
    assert "bands of 90 % hold" in text
    (row,) = (line for line in text.splitlines() if line.startswith("mine, 200-400"))
    told_shares = [f"{100 * held:.0f}" for held in bands.held[:, 2, SHARES.index(0.9)]]
    assert row.split()[2:] == told_shares and told_shares[0] in ("89", "90", "91")
    write_csv(tmp_path, "mine", compared)
    with (tmp_path / "bands.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == bands.held.size
    (row,) = (
        row
        for row in rows
        if (row["noise"], row["first_step"], row["band"]) == ("0.1", "100", "0.5")
    )
    assert float(row["held"]) == pytest.approx(bands.held[3, 1, SHARES.index(0.5)], rel=1e-5)
    drawn = {}
    monkeypatch.setattr(
        "sinlstm_jax.evaluation.plots.save_figure",
        lambda figure, path: drawn.update({path.name: figure.axes}),
    )
    plot_evaluation(tmp_path, "mine", compared)
    noise, missing = drawn["reliability.png"]
    lines = {line.get_label(): line.get_xydata() for line in noise.lines}
    np.testing.assert_allclose(lines["0.1"][:, 0], 100 * np.array(SHARES))
    np.testing.assert_allclose(lines["0.1"][:, 1], 100 * bands.over_all_steps[3])
    assert [line.get_label() for line in missing.lines] == [
        "as they should",
        *"0% 2% 10% 20% 50%".split(),
    ]
