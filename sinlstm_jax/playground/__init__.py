"""A page to play with: one HTML file that runs a run's models in the browser.

page.html holds the places that page.css, the scripts and the weights are put into.
"""

import html
import json
import re
from importlib import resources
from pathlib import Path

import jax
import numpy as np

from ..errors import InputError
from ..files import replacing
from ..model import SineLSTM, split_model
from ..recipe import TRAINED_SAMPLES
from ..recipes import DEFAULT_SEED, RECIPES, SHIPPED
from ..runs.loading import load_model
from ..runs.pretrained import load_pretrained
from ..runs.record import RECORD, RunRecord
from ..runs.signals import load_signal, record_of
from ..signals.observation import CLEAN
from ..signals.signal import NO_INPUT, Signal
from ..signals.sines import SINES, Sines
from ..signals.tones import Tones

SCRIPTS = [
    f"{name}.js" for name in "lstm signal measure words learnt drawing controls main".split()
]  # each uses only those before it
KNOWN = (Sines, Tones)  # whose waves the page draws itself
MOST_WINDOWS = 12  # of any other signal
MOST_STEPS = 1500  # of their forecast
MOST_NUMBERS = 12_000  # in all of them: some 100 KiB


def write_page(data: dict, path: Path) -> None:
    """Write the page of some models, as `page` makes it, whole or not at all.

    Raises:
      InputError: the file's name does not end in .html, or it cannot be written.
    """
    if path.suffix.lower() != ".html":
        raise InputError(f"{path} does not end in .html: give the page a name that does")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(page(data), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): give another") from None


def page(data: dict) -> str:
    """Return the page as text: needs no other file, no network, and nothing from elsewhere."""
    parts = {
        "title": html.escape(f"Sine LSTM playground: {data['name']}"),
        "style": _source("page.css"),
        "script": "\n".join(map(_source, SCRIPTS)),
        # In a script element only `</script` and `<!--` end or change anything.
        "data": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", r"\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _source("page.html"))


def run_data(path: str | Path, replicate: int | None = None, own: Signal | None = None) -> dict:
    """Return what the page knows of a run: each stage that is complete, and what it learnt.

    A folder without a run's description, or one checkpoint, is a single stage. A signal of a
    user's own class is given as `own`.

    Raises:
      InputError: as `load_model` and `load_signal` do, or the weights are not finite.
    """
    path = Path(path)
    name = path.absolute().name
    record = record_of(path)  # of the run that a checkpoint is of, too
    if record is None or not (path / RECORD).is_file():
        stages = [_stage(load_model(path, replicate))]
        return _data(name, stages, signal=load_signal(path, own), record=record)
    stages = [
        _stage(load_model(path / figures.checkpoint, replicate), figures.horizon)
        for figures in record.figures
    ] or [_stage(load_model(path, replicate))]
    origin = {"recipe": record.recipe, "seed": record.seeds[replicate or 0]}
    return _data(name, stages, **origin, signal=load_signal(path, own), record=record)


def pretrained_data(name: str = SHIPPED[0]) -> dict:
    """Return what the page knows of a model that ships: the last stage of its recipe."""
    recipe, stages = RECIPES[name], [_stage(load_pretrained(name))]
    observed = {"past": recipe.past, "observation": recipe.observation.describe()}
    told = {"recipe": name, "seed": DEFAULT_SEED, "signal": recipe.signal}
    return _data(name, stages, **told) | observed


def _data(
    name: str,
    stages: list[dict],
    *,
    recipe: str | None = None,
    seed: int | None = None,
    signal: Signal = SINES,
    record: RunRecord | None = None,
) -> dict:
    past = TRAINED_SAMPLES if record is None else record.past
    scaling = {"scaling": signal.scaling._asdict()}
    return {
        "name": name,
        "recipe": recipe,
        "seed": seed,
        "past": past,
        "no_input": NO_INPUT,
        "signal": signal.describe() | {"sampling_rate": signal.sampling_rate} | scaling,
        "is_tutorials": signal == SINES,
        "observation": CLEAN.describe() if record is None else record.observation,
        "windows": None if type(signal) in KNOWN else _windows(signal, past, record),
        "stages": stages,
    }


def _windows(signal: Signal, past: int, record: RunRecord | None) -> dict:
    """Return windows of a signal whose law the page does not know, and their amplitudes.

    Values are `[window, past + horizon]`, as the network sees them; None where nothing is known.
    """
    trained = max((stage.horizon for stage in record.figures), default=1) if record else 1
    horizon = signal.test_horizon(MOST_STEPS, trained)
    count = min(MOST_WINDOWS, max(1, MOST_NUMBERS // (past + horizon)))
    values, amplitude = signal.held_out(count, past, horizon)
    return {
        "values": [[_short(value) for value in window] for window in np.asarray(values).T],
        "amplitude": [_short(value) for value in amplitude],
    }


def _short(value) -> float | None:
    """Return a number in five digits, or None for one that is not finite."""
    return float(f"{value:.5g}") if np.isfinite(value) else None


def _stage(model: SineLSTM, horizon: int | None = None) -> dict:
    """Return a stage: the horizon it was trained to, None if unknown, and the model's arrays."""
    _, weights, frozen = split_model(model)
    weights["cell"]["input_bias"] = frozen["cell"]["input_bias"]
    return {"horizon": horizon, "weights": jax.tree.map(_decimals, weights)}


def _decimals(array: jax.Array) -> list:
    """Return an array as nested lists of the shortest decimals that read back as its float32s."""
    values = np.asarray(array, np.float32)
    if not np.isfinite(values).all():
        raise InputError("the model holds weights that are not finite: give another")
    return np.vectorize(lambda value: float(str(value)), otypes=[float])(values).tolist()


def _source(name: str) -> str:
    return resources.files("sinlstm_jax.playground").joinpath(name).read_text(encoding="utf-8")
