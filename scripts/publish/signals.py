"""`python -m scripts.publish.signals`: draw windows of each signal, docs/images/signals.png."""

from pathlib import Path

import jax
import numpy as np

from sinlstm_jax import Signal, Sines, Tones
from sinlstm_jax.plots import drawing, new_figure, save_figure

from ..pages import IMAGES

WINDOWS, STEPS, SEED = 3, 300, 1
SHOWN = {
    "Sines()": Sines(),
    "Sines(amplitude=(0.3, 2), level=(-1, 1))": Sines(amplitude=(0.3, 2), level=(-1, 1)),
    "Tones(3)": Tones(3),
    "Tones(6, harmonic=True)": Tones(6, harmonic=True),
}


@drawing
def draw(path: Path, signals: dict[str, Signal] = SHOWN) -> None:
    """Draw the first windows that a key draws of each signal, a row for each."""
    figure = new_figure(9, 1.6 * len(signals) + 0.6, layout="constrained")
    rows = figure.subplots(len(signals), sharex=True, squeeze=False)[:, 0]
    for axes, (name, signal) in zip(rows, signals.items(), strict=True):
        values = signal.values(signal.draw(jax.random.key(SEED), WINDOWS), STEPS)
        axes.plot(np.arange(STEPS) / 100, values)
        axes.set_title(name, loc="left", fontsize="medium", family="monospace")
        axes.set(ylabel="signal", xlim=(0, (STEPS - 1) / 100))
        axes.axhline(0, color="0.8", linewidth=0.8, zorder=-1)
    rows[-1].set_xlabel("time (s)")
    save_figure(figure, path)


if __name__ == "__main__":
    draw(IMAGES / "signals.png")
