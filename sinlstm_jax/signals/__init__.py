"""What is learnt: sine waves, in NumPy and on the device, and what counts as their samples."""

from .observation import observed, real_numbers
from .sines import (
    FREQUENCY_RANGE,
    NO_INPUT,
    OFFSET_RANGE,
    SAMPLING_RATE,
    batch_of_waves,
    draw_waves,
    generate_sample,
    sample_batch,
    sample_batches,
    sine,
)

__all__ = [
    "FREQUENCY_RANGE",
    "NO_INPUT",
    "OFFSET_RANGE",
    "SAMPLING_RATE",
    "batch_of_waves",
    "draw_waves",
    "generate_sample",
    "observed",
    "real_numbers",
    "sample_batch",
    "sample_batches",
    "sine",
]
