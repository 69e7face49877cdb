"""What is learnt: signals as data, the tutorial's sine waves, and what counts as their samples."""

from .observation import observed, real_numbers
from .signal import AHEAD, NO_INPUT, Drawn, Signal, batch_of, checked_signal, draw_ahead
from .sines import (
    FREQUENCY_RANGE,
    OFFSET_RANGE,
    SAMPLING_RATE,
    Sines,
    draw_waves,
    generate_sample,
    sample_batch,
    sample_batches,
    sine,
)
from .tones import Tones

__all__ = [
    "AHEAD",
    "FREQUENCY_RANGE",
    "NO_INPUT",
    "OFFSET_RANGE",
    "SAMPLING_RATE",
    "Drawn",
    "Signal",
    "Sines",
    "Tones",
    "batch_of",
    "checked_signal",
    "draw_ahead",
    "draw_waves",
    "generate_sample",
    "observed",
    "real_numbers",
    "sample_batch",
    "sample_batches",
    "sine",
]
