"""The pictures of a run: which waves a model is tried on, and the files they are drawn to."""

from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from ..model import SineLSTM
from ..plots import Forecast, plot_forecasts, plot_loss
from ..recipe import Recipe
from ..rollout import rollout, rollout_with_spread
from ..sensor import BAND, SensorLSTM
from ..signals.signal import NO_INPUT
from ..signals.tutorial import generate_sample

TEST_FREQUENCIES = (1.1337, 2.1337, 3.1337)  # Hz, the tutorial's
TEST_STEPS = 600
LONG_TEST_STEPS = 1500


class Windows(NamedTuple):
    """What a model is tried on in pictures."""

    titles: list[str]
    truth: np.ndarray  # [past + future, window], a signal's values, NaN where nothing is known
    history: np.ndarray  # [past, window], what is shown, NO_INPUT where nothing is


def picture_windows(recipe: Recipe, steps: int, seed: int) -> Windows:
    """Return windows of a recipe's own signal; of the tutorial's waves, those of its pictures."""
    signal, past = recipe.signal, recipe.past
    if recipe.is_of_the_tutorials_waves:
        waves = picture_waves(past, steps, seed)
        return Windows([f"{frequency:g} Hz" for frequency in TEST_FREQUENCIES], waves, waves[:past])
    steps = signal.test_horizon(steps, max(stage.horizon for stage in recipe.stages))
    windows = signal.held_out(len(TEST_FREQUENCIES), past, steps)
    titles = [f"window {number}" for number in range(1, windows.values.shape[1] + 1)]
    return Windows(titles, windows.values, recipe.observation.shown(windows, past, seed))


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
    stage, past = recipe.stages[number - 1], recipe.past
    horizon = stage.horizon
    name, title = f"stage-{number}-horizon-{horizon}", f"stage {number}, horizon {horizon}"
    plot_loss(
        folder / f"{name}-loss.png",
        losses,
        recipe.display_every,
        f"Training loss: {title} ({shown.all_named(recipe)})",
        recipe.loss_of(stage),
    )

    model, whose = shown.models[shown.replicate], shown.one_named(recipe)
    windows = picture_windows(recipe, TEST_STEPS, shown.seeds[0])
    steps = len(windows.truth) - past
    in_window = title if horizon <= steps else f"{title}, its first {steps} steps"
    # As long for all stages that one program does it; what comes later changes nothing before.
    inputs = np.full((*windows.truth.shape, 1), NO_INPUT, np.float32)
    inputs[:past, :, 0] = windows.history
    plot_forecasts(
        folder / f"{name}-windowed.png",
        _forecasts(recipe, number, windows, _predict(model, inputs)[: past + horizon]),
        past,
        f"Windowed test: {in_window} ({whose})",
        recipe.signal.sampling_rate,
    )
    plot_forecasts(
        folder / f"{name}-stepwise.png",
        _forecasts(recipe, number, windows, _stepwise(model, windows.history, steps)),
        past,
        f"Step-by-step test: {title}, {steps} steps ahead ({whose})",
        recipe.signal.sampling_rate,
    )


def draw_long_term(folder: Path, recipe: Recipe, shown: Shown) -> None:
    """Draw how the final model goes on for LONG_TEST_STEPS steps."""
    windows = picture_windows(recipe, LONG_TEST_STEPS, shown.seeds[0])
    steps = len(windows.truth) - recipe.past
    forecast = _stepwise(shown.models[shown.replicate], windows.history, steps)
    plot_forecasts(
        folder / "long-term.png",
        _forecasts(recipe, len(recipe.stages), windows, forecast),
        recipe.past,
        f"Long-term test: {steps} steps ahead ({shown.one_named(recipe)})",
        recipe.signal.sampling_rate,
    )


@nnx.jit
def _predict(model: SineLSTM, inputs) -> jax.Array:
    return model(inputs)


def _stepwise(model: SineLSTM, history: np.ndarray, steps: int) -> np.ndarray:
    """Return what a rollout answers, `[time, window, output]`, with a spread if there is one."""
    if not isinstance(model, SensorLSTM):
        return np.asarray(rollout(model, history, steps))
    history = np.where(history == NO_INPUT, np.nan, history)  # to it, -2 is a sample as any other
    return np.concatenate(rollout_with_spread(model, history, steps), axis=-1)


def _forecasts(recipe: Recipe, number: int, windows: Windows, outputs) -> list[Forecast]:
    """Return windows and what a model made of them, as far as it goes, in the samples' units.

    Outputs are `[time, window, output]`: forecasts, and their spreads where the model has them,
    which are shown from the first stage on that learns them. The model is that of stage `number`.
    """
    signal = recipe.signal
    learnt = any(stage.error_floor is not None for stage in recipe.stages[:number])
    outputs = np.asarray(outputs)
    predictions, spreads = outputs[:, :, 0], outputs[:, :, 1:]
    shown = np.where(windows.history == NO_INPUT, np.nan, windows.history)
    truth = windows.truth[: len(predictions)]
    is_clean = np.array_equal(shown, truth[: len(shown)], equal_nan=True)
    drawn = [truth, predictions, shown]
    if spreads.size and learnt:
        reach = NormalDist().inv_cdf((1 + BAND) / 2) * spreads[:, :, 0]
        drawn += [predictions - reach, predictions + reach]
    truth, predictions, shown, *edges = (signal.scaling.undo(x).T for x in drawn)
    observed = [None] * len(shown) if is_clean else shown
    lows, highs = edges or [[None] * len(truth)] * 2
    bands = [BAND if edges else None] * len(truth)
    each = zip(windows.titles, truth, predictions, observed, lows, highs, bands, strict=True)
    return [Forecast(*one) for one in each]
