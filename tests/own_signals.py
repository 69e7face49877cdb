"""Recipes of seconds on each kind of signal, as a user would write them in a module."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from sinlstm_jax import Observation, Recipe, Recording, Signal, Sines, Stage, Tones


@jax.tree_util.register_static
@dataclass(frozen=True)
class Sawtooth(Signal):
    """A saw of a random frequency."""

    highest: float = 4.0  # Hz

    def draw(self, key, batch_size):
        frequency, offset = jax.random.uniform(key, (2, batch_size))
        return 0.5 + (self.highest - 0.5) * frequency, offset

    def values(self, drawn, steps):
        frequency, offset = drawn
        seconds = jnp.arange(steps)[:, None] / self.sampling_rate
        return 2 * ((frequency[None] * seconds + offset[None]) % 1) - 1


def recorded(samples=2500):
    """A slow wave around 40 with a fast one on it, some of it missing."""
    step = np.arange(samples)
    values = 40 + 3 * np.sin(0.11 * step) + 0.5 * np.sin(0.4 * step + 1)
    values[100:140] = np.nan
    return values


SIGNALS = {
    "sines": {
        "signal": Sines((5, 40), amplitude=(0.5, 2), level=(-1, 1), sampling_rate=1000),
    },
    "tones": {"signal": Tones(2)},
    "recordings": {"signal": Recording([recorded(2500), recorded(2100)[::-1]], 25, held_out=0.3)},
    "observed": {
        "signal": Tones(3, frequency=(0.5, 2), harmonic=True, sampling_rate=50),
        "observation": Observation(noise=(0, 0.2), missing=(0, 0.5), gap=(0, 8), shortest_past=10),
    },
    "sensor": {
        "signal": Sines(amplitude=(0.5, 2), level=(-3, 9)),
        "observation": Observation(noise=(0, 0.2), noise_power=1.5, shortest_past=10),
        "network": "SensorLSTM",
        "stages": (Stage(10, 30), Stage(20, 20, error_floor=0.01)),
    },
    "sawtooth": {"signal": Sawtooth(3.0)},
}
RECIPES = {
    name: Recipe(
        name,
        "for tests",
        display_every=10,
        past=20,
        batch_size=2,
        hidden_size=3,
        **{"stages": (Stage(10, 30), Stage(20, 20)), **settings},
    )
    for name, settings in SIGNALS.items()
}
globals().update(RECIPES)  # each by its name, for --recipe own_signals:NAME
