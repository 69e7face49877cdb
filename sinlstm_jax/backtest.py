"""How far a recipe's forecasts of a recording go wrong: on the end of what it is trained on.

A recording's held-out end tells it too late. So the recipe is trained once more, on a first part
of what came before, and what of its errors on the rest are larger than it thought widens its bands.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from .ensemble import ensemble_of
from .errors import InputError
from .evaluation.bands import in_spreads
from .evaluation.rolling import of_model, origins_of, rolled
from .model import SineLSTM
from .recipe import Recipe
from .sensor import BAND
from .signals.recording import Recording
from .signals.signal import Scaling


class Calibration(NamedTuple):
    """How wide bands are to be, by forecasts of what came before."""

    widening: float  # as many times the spread makes bands hold a share BAND
    held: float  # the share that they held as they were
    forecasts: int  # that this was seen in


def backtest_of(recipe: Recipe) -> Recipe | None:
    """Return a recipe for the part of a recording that is trained on, its end held out alike.

    None where that part is too short for the recipe's windows, or says nothing.
    """
    recording = recipe.signal
    assert isinstance(recording, Recording)
    horizon = max(stage.horizon for stage in recipe.stages)
    # As long as the recording, its end missing: what was compiled for that serves this, too.
    known = recording.scaled.copy()
    known[recording.longest_trained :] = np.nan
    share = 1 - (1 - recording.share_held_out) ** 2
    try:
        part = Recording(known, recording.sampling_rate, share)
        held_out = recording.longest_trained - part.longest_trained
        if recipe.past + horizon > part.longest_trained or horizon > held_out:
            return None
        return replace(recipe, name=f"backtest of {recipe.name}", signal=part)
    except InputError:  # all samples of a part are missing, say, or it does not vary
        return None


def calibration_of(models: list[SineLSTM], backtest: Recipe) -> Calibration | None:
    """Return how wide the bands of a backtest's models are to be, by their mean's forecasts.

    None where nothing that is held out can be forecast, or bands have no width.
    """
    part = backtest.signal
    assert isinstance(part, Recording)
    values = part.scaled.astype(np.float64)
    values = values[: np.flatnonzero(np.isfinite(values))[-1] + 1]
    try:
        horizon = max(stage.horizon for stage in backtest.stages)
        origins = origins_of(values, part.longest_trained, backtest.past, horizon)
    except InputError:
        return None
    model = ensemble_of(models)
    forecaster, between = of_model(model)
    found = rolled(forecaster, origins, Scaling(), between)  # the samples are scaled already
    assert found.high is not None
    known = np.isfinite(origins.truth) & np.isfinite(found.high)
    if not known.any():
        return None
    error = (origins.truth - found.forecasts)[known]
    ratio = in_spreads(error, (found.high - found.forecasts)[known])
    with np.errstate(invalid="ignore"):  # between two that are infinite
        widening = float(np.quantile(ratio, BAND))
    if not 0 < widening < np.inf:
        return None
    return Calibration(widening, found.held(origins.truth), len(origins.first))
