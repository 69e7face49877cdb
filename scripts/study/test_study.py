"""The bookkeeping of scripts/study; what it trains, it trains with the package's own parts."""

import json
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from scripts.study import report as study_report
from scripts.study import study
from scripts.study.report import SHORTER
from scripts.study.variants import SHARES, Variant
from scripts.study.variants import variants as all_variants
from sinlstm_jax import InputError, Recipe, Stage, run


@pytest.fixture
def variants():
    return {variant.name: variant for variant in all_variants()}


def test_every_ablation_changes_one_thing_and_keeps_the_budget(variants):
    assert len(variants) == len(all_variants()) == 31 + len(SHARES)
    assert [len(variants[name].seeds) for name in study_report.RECIPES] == [16, 16, 16, 32, 32]
    for name in study_report.OURS:
        assert len(variants[name].seeds) == 32
    for name, variant in variants.items():
        if name.startswith("fast x ") or name in (study_report.LONGER, study_report.TO_5000):
            continue
        base = variants[name.split(", ")[0]]
        steps, budget = variant.recipe.iteration_steps, base.recipe.iteration_steps
        assert abs(steps / budget - 1) < 1e-3
        if variant is not base:
            assert variant.seeds == base.seeds if base.name == SHORTER else len(variant.seeds) == 8
            stages = variant.recipe.stages != base.recipe.stages
            bias = variant.recipe.forget_bias != base.recipe.forget_bias
            trainable = variant.trainable != base.trainable
            observation = variant.recipe.observation != base.recipe.observation
            size = variant.recipe.hidden_size != base.recipe.hidden_size
            # Levels and amplitudes are only drawn for the network that does not measure them.
            network = variant.recipe.network != base.recipe.network
            assert network == (variant.recipe.signal != base.recipe.signal)
            assert stages + bias + trainable + observation + size + network == 1


def test_what_is_not_trained_anew_stays_as_it_was_published(tmp_path, monkeypatch):
    monkeypatch.setattr(study_report, "DOCS", tmp_path)
    published = []
    monkeypatch.setattr(study_report, "publish_pages", published.append)

    def result(seed, loss):
        figures = {"average_loss": [[loss]], "errors": [[0.25]], "robustness": [[2.0]]}
        return figures | {"seeds": [seed], "stages": ["one"], "iterations": [1], "steps": [2]}

    tuned = result(1, 0.5) | {"curve": [[1.0]] * 3}
    old = {"tuned": tuned, "dropped": tuned, "noisy": result(1001, 0.5)}
    (tmp_path / "study.json").write_text(json.dumps(old))
    new = result(1002, 0.123456) | {"curve": [[3.0]]}
    study_report.publish({"noisy": new}, ["noisy", "tuned", "fast"])
    (found,) = published
    assert list(found) == ["noisy", "tuned"] and found["tuned"] == tuned
    assert found["noisy"]["seeds"] == [1001, 1002]  # trained in two goes
    (tmp_path / "study.json").write_text(json.dumps(found))
    study_report.publish({"noisy": new}, ["noisy", "tuned"])
    assert published.pop()["noisy"] == found["noisy"]  # published again, it stands there once
    assert found["noisy"]["average_loss"] == [[0.5], [0.1235]]
    assert "curve" not in found["noisy"]
    told = {"noisy": result(1003, 0.25) | {"trained": "a network"}}  # as older ones do not tell
    study_report.publish(told, ["noisy"])
    assert published.pop()["noisy"]["seeds"] == [1001, 1002, 1003]
    study_report.publish({"noisy": new | {"stages": ["other"]}, "tuned": new}, list(found))
    assert published[1]["noisy"]["seeds"] == published[1]["tuned"]["seeds"] == [1002]
    assert published[1]["tuned"]["curve"] == [[3.0]] * 3  # quantiles of a single seed
    with pytest.raises(InputError, match=r"^--only has 'nosy': give some of fast; curriculum"):
        study.main(study.Options(tmp_path, ("nosy",)))


def test_seeds_that_stand_in_the_study_are_not_trained_again(variants):
    noisy = variants["noisy"]
    there = {"seeds": [1001, 1002], "stages": study._stages(noisy.recipe)}
    assert study._is_published(noisy, range(1001, 1003), {"noisy": there})
    assert not study._is_published(noisy, range(1003, 1005), {"noisy": there})
    assert not study._is_published(noisy, range(1001, 1003), {"noisy": there | {"stages": ["x"]}})
    assert not study._is_published(noisy, range(1001, 1003), {})
    other = there | {"trained": "something else"}
    assert not study._is_published(noisy, range(1001, 1003), {"noisy": other})
    tuned = variants["tuned"]  # its losses are drawn, of all seeds at once
    there = {"seeds": list(tuned.seeds), "stages": study._stages(tuned.recipe)}
    assert not study._is_published(tuned, tuned.seeds[:2], {"tuned": there})


