"""`sinlstm evaluate`: how well models continue waves."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from ..errors import InputError, positive_integer
from ..measurements.reading import Reading
from ..recipes import RECIPES, SHIPPED
from .shared import (
    Device,
    check_spelling,
    computing_on,
    make_folder,
    named_recipe,
    optional,
    printing_console,
    run_and_step,
    trained_as,
)

if TYPE_CHECKING:
    from rich.console import Console

    from ..model import SineLSTM
    from ..signals.signal import Signal


HORIZON = 5000  # steps, where none is given


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure how well trained models continue what they learnt, beside baselines without training.

    Prints tables, and leaves CSV files and pictures in RUN/evaluation (for one checkpoint of a
    run, RUN/evaluation-STEP), or in OUT/NAME for each. With --data, they continue the end of a file
    of one's own, from rolling origins; what came is in a folder of that file's name within these.
    """

    runs: Annotated[
        tyro.conf.Positional[tuple[str, ...]],
        tyro.conf.arg(metavar="RUN...", help_behavior_hint="(required)"),
    ]
    """Folders of runs or checkpoints, or models that ship: sensor, curriculum, tuned, long."""
    out: Annotated[Path | None, optional("PATH", "the run's own folder")] = None
    """Where to leave files instead; needed for models that ship."""
    data: Annotated[Path | None, optional("FILE")] = None
    """A CSV file to forecast the end of, as `sinlstm forecast` reads it."""
    reading: tyro.conf.OmitArgPrefixes[Reading] = field(default_factory=Reading)
    resample: Annotated[str | None, optional("HZ", "they stay as they are")] = None
    """Rate to bring a file's samples to; `model` is the one that the model is trained at."""
    held_out: Annotated[float | None, optional("SHARE", "what the run held out, or 0.2")] = None
    """Share of a file, at its end, that is forecast."""
    horizon: Annotated[int | None, optional("INT", "5000; of a file 400, or as many as fit")] = None
    """Steps to forecast: 400 at least, but of a file; 10000 adds one more interval."""
    past: Annotated[int | None, optional("INT", "the most that all were trained on")] = None
    """Steps observed."""
    recipe: Annotated[str | None, optional("MODULE:NAME")] = None
    """The recipe that the runs were trained with, where their signal is of a class of your own."""
    device: Device = None

    def execute(self) -> None:
        """Do what was asked for."""
        for name in self.runs:
            check_spelling(name)
        console = printing_console()
        from ..evaluation.bands import held_by_bands
        from ..evaluation.baselines import baselines_of
        from ..evaluation.csv_files import write_csv
        from ..evaluation.errors import forecast_function
        from ..evaluation.plots import plot_evaluation
        from ..evaluation.report import Comparison, checked_horizon, limits, report, trial
        from ..evaluation.tables import tables
        from ..sensor import SensorLSTM
        from ..signals.signal import in_words

        folders = evaluation_folders(self.runs, self.out)
        if self.data is not None:
            self._on_data(console, self.data, folders)
            return
        wanted = HORIZON if self.horizon is None else self.horizon
        checked_horizon(wanted)  # before anything is loaded
        past = None if self.past is None else positive_integer("--past", self.past)
        own = None if self.recipe is None else named_recipe(self.recipe).signal
        with computing_on(self.device):
            models, folders = evaluated_models(self.runs, folders)
            signal, past = evaluated_signal(self.runs, own, past)
            horizon = checked_horizon(wanted, signal)
            for folder in folders.values():
                make_folder(folder)
            tried = trial(signal, horizon, past)
            baselines = baselines_of(signal)
            forecasters = {name: forecast_function(model) for name, model in models.items()}
            forecasters |= baselines
            reports = {}
            for name, each in forecasters.items():
                with console.status(f"{len(reports) + 1}/{len(forecasters)}: {name}"):
                    reports[name] = report(each, tried)
        compared = Comparison(
            tried,
            {name: reports[name] for name in models},
            {name: reports[name] for name in baselines},
            limits(tried),
            {
                name: held_by_bands(model, tried.spoilt, past)
                for name, model in models.items()
                if isinstance(model, SensorLSTM)
            },
        )
        for name, folder in folders.items():
            write_csv(folder, name, compared)
            plot_evaluation(folder, name, compared)
        console.print(f"{in_words(signal.describe())}, {past} steps observed\n")
        for table in tables(compared):
            console.print(table, "")
        for folder in folders.values():
            console.print(f"CSV files and pictures are in {folder}")

    def _on_data(self, console: "Console", data: Path, folders: dict[str, Path]) -> None:
        from ..measurements.series import series_in
        from ..streams.file_samples import wanted_rate
        from .evaluate_data import Tried, evaluate_on_data, held_out_by

        past = None if self.past is None else positive_integer("--past", self.past)
        horizon = None if self.horizon is None else positive_integer("--horizon", self.horizon)
        with computing_on(self.device):
            tried = {}
            for run, (called, folder) in zip(self.runs, folders.items(), strict=True):
                models, theirs = evaluated_models((run,), {called: folder})
                for name, model in models.items():
                    tried[name] = Tried(model, trained_as(run, model), theirs[name] / data.stem)
            rate = wanted_rate(self.resample, next(iter(tried.values())).trained)
            found = series_in(data, self.reading, rate)
            evaluate_on_data(
                console,
                data,
                found,
                tried,
                held_out=held_out_by(self.runs) if self.held_out is None else self.held_out,
                past=past,
                horizon=horizon,
            )


