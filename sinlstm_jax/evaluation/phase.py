"""Amplitude, phase and frequency of forecasts, measured against the sine waves they should be.

In NumPy float64. Around a step, over one period of the true wave, the forecast is taken for
`amplitude * sin(true angle + phase) + constant`, fitted by least squares: complex demodulation at
the true frequency, exact for any sine wave of that frequency, whatever the window.
"""

from typing import NamedTuple

import numpy as np

from ..signals.signal import SAMPLING_RATE

HOP = 10  # steps between two measurements
SHORTEST_WINDOW = 25  # steps, the period of 4 Hz at 100 Hz
DEAD = 0.1  # a forecast of less than this amplitude, where 1 is true, has no phase to speak of
FREQUENCY_STEPS = 1500  # steps from which the frequency is estimated, those of the tutorial's test


class Track(NamedTuple):
    """A forecast's amplitude and phase over time; NaN where there is no full window around."""

    steps: np.ndarray  # [measurement], forecast steps at the middle of the windows
    amplitude: np.ndarray  # [measurement, wave]; 0 where the forecast is not finite
    phase: np.ndarray  # [measurement, wave], ahead of the truth, radians; NaN once it died


def track(
    forecast: np.ndarray,
    frequency: np.ndarray,
    angle: np.ndarray,
    sampling_rate: float = SAMPLING_RATE,
) -> Track:
    """Follow a forecast's amplitude and phase.

    A phase is counted on over whole turns; it is lost for good where the amplitude falls below
    DEAD.

    Args:
      forecast: `[time, wave]`.
      frequency: of the true waves, Hz, `[wave]`.
      angle: of the true waves at the forecast's first step, radians, `[wave]`.
      sampling_rate: Hz.
    """
    steps = np.arange(0, forecast.shape[0], HOP)
    amplitude = np.full((steps.size, frequency.size), np.nan)
    phase = amplitude.copy()
    for wave, (cycles, start) in enumerate(zip(frequency / sampling_rate, angle, strict=True)):
        half = int(np.ceil(max(SHORTEST_WINDOW, 1 / cycles) / 2))
        full = (steps >= half) & (steps + half < forecast.shape[0])
        if not full.any():
            continue
        around = 2 * np.pi * cycles * np.arange(-half, half + 1)
        fit = np.linalg.pinv(np.stack([np.sin(around), np.cos(around), np.ones_like(around)], 1))
        column = np.ascontiguousarray(forecast[:, wave], np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(column, 2 * half + 1)
        windows = windows[steps[full] - half]
        windows = np.where(np.isfinite(windows).all(axis=1, keepdims=True), windows, 0.0)
        in_phase, ahead, _ = fit @ windows.T
        turn = np.exp(-1j * (start + 2 * np.pi * cycles * steps[full]))
        phasor = (in_phase + 1j * ahead) * turn
        amplitude[full, wave] = np.abs(phasor)
        alive = np.logical_and.accumulate(np.abs(phasor) >= DEAD)
        phase[full, wave] = np.where(alive, np.unwrap(np.angle(phasor)), np.nan)
    return Track(steps, amplitude, phase)


def frequency_error(track: Track, sampling_rate: float = SAMPLING_RATE) -> np.ndarray:
    """Return how much too high each forecast's frequency is, in Hz, `[wave]`.

    The slope of a line through its phase, up to FREQUENCY_STEPS or until it died; NaN with fewer
    than 10 measurements.
    """
    early = track.steps < FREQUENCY_STEPS
    time, phase = track.steps[early, None] / sampling_rate, track.phase[early]
    measured = np.isfinite(phase)
    number = measured.sum(axis=0)
    middle = np.sum(time * measured, axis=0) / np.maximum(number, 1)
    time = np.where(measured, time - middle, 0.0)
    power = np.where(number >= 10, np.sum(time**2, axis=0), np.nan)
    return np.sum(time * np.nan_to_num(phase), axis=0) / power / (2 * np.pi)


def lost_at(track: Track, limit: float) -> np.ndarray:
    """Return the first step at which each phase is off by more than `limit` radians, or dead.

    `[wave]`, to HOP steps; infinite where the phase held, NaN where it was never measured.
    """
    measured = np.isfinite(track.amplitude)
    held = np.abs(track.phase) <= limit
    lost = measured & ~held
    step = np.where(lost.any(axis=0), track.steps[np.argmax(lost, axis=0)], np.inf)
    return np.where(measured.any(axis=0), step, np.nan)
