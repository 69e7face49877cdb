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
from ..recipes import DEFAULT_SEED
from ..runs.loading import load_model, load_pretrained
from ..runs.record import RECORD, read_record
from ..signals.signal import NO_INPUT, SAMPLING_RATE
from ..signals.sines import FREQUENCY_RANGE

SCRIPTS = [
    f"{name}.js" for name in "lstm signal measure words drawing controls main".split()
]  # each uses only those before it
PAST = 100  # steps observed, where no run tells


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


def run_data(path: str | Path, replicate: int | None = None) -> dict:
    """Return what the page knows of a run: each stage that is complete, and its weights.

    A folder without a run's description, or one checkpoint, is a single stage.

    Raises:
      InputError: as `load_model` does, or the weights are not finite.
    """
    path = Path(path)
    name = path.absolute().name
    if not (path / RECORD).is_file():
        return _data(name, [_stage(load_model(path, replicate))])
    run = read_record(path)
    stages = [
        _stage(load_model(path / figures.checkpoint, replicate), figures.horizon)
        for figures in run.figures
    ] or [_stage(load_model(path, replicate))]
    return _data(name, stages, run.recipe, run.seeds[replicate or 0], run.past)


def pretrained_data() -> dict:
    """Return what the page knows of the model that ships: the last stage of `curriculum`."""
    return _data("pretrained", [_stage(load_pretrained())], "curriculum", DEFAULT_SEED)


def _data(
    name: str,
    stages: list[dict],
    recipe: str | None = None,
    seed: int | None = None,
    past: int = PAST,
) -> dict:
    return {
        "name": name,
        "recipe": recipe,
        "seed": seed,
        "past": past,
        "sampling_rate": SAMPLING_RATE,
        "no_input": NO_INPUT,
        "trained_band": FREQUENCY_RANGE,
        "stages": stages,
    }


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
