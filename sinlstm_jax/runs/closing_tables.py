"""The tables that a run ends with, from what its run.json holds."""

from collections.abc import Callable

import numpy as np
from rich import box
from rich.console import Group
from rich.table import Table

from ..evaluation.tables import error
from .report import healthy_replicates
from ..recipes import RECIPES, TUTORIAL_FIGURES


def closing_table(description: dict) -> Group:
    """Lay out a run's losses beside the tutorial's printed ones, and its rollout errors.

    Of several replicates, figures are the median of those that have not failed, and below it from
    where to where they go.
    """
    return Group(losses_table(description), "", rollout_table(description))


def losses_table(description: dict) -> Table:
    """Lay out a run's losses beside those that the tutorial prints for its own run.

    Of several replicates only the average losses, and how many have failed.
    """
    alone = description["replicates"] == 1
    seeds = f"seed {description['seed']}"
    if not alone:
        seeds = f"seeds {description['seeds'][0]} to {description['seeds'][-1]}"
    averaged_over = {figures["averaged_over"] for figures in description["figures"]}
    of = f"of {averaged_over.pop()}" if len(averaged_over) == 1 else "loss"
    kinds = {"average_loss": f"average\n{of}"}
    if alone:
        kinds = {"final_loss": "final\nloss"} | kinds
    tutorial = [printed[-len(kinds) :] for printed in _tutorial_figures(description)]
    columns = ["horizon", "iterations", "seconds", *kinds.values()]
    if any(tutorial):
        columns += ["tutorial's\nfinal", "tutorial's\naverage"][-len(kinds) :]
    if not alone:
        columns += ["failed"]
    table = _table(f"{description['recipe']}, {seeds}", columns)
    for figures, printed in zip(description["figures"], tutorial, strict=True):
        table.add_row(
            str(figures["horizon"]),
            str(figures["iterations"]),
            f"{figures['seconds']:.0f}",
            *(
                _spread(figures, lambda each, kind=kind: each[kind], lambda loss: f"{loss:.4f}")
                for kind in kinds
            ),
            *(f"{loss:.4f}" for loss in printed),
            *([] if alone else [_failed(figures)]),
        )
    return table


def rollout_table(description: dict) -> Table:
    """Lay out how far each stage's model goes on, over its horizon and beyond."""
    table = _table(
        "Rollout: mean squared error (answering 0 scores 0.5)",
        ["horizon", "steps 0 to\nhorizon", "0 to 400", "400 to 900", "900 to 1500"],
    )
    for figures in description["figures"]:
        table.add_row(
            str(figures["horizon"]),
            *(
                _spread(figures, lambda each, name=name: each["rollout_errors"][name], error)
                for name in figures["replicates"][0]["rollout_errors"]
            ),
        )
    return table


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _spread(figures: dict, value: Callable, text: Callable[[float], str]) -> str:
    """Return a figure of a stage: of several replicates the median, and their range below it."""
    values = [value(each) for each in healthy_replicates(figures)]
    values = [np.inf if number is None else number for number in values]
    if len(figures["replicates"]) == 1:
        return text(values[0])
    return f"{text(np.median(values))}\n{text(min(values))} to {text(max(values))}"


def _failed(figures: dict) -> str:
    """Return how many replicates have failed, and which."""
    seeds = [each["seed"] for each in figures["replicates"] if each["failed_at"] is not None]
    if not seeds:
        return "none"
    return f"{len(seeds)} of {len(figures['replicates'])}:\nseed " + ", ".join(map(str, seeds))


def _tutorial_figures(description: dict) -> tuple:
    """Return what the tutorial prints for each stage: nothing for a run that it does not have.

    Nor for averages over another number of losses.
    """
    recipe = RECIPES[description["recipe"]]
    its_own = description["figures"][0]["averaged_over"] == recipe.display_every and all(
        description[size] == getattr(recipe, size) for size in ("hidden_size", "batch_size")
    )
    nothing = ((),) * len(recipe.stages)
    return TUTORIAL_FIGURES.get(recipe.name, nothing) if its_own else nothing
