"""`sinlstm evaluate`: how well models continue waves."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ..errors import InputError
from ..runs.record import SHIPPED
from .shared import (
    Device,
    computing_on,
    make_folder,
    optional,
    printing_console,
    run_and_step,
)

if TYPE_CHECKING:
    from ..model import SineLSTM


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure how well trained models continue waves, beside baselines that need no training.

    Prints tables, and leaves CSV files and pictures in RUN/evaluation (for one checkpoint of a
    run, RUN/evaluation-STEP), or in OUT/NAME for each.
    """

    runs: Annotated[
        tyro.conf.Positional[tuple[str, ...]],
        tyro.conf.arg(metavar="RUN...", help_behavior_hint="(required)"),
    ]
    """Folders of runs or checkpoints, or `pretrained` for the model that ships."""
    out: Annotated[Path | None, optional("PATH", "the run's own folder")] = None
    """Where to leave files instead; needed for `pretrained`."""
    horizon: int = 5000
    """Steps to forecast, 400 at least; 10000 adds one more interval."""
    device: Device = None

    def execute(self) -> None:
        """Do what was asked for."""
        console = printing_console()
        from ..evaluation.baselines import BASELINES
        from ..evaluation.errors import forecast_function
        from ..evaluation.plots import plot_evaluation
        from ..evaluation.report import checked_horizon, report
        from ..evaluation.tables import tables, write_csv

        folders = evaluation_folders(self.runs, self.out)
        horizon = checked_horizon(self.horizon)
        with computing_on(self.device):
            models, folders = evaluated_models(self.runs, folders)
            for folder in folders.values():
                make_folder(folder)
            forecasters = {
                name: forecast_function(model) for name, model in models.items()
            } | BASELINES
            reports = {}
            for name, each in forecasters.items():
                with console.status(f"{len(reports) + 1}/{len(forecasters)}: {name}"):
                    reports[name] = report(each, horizon)
        baselines = {name: reports[name] for name in BASELINES}
        for name, folder in folders.items():
            write_csv(folder, name, reports[name], baselines)
            plot_evaluation(folder, name, reports[name], baselines)
        for table in tables(reports):
            console.print(table, "")
        for folder in folders.values():
            console.print(f"CSV files and pictures are in {folder}")


def evaluation_folders(runs: tuple[str, ...], out: Path | None) -> dict[str, Path]:
    """Return where to leave the evaluation of each run, by the run's name.

    A run is called by its folder, a checkpoint by its run's and its step.

    Raises:
      InputError: there is no run, two have the same name, or the shipped model has no folder.
    """
    from ..evaluation.baselines import BASELINES

    if not runs:
        raise InputError(f"no run is named: give folders of runs, or {SHIPPED}")
    folders = {}
    for given in runs:
        if given == SHIPPED and out is not None:
            name, folder = SHIPPED, out
        else:
            run, step = run_and_step(given)
            name, folder = f"{run.absolute().name}{step}", run.absolute() / f"evaluation{step}"
        if name in folders or name in BASELINES:
            raise InputError(
                f"{given} would be called {name}, like another: rename or leave out one"
            )
        folders[name] = folder if out is None else out / name
    return folders


def evaluated_models(
    runs: tuple[str, ...], folders: dict[str, Path]
) -> "tuple[dict[str, SineLSTM], dict[str, Path]]":
    """Return (models, folders) of all replicates of runs, by names that end with their seeds.

    A run that has only one is called as in `folders`.
    """
    from ..runs.loading import load_models, load_pretrained, replicate_seeds

    models, theirs = {}, {}
    for given, (name, folder) in zip(runs, folders.items(), strict=True):
        found = [load_pretrained()] if given == SHIPPED else load_models(given)
        if len(found) == 1:
            models[name], theirs[name] = found[0], folder
            continue
        for seed, model in zip(replicate_seeds(given), found, strict=True):
            own = f"{name}-{seed}"
            if own in models or own in folders:
                raise InputError(
                    f"seed {seed} of {given} would be called {own}, like another: rename or "
                    "leave out one"
                )
            models[own], theirs[own] = model, folder / str(seed)
    return models, theirs
