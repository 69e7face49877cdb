"""How a network forecasts after pasts of many lengths, fast waves and slow ones, and its bands."""

from functools import partial

import numpy as np

from sinlstm_jax.evaluation.bands import SHARES as BAND_SHARES
from sinlstm_jax.evaluation.bands import held_by_bands
from sinlstm_jax.evaluation.baselines import tones_fit
from sinlstm_jax.evaluation.errors import HELD_OUT_WAVES, ForecastFunction, forecast_function
from sinlstm_jax.evaluation.flat_limit import flat_limit_forecast
from sinlstm_jax.evaluation.sines import SineWaves, held_out_sines
from sinlstm_jax.evaluation.windows import SPOILINGS, forecast_of, spoil
from sinlstm_jax.sensor import BAND, SensorLSTM
from sinlstm_jax.signals.signal import HELD_OUT_SEED
from sinlstm_jax.signals.sines import SINES

PASTS = (30, 100, 200, 300)  # steps observed
HORIZON = 400  # steps forecast
SLOW = 1.0  # Hz, below which a second shows less than a period
LIMIT_NOISES = (0.1, 0.2)  # of SPOILINGS, those that the limit is computed for


def measure(model: SensorLSTM) -> dict:
    """Return a model's errors, `[past, spoiling, speed]`, and what its bands hold of 90 %.

    Speeds are from SLOW up, and below; shares are `[past, spoiling, interval]`. NumPy float64.
    """
    waves = held_out_sines(SINES, HELD_OUT_WAVES)
    forecaster = forecast_function(model)
    band = BAND_SHARES.index(BAND)
    held = [held_by_bands(model, waves.windows(past + HORIZON), past) for past in PASTS]
    return {
        "by_past": [errors_after(forecaster, waves, past).tolist() for past in PASTS],
        "held": [each.held[:, :, band].tolist() for each in held],
    }


def references(count: int = HELD_OUT_WAVES) -> dict:
    """Return the errors of the limit, and of a fit of level, amplitude, phase and frequency.

    `[past, spoiling, speed]` each, NaN where the limit is not computed: without noise it is 0.
    """
    waves = held_out_sines(SINES, count)
    found = {"limit": [], "fit": []}
    for past in PASTS:
        limit = np.full((len(SPOILINGS), 2), np.nan)
        for row, spoiling in zip(limit, SPOILINGS, strict=True):
            if spoiling.noise in LIMIT_NOISES:
                known = partial(flat_limit_forecast, noise=spoiling.noise)
                row[:] = _error(known, waves, past, spoiling)
        found["limit"].append(limit.tolist())
        found["fit"].append(errors_after(partial(tones_fit, count=1), waves, past).tolist())
    return found


def errors_after(forecaster: ForecastFunction, waves: SineWaves, past: int) -> np.ndarray:
    """Return the errors over HORIZON steps after each of SPOILINGS, `[spoiling, speed]`."""
    return np.array([_error(forecaster, waves, past, each) for each in SPOILINGS])


def _error(forecaster, waves: SineWaves, past: int, spoiling) -> tuple[float, float]:
    """Return the errors over waves from SLOW up, and below it, of their amplitude's square."""
    values, amplitude = waves.windows(past + HORIZON)
    rng = np.random.default_rng(HELD_OUT_SEED)
    history = spoil(values[:past], spoiling, rng, amplitude)
    off = (forecast_of(forecaster, history, HORIZON) - values[past:]) / amplitude
    each, slow = np.square(off).mean(axis=0), waves.frequency < SLOW
    return float(each[~slow].mean()), float(each[slow].mean())
