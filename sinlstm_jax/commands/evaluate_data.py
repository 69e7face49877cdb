"""`sinlstm evaluate --data`: how well models continue a series of one's own."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError, finite_number
from ..recipes import SHIPPED
from .shared import make_folder

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from ..evaluation.rolling_report import Backtest
    from ..measurements.series import Series
    from ..model import SineLSTM
    from ..runs.signals import Trained

HELD_OUT = 0.2  # of a file, where no run tells, as of a Recording
LONGEST_HORIZON = 400  # steps, where none is given


class Tried(NamedTuple):
    """A model, and where to leave what comes of it."""

    model: "SineLSTM"
    trained: "Trained"
    folder: Path


def held_out_by(runs: tuple[str, ...]) -> float:
    """Return the share that the first run of a recording held out, or else HELD_OUT."""
    from ..runs.signals import record_of

    for run in runs:
        record = None if run in SHIPPED else record_of(run)
        if record is not None and record.signal["class"] == "Recording":
            return record.signal["held_out"]
    return HELD_OUT


def evaluate_on_data(
    console: "Console",
    path: Path,
    found: "Series",
    tried: dict[str, Tried],
    *,
    held_out: float,
    past: int | None,
    horizon: int | None,
) -> None:
    """Forecast the end of a file from rolling origins by each model; print and leave what came.

    Of several columns, each is forecast by itself, and has a folder in each model's.

    Args:
      console: where to print.
      path: of the file.
      found: what is in it; what is said of it is printed.
      tried: models, by name.
      held_out: share of the file, at its end, that is forecast.
      past: steps observed; None: the most that all were trained on, or a third of the file.
      horizon: steps forecast; None: LONGEST_HORIZON, or half of what is held out.

    Raises:
      InputError: the file is too short, or at a rate that a model does not know.
    """
    from ..evaluation.rolling_report import said_of_bands, tables
    from ..streams.file_samples import check_rate

    if not 0 < finite_number("--held-out", held_out) < 1:
        raise InputError(f"--held-out is {held_out}: give a share between 0 and 1, such as 0.2")
    known = [each.trained for each in tried.values()]
    rate = found.rate or known[0].sampling_rate
    for each in known:
        check_rate(path, rate, each)
    steps = len(found.values)
    first = round(steps * (1 - held_out))
    if past is None:
        longest = min(min(each.past for each in known), steps // 3)
        past = max(1, *(each.fewest for each in known), longest)
    if horizon is None:
        horizon = max(1, min(LONGEST_HORIZON, (steps - first) // 2))
    backtests = []
    for number, column in enumerate(found.names):
        values = found.values[:, number]
        backtests.append(_backtest(console, column, values, tried, first, past, horizon))
    for line in found.said:
        console.print(line)
    several = len(backtests) > 1
    for backtest, part in zip(backtests, _folder_names(found.names), strict=True):
        for name, each in tried.items():
            _leave(each.folder / part if several else each.folder, name, backtest)
        title = [f"{backtest.column}:"] if several else []
        console.print("", *title, *tables(backtest), *said_of_bands(backtest), sep="\n")
    for each in tried.values():
        console.print(f"errors.csv and pictures are in {each.folder}")


def _backtest(
    console: "Console",
    column: str,
    values: "np.ndarray",
    tried: dict[str, Tried],
    first: int,
    past: int,
    horizon: int,
) -> "Backtest":
    """Return how models, and what needs no training, forecast a column from step `first` on."""
    import numpy as np

    from ..evaluation.rolling import baselines, of_model, origins_of, rolled, yardstick_of
    from ..evaluation.rolling_report import Backtest
    from ..measurements.summary import wave_of
    from ..signals.signal import Scaling

    try:
        origins = origins_of(values, first, past, horizon)
    except InputError as problem:
        raise InputError(f"{column}: {problem}") from None
    before = values[:first]
    if not np.isfinite(before).any():
        raise InputError(f"{column}: all samples before what is held out are missing")
    wave = wave_of(before)
    own = Scaling(wave.level, wave.amplitude or 1.0)
    results = {}
    for name, (model, trained, _) in tried.items():
        with console.status(f"{column}, {len(results) + 1}/{len(tried)}: {name}"):
            forecaster, between = of_model(model)
            scaling = own if trained.scaling == Scaling() else trained.scaling
            results[name] = rolled(forecaster, origins, scaling, between)
    beside = {name: rolled(each, origins, own) for name, each in baselines().items()}
    return Backtest(column, values, origins, yardstick_of(before), results, beside)


def _leave(folder: Path, name: str, backtest: "Backtest") -> None:
    """Write a model's errors and draw them, and its forecasts."""
    from ..evaluation.rolling_report import plot_errors, plot_forecasts, write_errors

    make_folder(folder)
    write_errors(folder / "errors.csv", name, backtest)
    plot_errors(folder / "errors.png", name, backtest)
    plot_forecasts(folder / "forecasts.png", name, backtest)


def _folder_names(columns: tuple[str, ...]) -> list[str]:
    """Return what folders of columns are called, whatever is in their names."""
    names = [re.sub(r"[^\w-]+", "_", column) for column in columns]
    alike = len({name.lower() for name in names}) < len(names)
    return [f"{i}-{name}" for i, name in enumerate(names, 1)] if alike else names
