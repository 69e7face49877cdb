"""How a network forecasts after pasts of many lengths, fast waves and slow ones, and its bands."""

from functools import partial

import numpy as np

from sinlstm_jax.evaluation.bands import SHARES as BAND_SHARES
from sinlstm_jax.evaluation.bands import held_by_bands
from sinlstm_jax.evaluation.baselines import tones_fit
from sinlstm_jax.evaluation.errors import HELD_OUT_WAVES, ForecastFunction, forecast_function
from sinlstm_jax.evaluation.flat_limit import flat_limit_forecast
from sinlstm_jax.evaluation.sines import SineWaves, held_out_sines
from sinlstm_jax.evaluation.windows import SPOILINGS, Spoiling, forecast_of, spoil
from sinlstm_jax.model import SineLSTM
from sinlstm_jax.sensor import BAND, SensorLSTM
from sinlstm_jax.signals.signal import HELD_OUT_SEED
from sinlstm_jax.signals.sines import SINES

PASTS = (30, 100, 200, 300)  # steps observed
HORIZON = 400  # steps forecast
SLOW = 1.0  # Hz, below which a second shows less than a period
# What the limit is computed for: after 30 steps an amplitude may be anything, and so may the limit.
LIMIT_PASTS, LIMIT_NOISES = PASTS[1:], (0.1, 0.2)


def measure(model: SineLSTM) -> dict:
    """Return a model's errors, `[past, spoiling, speed]`, and what its bands, if any, hold of 90 %.

    Speeds are from SLOW up, and below; shares are `[past, spoiling, interval]`. NumPy float64.
    """
    waves = held_out_sines(SINES, HELD_OUT_WAVES)
    forecaster = forecast_function(model)
    found = {"by_past": [errors_after(forecaster, waves, past).tolist() for past in PASTS]}
    if isinstance(model, SensorLSTM):
        band = BAND_SHARES.index(BAND)
        held = [held_by_bands(model, waves.windows(past + HORIZON), past) for past in PASTS]
        found["held"] = [each.held[:, :, band].tolist() for each in held]
    return found


def references(count: int = HELD_OUT_WAVES) -> dict:
    """Return the errors of the limit, and of a fit of level, amplitude, phase and frequency.

    Each `[past, noise, speed]`, of LIMIT_PASTS and LIMIT_NOISES. Without noise both are 0.
    """
    waves, fit = held_out_sines(SINES, count), partial(tones_fit, count=1)
    found = {"limit": [], "fit": []}
    for past in LIMIT_PASTS:
        spoilings = [Spoiling(noise) for noise in LIMIT_NOISES]
        limits = [partial(flat_limit_forecast, noise=noise) for noise in LIMIT_NOISES]
        pairs = zip(limits, spoilings, strict=True)
        found["limit"].append([_error(limit, waves, past, each) for limit, each in pairs])
        found["fit"].append([_error(fit, waves, past, each) for each in spoilings])
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
