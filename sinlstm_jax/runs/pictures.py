"""The pictures of a run: which waves a model is tried on, and the files they are drawn to."""

from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from ..model import SineLSTM
from ..plots import Forecast, plot_forecasts, plot_loss
from ..recipes import Recipe
from ..rollout import rollout
from ..signals.signal import NO_INPUT
from ..signals.tutorial import generate_sample

TEST_FREQUENCIES = (1.1337, 2.1337, 3.1337)  # Hz, the tutorial's
TEST_STEPS = 600
LONG_TEST_STEPS = 1500


def picture_waves(past: int, future: int, seed: int) -> np.ndarray:
    """Return one wave per test frequency, `[past + future, 3]`, float64, phases from the seed."""
    rng = np.random.default_rng(seed)
    series = []
    for frequency in TEST_FREQUENCIES:
        _, observed, _, continuation = generate_sample(
            frequency, predict=future, samples=past, rng=rng
        )
        series.append(np.concatenate([observed[0], continuation[0]]))
    return np.stack(series, axis=1)


class Shown(NamedTuple):
    """Whose pictures they are: all seeds of a run, and the replicate that is shown of them."""

    seeds: list[int]
    replicate: int
    models: list[SineLSTM]  # one for each seed

    def all_named(self, recipe: Recipe) -> str:
        """Return what a picture of all replicates calls them."""
        if len(self.seeds) == 1:
            return f"{recipe.name}, seed {self.seeds[0]}"
        return f"{recipe.name}, seeds {self.seeds[0]} to {self.seeds[-1]}"

    def one_named(self, recipe: Recipe) -> str:
        """Return what a picture of the one that is shown calls it."""
        if len(self.seeds) == 1:
            return f"{recipe.name}, seed {self.seeds[0]}"
        seed = self.seeds[self.replicate]
        return f"{recipe.name}, seed {seed}, the median of {len(self.seeds)}"


def draw_stage(folder: Path, recipe: Recipe, number: int, shown: Shown, losses: np.ndarray) -> None:
    """Draw what stage `number` came to: its losses, its windowed and its step-by-step test.

    Losses are `[replicate, iterations]`, of all replicates.
    """
    horizon, past = recipe.stages[number - 1].horizon, recipe.past
    name, title = f"stage-{number}-horizon-{horizon}", f"stage {number}, horizon {horizon}"
    plot_loss(
        folder / f"{name}-loss.png",
        losses,
        recipe.display_every,
        f"Training loss: {title} ({shown.all_named(recipe)})",
    )

    model, whose = shown.models[shown.replicate], shown.one_named(recipe)
    waves = picture_waves(past, TEST_STEPS, shown.seeds[0])
    # As long for all stages that one program does it; what comes later changes nothing before.
    inputs = np.array(waves[:, :, None], np.float32)
    inputs[past:] = NO_INPUT
    plot_forecasts(
        folder / f"{name}-windowed.png",
        _forecasts(waves[: past + horizon], _predict(model, inputs)[: past + horizon]),
        past,
        f"Windowed test: {title} ({whose})",
    )
    plot_forecasts(
        folder / f"{name}-stepwise.png",
        _forecasts(waves, rollout(model, waves[:past], TEST_STEPS)),
        past,
        f"Step-by-step test: {title}, {TEST_STEPS} steps ahead ({whose})",
    )


def draw_long_term(folder: Path, recipe: Recipe, shown: Shown) -> None:
    """Draw how the final model goes on for LONG_TEST_STEPS steps."""
    waves = picture_waves(recipe.past, LONG_TEST_STEPS, shown.seeds[0])
    forecast = rollout(shown.models[shown.replicate], waves[: recipe.past], LONG_TEST_STEPS)
    plot_forecasts(
        folder / "long-term.png",
        _forecasts(waves, forecast),
        recipe.past,
        f"Long-term test: {LONG_TEST_STEPS} steps ahead ({shown.one_named(recipe)})",
    )


@nnx.jit
def _predict(model: SineLSTM, inputs) -> jax.Array:
    return model(inputs)


def _forecasts(waves, predictions) -> list[Forecast]:
    titles = [f"{frequency:g} Hz" for frequency in TEST_FREQUENCIES]
    columns = zip(titles, waves.T, np.asarray(predictions)[:, :, 0].T, strict=True)
    return [Forecast(*column) for column in columns]
