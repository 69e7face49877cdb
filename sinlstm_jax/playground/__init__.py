"""A page to play with: one HTML file that runs models in the browser.

page.html holds the places that page.css, the scripts and the weights are put into.
"""

import base64
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
from ..runs.loading import has_ensemble, load_model
from ..runs.pretrained import load_pretrained
from ..runs.record import RECORD, RunRecord
from ..runs.signals import load_signal, record_of
from ..signals.observation import CLEAN
from ..signals.signal import NO_INPUT, Signal
from ..signals.sines import SINES, Sines
from ..signals.tones import Tones

SCRIPTS = [
    f"{name}.js"
    for name in (
        "lstm signal sinefit limit measure words learnt presets address drawing charts "
        "controls strokes cards main"
    ).split()
]  # each uses only those before it
COMMENT = re.compile(r"^ *(//.*|/\*\*[\s\S]*?\*/)\n", re.MULTILINE)  # they stay in the sources
KNOWN = (Sines, Tones)  # whose waves the page draws itself
MOST_WINDOWS = 12  # of any other signal
MOST_STEPS = 1500  # of their forecast
MOST_NUMBERS = 12_000  # in all of them: some 100 KiB
ABOUT = {  # the models that ship, best first: what each is called, and what it is good for
    "sensor": (
        "For sensors",
        "takes noise, gaps and any units, after 20 to 300 samples, and says how sure it is",
    ),
    "tuned": (
        "Tuned",
        "the tutorial's network, trained better: clean waves of amplitude 1, and nothing else",
    ),
    "long": (
        "Long",
        "holds clean waves of amplitude 1 longest, for 100 seconds, and takes nothing else",
    ),
    "curriculum": (
        "The tutorial\u2019s",
        "trained as the tutorial does, in stages; after a few seconds it drifts off",
    ),
}


def write_page(models: list[dict], path: Path) -> None:
    """Write the page of some models, as `page` makes it, whole or not at all.

    Raises:
      InputError: the file's name does not end in .html, or it cannot be written.
    """
    if path.suffix.lower() != ".html":
        raise InputError(f"{path} does not end in .html: give the page a name that does")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_text(page(models), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): give another") from None


def page(models: list[dict]) -> str:
    """Return the page as text: needs no other file, no network, and nothing from elsewhere.

    Several models are shown side by side; they have learnt the same signal.
    """
    title = "What comes next?" if len(models) > 1 else models[0]["name"]
    parts = {
        "title": html.escape(f"Sine LSTM playground: {title}"),
        "style": _source("page.css"),
        "script": "\n".join(COMMENT.sub("", _source(name)) for name in SCRIPTS),
        # In a script element only `</script` and `<!--` end or change anything.
        "data": json.dumps(models, separators=(",", ":"), allow_nan=False).replace("<", r"\u003c"),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _source("page.html"))


def shipped_data(curriculum: str | Path) -> list[dict]:
    """Return what the page knows of all models that ship, best first.

    Args:
      curriculum: folder of the run that the shipped curriculum is of, for its earlier stages.

    Raises:
      InputError: as `run_data` does, or the run ended with other weights than those that ship.
    """
    models = [pretrained_data(name) for name in ABOUT]
    stages = run_data(curriculum)["stages"]
    tutorials = models[[*ABOUT].index("curriculum")]
    if stages[-1]["weights"] != tutorials["stages"][0]["weights"]:
        raise InputError(
            f"{curriculum} did not end with the weights that ship: give the run that they are of"
        )
    tutorials["stages"] = stages
    return models


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
    if replicate is None and has_ensemble(path):  # the one model that the replicates became
        stages = [_stage(load_model(path), record.figures[-1].horizon)]
    else:
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
    title, about = ABOUT[name]
    return _data(name, stages, **told) | observed | {"title": title, "about": about}


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
        "title": None,  # of the models that ship
        "about": None,
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
    return {"horizon": horizon, "weights": jax.tree.map(_base64, weights)}


def _base64(array: jax.Array) -> str:
    """Return an array's float32s, row by row and little-endian, as base64: exact, and small."""
    values = np.asarray(array, "<f4")
    if not np.isfinite(values).all():
        raise InputError("the model holds weights that are not finite: give another")
    return base64.b64encode(values.tobytes()).decode("ascii")


def _source(name: str) -> str:
    return resources.files("sinlstm_jax.playground").joinpath(name).read_text(encoding="utf-8")
