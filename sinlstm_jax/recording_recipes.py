"""A recipe for a recording: past, horizon and stages as its period and its length suggest."""

import numpy as np

from .errors import InputError, positive_integer
from .measurements.summary import wave_of
from .recipe import Recipe, Stage
from .signals.recording import Recording

PAST_PERIODS, HORIZON_PERIODS = 4, 2  # that are observed and forecast, where a period stands out
PAST, HORIZON = 100, 50  # steps, where none does
LONGEST_PAST, LONGEST_HORIZON = 300, 400  # steps
SHORTEST_PAST = 8
WINDOWS = 4  # as many windows' lengths are in the part that is trained on, at the least
FEW, SMALL, LARGE = 2000, 12, 24  # samples that are trained on, and units for fewer and for more
ERROR_FLOOR = 1e-3  # of the amplitude's square; below it the spread is learnt no more
BETA = 0.5  # as Seitzer et al. (2022) recommend


def recipe_for(
    recording: Recording,
    name: str,
    *,
    past: int | None = None,
    horizon: int | None = None,
    hidden_size: int | None = None,
    effort: float = 1.0,
) -> Recipe:
    """Return a recipe for a SensorLSTM that learns to continue a recording.

    It fine-tunes over growing horizons, a quarter, a half and all of the last one, as the
    tutorial's curriculum does, with the optimizer of `tuned`.

    Args:
      recording: what is learnt.
      name: what to call the recipe.
      past: steps observed; None: four periods, if one stands out, and a quarter of what is trained
        on at the most.
      horizon: steps forecast at last; None: two periods, alike, and half of what is held out.
      hidden_size: units of the LSTM; None: SMALL for fewer than FEW samples, else LARGE: more learn
        a short recording by heart.
      effort: as many times the iterations.

    Raises:
      InputError: the recording is too short, or an argument does not fit.
    """
    values = recording.scaled
    trained = recording.longest_trained
    period = wave_of(np.asarray(values[:trained], np.float64)).period
    longest = trained // WINDOWS
    if past is None:
        wanted = PAST if period is None else round(PAST_PERIODS * period)
        past = max(SHORTEST_PAST, min(wanted, LONGEST_PAST, longest))
    if horizon is None:
        wanted = HORIZON if period is None else round(HORIZON_PERIODS * period)
        horizon = max(1, min(wanted, LONGEST_HORIZON, longest, recording.longest_horizon // 2))
    past, horizon = positive_integer("--past", past), positive_integer("--horizon", horizon)
    if past + horizon > trained:
        raise InputError(
            f"{trained} steps are trained on, and a window has {past} observed and {horizon} "
            "forecast: give shorter ones, a longer recording, or a smaller --held-out"
        )
    stages = (
        _stage(max(1, horizon // 4), effort * 2000, 0.03, decay=0.95),
        _stage(max(1, horizon // 2), effort * 1500, 0.01, decay=0.97),
        _stage(horizon, effort * 2500, 0.005, decay=0.99),
    )
    return Recipe(
        name,
        f"continues {name}",
        stages,
        display_every=500,
        past=past,
        hidden_size=hidden_size or (SMALL if trained < FEW else LARGE),
        signal=recording,
        network="SensorLSTM",
    )


def _stage(horizon: int, iterations: float, learning_rate: float, decay: float) -> Stage:
    """Return a stage as `tuned` has them; a tenth of it warms up."""
    count = max(1, round(iterations))
    return Stage(
        horizon,
        count,
        learning_rate,
        epsilon=1e-8,
        b1=decay,
        b2=decay,
        nesterov=True,
        clip_norm=0.1,
        warmup=min(200, count // 10),
        final_fraction=0.01,
        error_floor=ERROR_FLOOR,
        beta=BETA,
    )
