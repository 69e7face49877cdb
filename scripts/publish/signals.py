"""`python -m scripts.publish.signals`: draw windows of each signal, docs/images/signals.png."""

from pathlib import Path

import jax
import numpy as np

from sinlstm_jax import Observation, Recording, Signal, Sines, Tones
from sinlstm_jax.palette import BASELINES, GUIDE, OBSERVED, TRUTH, WIDE
from sinlstm_jax.plots import drawing, legend_below, new_figure, save_figure
from sinlstm_jax.signals.signal import NO_INPUT

from ..pages import IMAGES

WINDOWS, STEPS, PAST, SEED = 3, 300, 150, 1


def tide(steps: int = 4000) -> np.ndarray:
    """Return made-up water levels in m, `[time]`: two tides, some noise, and a gap."""
    step = np.arange(steps)
    level = 2.1 + 1.4 * np.sin(2 * np.pi * step / 74.5) + 0.4 * np.sin(2 * np.pi * step / 72)
    level += 0.05 * np.random.default_rng(0).standard_normal(steps)
    level[200:1100:110] = np.nan
    return level


samples = tide()
SHOWN = {
    "Sines()": Sines(),
    "Sines(amplitude=(0.3, 2), level=(-1, 1))": Sines(amplitude=(0.3, 2), level=(-1, 1)),
    "Tones(3)": Tones(3),
    "Tones(6, harmonic=True)": Tones(6, harmonic=True),
    "Recording(samples, sampling_rate=1 / 600)": Recording(samples, sampling_rate=1 / 600),
}
SPOILT = Observation(noise=(0.05, 0.2), missing=(0, 0.5), gap=(20, 40), shortest_past=100)


@drawing
def draw(path: Path, signals: dict[str, Signal] = SHOWN) -> None:
    """Draw the first windows that a key draws of each signal, a row for each, and one observed."""
    figure = new_figure(9, 1.6 * (len(signals) + 1) + 0.6, layout="constrained")
    *rows, last = figure.subplots(len(signals) + 1, squeeze=False)[:, 0]
    for axes, (name, signal) in zip(rows, signals.items(), strict=True):
        values = signal.values(signal.draw(jax.random.key(SEED), WINDOWS), STEPS)
        _row(axes, name, signal.sampling_rate)
        axes.set_prop_cycle(color=BASELINES, linestyle=("-", "--", "-."))
        axes.plot(np.arange(STEPS) / signal.sampling_rate, values)
        if signal.scaling != Signal.scaling:
            axes.set_ylabel("scaled")
    windows = Sines().held_out(1, PAST, STEPS - PAST)
    shown = SPOILT.shown(windows, PAST, SEED)[:, 0]
    seconds = np.arange(STEPS) / 100
    _row(last, f"{SPOILT.in_words()}, of Sines()", 100)
    last.plot(seconds, windows.values[:, 0], color=TRUTH, label="target", **WIDE)
    there = shown != NO_INPUT
    last.plot(seconds[:PAST][there], shown[there], ".", color=OBSERVED, markersize=4, label="shown")
    legend_below(figure)
    save_figure(figure, path)


def _row(axes, name: str, sampling_rate: float) -> None:
    axes.set_title(name, loc="left", fontsize="medium", family="monospace")
    axes.set(ylabel="signal", xlim=(0, (STEPS - 1) / sampling_rate), xlabel="time (s)")
    axes.axhline(0, color=GUIDE, alpha=0.5, linewidth=0.8, zorder=-1)


if __name__ == "__main__":
    draw(IMAGES / "signals.png")