def evaluation_folders(runs: tuple[str, ...], out: Path | None) -> dict[str, Path]:
    """Return where to leave the evaluation of each run, by the run's name.

    A run is called by its folder, a checkpoint by its run's and its step.

    Raises:
      InputError: there is no run, two have the same name, or one that ships has no folder.
    """
    from ..evaluation.baselines import NAMES
    from ..evaluation.report import FLAT_LIMIT, LIMIT

    if not runs:
        raise InputError(f"no run is named: give folders of runs, or one of {', '.join(SHIPPED)}")
    folders = {}
    for given in runs:
        if given in SHIPPED and out is not None:
            name, folder = given, out
        else:
            run, step = run_and_step(given)
            name, folder = f"{run.absolute().name}{step}", run.absolute() / f"evaluation{step}"
        if name in folders or name in (*NAMES, LIMIT, FLAT_LIMIT):
            raise InputError(
                f"{given} would be called {name}, like another: rename or leave out one"
            )
        folders[name] = folder if out is None else out / name
    return folders


def evaluated_models(
    runs: tuple[str, ...], folders: dict[str, Path]
) -> "tuple[dict[str, SineLSTM], dict[str, Path]]":
    """Return (models, folders) of all replicates of runs, by names that end with their seeds.

    A run that has only one, or was made into one, is called as in `folders`.
    """
    from ..runs.loading import has_ensemble, load_model, load_models, replicate_seeds
    from ..runs.pretrained import load_pretrained

    models, theirs = {}, {}
    for given, (name, folder) in zip(runs, folders.items(), strict=True):
        if given in SHIPPED:
            found = [load_pretrained(given)]
        else:
            found = [load_model(given)] if has_ensemble(given) else load_models(given)
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


def evaluated_signal(
    runs: tuple[str, ...], own: "Signal | None", past: int | None = None
) -> "tuple[Signal, int]":
    """Return the signal that runs were trained on, and how many steps of it they observe.

    Args:
      runs: as they were named.
      own: the signal where it is of a user's own class.
      past: the steps; if not given, the most that all runs were trained on.

    Raises:
      InputError: as `load_signal` does, or they were not all trained on the same.
    """
    from ..signals.signal import in_words

    (signal, fewest, most), first = _learnt(runs[0], own), runs[0]
    for given in runs:
        other, least, longest = _learnt(given, own)
        if other.describe() != signal.describe():
            what = in_words(signal.describe()), in_words(other.describe())
        elif past is None and (least > most or longest < fewest):
            what = f"{most} observed steps", f"{longest}"
        else:
            fewest, most = max(fewest, least), min(most, longest)
            continue
        raise InputError(
            f"{first} was trained on {what[0]}, and {given} on {what[1]}: evaluate them one by one"
        )
    return signal, past or most


def _learnt(given: str, own: "Signal | None") -> "tuple[Signal, int, int]":
    """Return the signal that a run was trained on, and how many steps it observes: from, to."""
    from ..runs.signals import TUTORIALS, Trained, load_signal, record_of

    if given in SHIPPED:
        signal, trained = RECIPES[given].signal, Trained.by(RECIPES[given])
        return signal, trained.fewest, trained.past
    signal, record = load_signal(given, own), record_of(given)
    if record is None:
        return signal, TUTORIALS.fewest, TUTORIALS.past
    return signal, record.fewest, record.past