def test_a_shortened_recipe_spends_its_share_and_changes_nothing_else(variants):
    fast = variants["fast"]
    for share in SHARES:
        short = variants[f"fast x {share}"]
        assert short.seeds == fast.seeds
        budget = short.recipe.iteration_steps / fast.recipe.iteration_steps
        assert abs(budget / share - 1) < 1e-3
        for stage, whole in zip(short.recipe.stages, fast.recipe.stages, strict=True):
            assert replace(stage, iterations=whole.iterations, warmup=whole.warmup) == whole
            assert stage.warmup == pytest.approx(share * whole.warmup)


def test_the_longest_training_is_tuned_four_times_and_one_stage_more(variants):
    tuned, longer = variants["tuned"].recipe, variants[study_report.LONGER].recipe
    budget = 4 * tuned.iteration_steps + 2500 * 5100
    assert longer.iteration_steps == budget
    assert [s.horizon for s in longer.stages] == [*(s.horizon for s in tuned.stages), 5000]


def test_long_without_its_last_stage_ends_at_5000_on_seeds_of_its_own(variants):
    long, shorter = variants["long"], variants[study_report.TO_5000]
    assert [stage.horizon for stage in long.recipe.stages[-2:]] == [5000, 10000]
    assert shorter.recipe == replace(long.recipe, stages=long.recipe.stages[:-1])
    assert shorter.intervals == long.intervals and shorter.intervals[-1] == (5000, 10000)
    assert len(shorter.seeds) == 32 and not set(shorter.seeds) & set(long.seeds)


def test_who_follows_all_the_way_is_low_over_every_interval():
    low, lost = [0.01] * 5, [0.01] * 4 + [0.06]
    result = {
        "seeds": [4, 5, 6],
        "iteration_steps": 61e6,
        "errors": [low, lost, [0.04] + [None] * 4],
    }
    lines = study_report.long_table({"long": result}).splitlines()
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert cells[:4] == ["long", "4 to 6", "61.0", "0.01, worst 0.04"]
    assert cells[-2] == "0.06, worst inf" and cells[-1].startswith("1 of 3 ")


def test_every_seed_of_the_longest_training_has_its_row():
    result = {"seeds": [4, 5], "horizons": [400, 800], "average_loss": [[1e-6, 1], [2e-5, 2]]}
    result["errors"] = [[0.01, 0.02, 0.03, 0.04, 0.049], [0.01, 0.02, 0.03, 0.04, None]]
    lines = study_report.longer_table(result).splitlines()
    assert lines[2] == "| 4 | 1e-06 | 0.01 | 0.02 | 0.03 | 0.04 | 0.049 | yes |"
    assert lines[3] == "| 5 | 2e-05 | 0.01 | 0.02 | 0.03 | 0.04 | inf | no |"


def test_a_seed_follows_to_1500_where_all_three_intervals_are_low():
    errors = [[0.01, 0.02, 0.03, 1], [0.01, 0.02, 0.06, 1], [0.06, 0.02, 0.03, 1]]
    result = {"iteration_steps": 15e6, "stages": ["plain"], "average_loss": [[1.0], [2.0], [4.0]]}
    row = study_report.table({"x": result | {"errors": errors}}, ["x"]).splitlines()[2]
    cells = row.strip("| ").split(" | ")
    assert cells[:4] == ["x", "15.0", "2, worst 4", "0.01, worst 0.06"]
    assert [cell.split(" (")[0] for cell in cells[-2:]] == ["2 of 3", "1 of 3"]


def test_budgets_stand_in_order_and_count_who_beats_the_original():
    def result(steps, *losses):
        return {"iteration_steps": steps, "average_loss": [[0.9, loss] for loss in losses]}

    results = {
        "fast": result(2e6, 0.01, 0.02),
        "fast x 0.5": result(1e6, 0.03, 0.047),
        "fast x 0.2": result(4e5, None, 0.04),
        "fast, not clipped": result(2e6, 1, 1),
    }
    budgets = study_report.by_budget(results)
    assert list(budgets) == ["fast x 0.2", "fast x 0.5", "fast"]
    lines = study_report.budget_table(budgets).splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines]
    assert rows[2] == ["fast x 0.2", "0.40", "inf", "inf", "1 of 2 (9% to 91%)"]
    assert rows[3][:4] == ["fast x 0.5", "1.00", "0.038", "0.047"]
    assert rows[3][4].startswith("2 of 2")


