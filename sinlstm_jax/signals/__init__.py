"""What is learnt: sine waves, as arrays in NumPy and as training batches on the device."""

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
    "sample_batch",
    "sample_batches",
    "sine",
]
