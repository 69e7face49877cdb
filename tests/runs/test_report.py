import io

import numpy as np
import pytest
from rich.console import Console

from sinlstm_jax import RECIPES
from sinlstm_jax.recipes import TUTORIAL_FIGURES
from sinlstm_jax.runs.record import ReplicateFigures, RunRecord, StageFigures
from sinlstm_jax.runs.report import closing_table, last_line, loss_lines, losses_table

ERRORS = {"horizon": 0.0123, "0-400": 0.0234, "400-900": 0.9876, "900-1500": 0.00012}


def stage(losses, averaged_over=400, seed=1, **errors):
    """Figures of a stage whose replicates have these average losses, None where one failed."""
    replicates = [
        ReplicateFigures(
            seed=seed + k,
            final_loss=None if loss is None else 2 * loss,
            average_loss=loss,
            rollout_errors=errors or dict.fromkeys(ERRORS, loss),
            failed_at=7 if loss is None else None,
            undone=False,
        )
        for k, loss in enumerate(losses)
    ]
    return StageFigures(1, 400, 20000, 12345.6, "scan", averaged_over, "checkpoints/1", replicates)


def record(name, figures, **changes):
    """Return a run's record with figures for its stages."""
    seeds = [each.seed for each in figures[0].replicates]
    known = RunRecord.new(RECIPES[name], seeds, device="cpu", implementation="scan").to_json()
    return RunRecord(**(known | changes | {"figures": figures}))


def printed(table):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_the_closing_table_fits_a_terminal_and_shows_the_tutorials_figures():
    text = printed(closing_table(record("curriculum", [stage([0.0456], **ERRORS)] * 4)))
    assert "…" not in text
    assert "0.0912" in text and "0.0456" in text
    for rollout_error in ("0.0123", "0.0234", "0.9876", "1.2e-04"):
        assert text.count(rollout_error) == 4
    for figures in TUTORIAL_FIGURES["curriculum"]:
        for figure in figures:
            assert f"{figure:.4f}" in text


def test_the_closing_table_of_replicates_fits_a_terminal_and_names_those_that_failed():
    figures = [
        stage([0.02, 0.0005, 0.03, 0.1, 0.09], seed=30),
        stage([0.2, None, 0.31, 0.7, None], seed=30),
    ]
    text = printed(closing_table(record("curriculum", 2 * figures)))
    assert "…" not in text and "curriculum, seeds 30 to 34" in text
    for spread in ("0.0300", "5.0e-04 to 0.1000", "0.3100", "0.2000 to 0.7000"):
        assert text.count(spread) >= 2
    assert text.count("none") == text.count("2 of 5") == 2
    assert "31, 34" in text


@pytest.mark.parametrize(
    "averaged_over, changes, columns",
    [(200, {}, 7), (50, {}, 5), (200, {"hidden_size": 8}, 5), (200, {"batch_size": 100}, 5)],
)
def test_figures_of_other_sizes_stand_alone(averaged_over, changes, columns):
    table = losses_table(record("short-window", [stage([0.5], averaged_over)], **changes))
    assert len(table.columns) == columns


@pytest.mark.parametrize("second, header", [(150, "average\nof 150"), (100, "average\nloss")])
def test_averages_over_different_numbers_are_not_headed_by_one(second, header):
    table = losses_table(record("smoke", [stage([0.5], 150), stage([0.5], second)]))
    assert table.columns[-1].header == header


def test_loss_lines_are_the_tutorials():
    losses = np.arange(1.0, 8.0)[None]
    lines = loss_lines(losses, 0, 3)
    assert lines == [
        "  step      0  loss 1.000000",
        "  step      3  loss 4.000000  avg loss 2.000000",
        "  step      6  loss 7.000000  avg loss 5.000000",
    ]
    assert loss_lines(losses, 1, 3) == lines[1:]
    assert loss_lines(losses[:, :6], 4, 3) == []
    assert last_line(losses, 3) == "  done      7  loss 7.000000  avg loss 6.000000"
    assert last_line(losses, 400) == "  done      7  loss 7.000000  avg loss 4.000000"


def test_loss_lines_of_replicates_leave_out_the_failed():
    losses = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [9.0, np.nan, np.nan]])
    assert loss_lines(losses, 0, 2) == [
        "  step      0  loss 3.000000 (1.000000 to 9.000000)",
        "  step      2  loss 4.000000 (3.000000 to 5.000000)"
        "  avg loss 2.500000 (1.500000 to 3.500000)  1 failed",
    ]
    assert loss_lines(losses[2:], 2, 2) == ["  step      2  loss nan  avg loss nan  1 failed"]


def test_the_median_replicate_is_one_that_has_not_failed():
    assert stage([0.3, 0.1, None, 0.2]).median_replicate == 3
    assert stage([0.3, 0.1]).median_replicate == 1