@pytest.mark.slow
def test_the_study_trains_as_a_run_does(tmp_path):
    first = Stage(3, 40, 0.01, 1e-8)
    again = replace(first, afresh=True)
    last = Stage(5, 20, 0.01, 1e-8)
    recipe = Recipe("x", "", (first, again, again, last), 10, past=5, batch_size=2, hidden_size=4)
    seeds = range(3, 7)
    found = study.train(Variant("x", recipe, seeds), seeds)
    figures = run(recipe, 3, tmp_path, replicates=4, console=Console(quiet=True))["figures"]
    undone = [[each["undone"] for each in stage["replicates"]] for stage in figures]
    losses = [[each["average_loss"] for each in stage["replicates"]] for stage in figures]
    np.testing.assert_array_equal(found["undone"], np.transpose(undone))
    assert 0 < np.sum(found["undone"]) < 8  # some tries were better, and some not
    np.testing.assert_allclose(found["average_loss"], np.transpose(losses), rtol=1e-4)


def test_a_curve_averages_within_stages_alone():
    recipe = Recipe("x", "", (Stage(100, 60), Stage(300, 40)), 10, past=100)
    losses = [np.arange(120.0).reshape(2, 60), 1000 + np.arange(80.0).reshape(2, 40)]
    curve = study._curve(recipe, losses)
    assert curve["iterations"][-1] == 100 and curve["steps"][-1] == recipe.iteration_steps
    assert 60 in curve["iterations"]
    widths = np.diff([0, *curve["iterations"]])
    for seed in (0, 1):
        total = np.sum(widths * curve["curve"][seed])
        assert total == pytest.approx(losses[0][seed].sum() + losses[1][seed].sum())
    first = curve["iterations"].index(60) + 1
    assert max(curve["curve"][1][:first]) < 1000 <= min(curve["curve"][0][first:])


@pytest.mark.parametrize(
    ("successes", "count", "expected"),
    # Wilson's interval, from tables: Newcombe 1998 for 81 of 263, the others by hand.
    [(81, 263, "31%|26% to 37%"), (32, 32, "100%|89% to 100%"), (0, 8, "0%|0% to 32%")],
)
def test_rates_have_wilsons_interval(successes, count, expected):
    outcome = np.arange(count) < successes
    share, interval = expected.split("|")
    assert study_report.rate(outcome) == f"{successes} of {count} ({interval})"
    assert f"{outcome.mean():.0%}" == share


def test_bars_are_judged_by_the_worst_seed():
    tuned = {"iteration_steps": 15e6, "seeds": [1, 2, 3], "errors": [[0, 0.002, 0.001, 0.04]] * 3}
    fast = {"iteration_steps": 3e6, "horizons": [50, 400], "average_loss": [[0, 0.01], [0, 0.03]]}
    lines = study_report.bars({"tuned": tuned, "fast": fast}).splitlines()[2:]
    assert [line.split("|")[-2].strip() for line in lines] == ["met"] * 6 + ["**missed**"]
    tuned["errors"][2] = [0, 0.02, None, 0.04]
    lines = study_report.bars({"tuned": tuned, "fast": fast}).splitlines()[2:]
    assert "missed" in lines[1] and "missed" in lines[2] and "met" in lines[3]


def test_the_summary_counts_who_follows():
    errors = [[0.001, 0.01, 0.04, 1], [0.002, 0.03, 0.06, 1], [0.003, 0.05, None, 1]]
    result = {"iteration_steps": 15e6, "errors": errors}
    results = dict.fromkeys(("curriculum", "tuned", "fast"), result)
    original = study_report.original()
    assert original.shape == (6, 3)
    lines = study_report.summary(results, original).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[2] == ["seeds", "6", "3", "3", "3"]
    assert [row[2] for row in cells[4:7]] == ["0.002", "0.03", "0.06"]
    assert float(cells[5][1]) == pytest.approx(np.median(original[:, 1]), rel=0.05)
    assert cells[7][1:] == ["0", "1", "1", "1"]


def test_ablations_stand_beside_their_recipe_with_the_same_seeds():
    def result(seeds):
        figures = [[seed] for seed in seeds]
        return {"seeds": seeds, "errors": figures, "average_loss": figures}

    results = {"fast": result([1, 2, 3]), "tuned": result([9]), "fast, not clipped": result([3, 1])}
    results |= {
        "tuned, clipped": result([8, 9]),
        "noisy, none missing": result([1]),
    }  # no such base
    expected = dict.fromkeys(("fast", "fast, not clipped"), result([3, 1]))
    assert study_report.beside_bases(results) == expected
