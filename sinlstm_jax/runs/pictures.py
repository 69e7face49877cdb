"""The pictures of a run: which waves a model is tried on, and the files they are drawn to."""

from pathlib import Path

import jax
import numpy as np
from flax import nnx

from ..model import SineLSTM
from ..plots import Forecast, plot_forecasts, plot_loss
from ..rollout import rollout
from ..signals import NO_INPUT, generate_sample

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


def draw_stage(
    folder: Path,
    number: int,
    model: SineLSTM,
    losses: np.ndarray,
    *,
    horizon: int,
    past: int,
    average_over: int,
    seed: int,
    whose: str,
    whose_model: str,
) -> None:
    """Draw what stage `number` came to: its losses, its windowed and its step-by-step test.

    Losses are `[replicate, iterations]`; the titles tell `whose` they are, and which replicate's
    the model is, `whose_model`.
    """
    name, title = f"stage-{number}-horizon-{horizon}", f"stage {number}, horizon {horizon}"
    plot_loss(
        folder / f"{name}-loss.png", losses, average_over, f"Training loss: {title} ({whose})"
    )

    waves = picture_waves(past, TEST_STEPS, seed)
    window = waves[: past + horizon]
    inputs = np.array(window[:, :, None], np.float32)
    inputs[past:] = NO_INPUT
    plot_forecasts(
        folder / f"{name}-windowed.png",
        _forecasts(window, _predict(model, inputs)),
        past,
        f"Windowed test: {title} ({whose_model})",
    )
    plot_forecasts(
        folder / f"{name}-stepwise.png",
        _forecasts(waves, rollout(model, waves[:past], TEST_STEPS)),
        past,
        f"Step-by-step test: {title}, {TEST_STEPS} steps ahead ({whose_model})",
    )


def draw_long_term(
    folder: Path, model: SineLSTM, *, past: int, seed: int, whose_model: str
) -> None:
    """Draw how the final model goes on for LONG_TEST_STEPS steps; arguments as `draw_stage`'s."""
    waves = picture_waves(past, LONG_TEST_STEPS, seed)
    plot_forecasts(
        folder / "long-term.png",
        _forecasts(waves, rollout(model, waves[:past], LONG_TEST_STEPS)),
        past,
        f"Long-term test: {LONG_TEST_STEPS} steps ahead ({whose_model})",
    )


@nnx.jit
def _predict(model: SineLSTM, inputs) -> jax.Array:
    return model(inputs)


def _forecasts(waves, predictions) -> list[Forecast]:
    titles = [f"{frequency:g} Hz" for frequency in TEST_FREQUENCIES]
    columns = zip(titles, waves.T, np.asarray(predictions)[:, :, 0].T, strict=True)
    return [Forecast(*column) for column in columns]
