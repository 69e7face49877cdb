"""All that is measured of forecasters on one signal: errors and robustness, and of sines more."""

from functools import partial
from typing import NamedTuple

import numpy as np

from ..errors import InputError, positive_integer
from ..signals.signal import HeldOut, Signal
from ..signals.sines import SINES, Sines
from .bands import Bands
from .errors import HELD_OUT_WAVES, INTERVALS, ForecastFunction
from .flat_limit import flat_limit_forecast
from .limit import limit_forecast
from .sines import Evaluation, SineWaves, are_sines, evaluate_sines, grid_waves, held_out_sines
from .windows import SPOILINGS, Errors, error_after, evaluate_windows, robustness

ROBUSTNESS_WAVES = 256
FEWEST_KNOWN = 50  # steps: of fewer, with half of them missing, too few might be left for a sine
FIRST_400 = (0, 400)  # what the robustness and the trained band are judged by
# Names of limits, beside forecasters.
LIMIT = "the limit"  # of what knows that waves are of amplitude 1 around 0
FLAT_LIMIT = "limit, any amplitude"  # of what is told nothing of amplitude and level


class SineTrial(NamedTuple):
    """Sine waves that forecasters are tried on."""

    held_out: SineWaves
    grid: SineWaves


class Trial(NamedTuple):
    """What forecasters are tried on: windows of a signal that training did not draw."""

    signal: Signal
    past: int  # steps observed
    horizon: int  # steps forecast
    judged: tuple[int, int]  # steps that the robustness is judged by
    held_out: HeldOut  # [past + horizon, window]
    spoilt: HeldOut  # [past + judged[1], window], to be spoilt
    waves: SineTrial | None  # of sine waves: the same held-out ones, and others


class SineReport(NamedTuple):
    """What is measured of one forecaster on sine waves alone."""

    held_out: Evaluation  # waves distributed as in training
    grid: Evaluation  # frequencies inside and outside the trained band


class Report(NamedTuple):
    """All that is measured of one forecaster."""

    held_out: Errors  # windows distributed as in training
    robustness: np.ndarray  # [spoiling], mean squared error over the steps that are judged
    sines: SineReport | None


class Comparison(NamedTuple):
    """Forecasters beside each other, by name."""

    trial: Trial
    models: dict[str, Report]
    baselines: dict[str, Report]
    limits: dict[str, np.ndarray]  # [spoiling], the least errors after each that there can be
    bands: dict[str, Bands]  # of those models that say how sure they are


def checked_horizon(horizon: int, signal: Signal = SINES) -> int:
    """Return a horizon that holds FIRST_400, or as much of it as a signal's held-out windows do.

    Where those are shorter than was asked for, it is the end of the last of INTERVALS that they
    hold.

    Raises:
      InputError: it is too short, or the windows hold no interval.
    """
    if positive_integer("horizon", horizon) < FIRST_400[1]:
        raise InputError(f"horizon is {horizon}: give at least {FIRST_400[1]} steps")
    longest = signal.longest_horizon
    usable = signal.test_horizon(horizon, least=INTERVALS[0][1])
    if usable == horizon:
        return horizon
    ends = [last for _, last in INTERVALS if last <= usable]
    if not ends:
        raise InputError(
            f"{longest} steps of the signal are held out: it takes {INTERVALS[0][1]} to test a "
            "forecast, train with a larger held_out or a longer recording"
        )
    return max(ends)


def trial(signal: Signal, horizon: int, past: int = 100) -> Trial:
    """Return what to try forecasters on, given the horizon that `checked_horizon` returned."""
    judged = max(i for i in INTERVALS if i[0] == 0 and i[1] <= horizon)
    waves = None
    if are_sines(signal):
        waves = SineTrial(held_out_sines(signal, HELD_OUT_WAVES), grid_waves(signal))
        held_out = waves.held_out.windows(past + horizon)
        spoilt = held_out_sines(signal, ROBUSTNESS_WAVES).windows(past + judged[1])
    else:
        held_out = signal.held_out(HELD_OUT_WAVES, past, horizon)
        spoilt = signal.held_out(ROBUSTNESS_WAVES, past, judged[1])
    return Trial(signal, past, horizon, judged, held_out, spoilt, waves)


def report(forecaster: ForecastFunction, trial: Trial) -> Report:
    """Measure everything of one forecaster."""
    after = robustness(forecaster, trial.spoilt, trial.past)
    if trial.waves is None:
        return Report(evaluate_windows(forecaster, trial.held_out, trial.past), after, None)
    sines = SineReport(
        *(evaluate_sines(forecaster, waves, trial.horizon, trial.past) for waves in trial.waves)
    )
    held_out = sines.held_out
    errors = Errors(held_out.intervals, held_out.errors, held_out.error_over_time)
    return Report(errors, after, sines)


def limits(trial: Trial) -> dict[str, np.ndarray]:
    """Return the errors after each of SPOILINGS, `[spoiling]`, that are the least there can be.

    They are known of sine waves in any phase: 0 where they are clean, however much of them is
    missing. LIMIT is that of waves of amplitude 1 around 0; FLAT_LIMIT that of what is told nothing
    of amplitude and level, so that who is told something of them may do better. None of other
    signals, and of a past below FEWEST_KNOWN.
    """
    signal = trial.signal
    if not (are_sines(signal) and _in_any_phase(signal)) or trial.past < FEWEST_KNOWN:
        return {}
    range_and_rate = {"frequency": signal.frequency, "sampling_rate": signal.sampling_rate}
    amplitude = np.float64(trial.spoilt.amplitude)
    known = {FLAT_LIMIT: partial(flat_limit_forecast, **range_and_rate)}
    if (signal.amplitude, signal.level) == (SINES.amplitude, SINES.level):
        amplitude = 1.0
        known = {LIMIT: partial(limit_forecast, **range_and_rate)} | known
    return {
        name: np.array(
            [
                error_after(
                    each, partial(best, noise=each.noise * amplitude), trial.spoilt, trial.past
                )
                if each.noise
                else 0.0
                for each in SPOILINGS
            ]
        )
        for name, best in known.items()
    }


def _in_any_phase(signal: Sines) -> bool:
    """Tell whether waves are in any phase, one as likely as another."""
    first, last = signal.offset
    return (last - first) * signal.frequency[0] >= 1  # or more: what is left of one is all phases
