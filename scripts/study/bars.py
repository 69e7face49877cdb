"""What was wanted of the recipes, and what came."""

import numpy as np

from sinlstm_jax.evaluation.windows import SPOILINGS, Spoiling

from ..pages import markdown
from .pasts import LIMIT_NOISES, LIMIT_PASTS, PASTS

HALF = SPOILINGS.index(Spoiling(missing=0.5))
NOISES = [SPOILINGS.index(Spoiling(noise)) for noise in LIMIT_NOISES]


def bars(study: dict, references: dict | None = None) -> str:
    """Lay out, for each recipe there is, what was wanted of it and what came.

    `references` are those of `pasts.references`, for networks that observe as long as they like.
    """
    known = {"tuned": _tuned, "fast": _fast, "noisy": _noisy, "long": _long}
    wanted = []
    for name in (name for name in known if name in study):
        wanted += [(name, *row) for row in known[name](study[name])]
    if references is not None and "sensor" in study:
        wanted += [("sensor", *row) for row in _sensor(study["sensor"], references)]
    rows = [
        [f"`{recipe}`", what, f"{most:.3g}", f"{came:.3g}", "met" if came <= most else "**missed**"]
        for recipe, what, most, came in wanted
    ]
    return markdown(["recipe", "figure", "wanted at most", "came out", ""], rows)


def _tuned(result: dict) -> list[tuple]:
    errors = as_array(result["errors"]).T
    worst = f"worst of {errors.shape[1]} seeds, steps"
    return [
        _steps(result, 15.1),
        (f"{worst} 400 to 900", 0.01, errors[1].max()),
        (f"{worst} 900 to 1500", 0.02, errors[2].max()),
        ("median, steps 900 to 1500", 0.001, np.median(errors[2])),
        ("median, steps 1500 to 5000", 0.05, np.median(errors[3])),
    ]


def _fast(result: dict) -> list[tuple]:
    loss = as_array(result["average_loss"])[:, result["horizons"].index(400)]
    worst = f"worst of {loss.size} seeds, loss of the horizon-400 stage"
    return [_steps(result, 15.1 / 5), (worst, 0.02, loss.max())]


def _noisy(result: dict) -> list[tuple]:
    errors, spoilt = as_array(result["errors"]).T, as_array(result["robustness"]).T
    rows, most_of_noises = [], ((0.0103, 0.0125), (0.041, 0.05))
    for noise, row, most in zip(LIMIT_NOISES, NOISES, most_of_noises, strict=True):
        words, came = f"noise {noise:g}, steps 0 to 400", spoilt[row]
        rows.append((f"median, {words}", most[0], np.median(came)))
        rows.append((f"worst of {came.size} seeds, {words}", most[1], came.max()))
    return [
        _steps(result, 15.1),
        *rows,
        ("median, half of the samples missing", 0.002, np.median(spoilt[HALF])),
        ("median, clean, steps 0 to 400", 0.0003, np.median(errors[0])),
        ("median, clean, steps 900 to 1500", 0.003, np.median(errors[2])),
    ]


def _long(result: dict) -> list[tuple]:
    last = as_array(result["errors"])[:, -1]
    worst = f"worst of {last.size} seeds, steps 5000 to 10000"
    return [_steps(result, 100), (worst, 0.05, last.max())]


def _sensor(result: dict, references: dict) -> list[tuple]:
    """After 100 steps and more: as multiples of the limit where there is noise."""
    rows = [PASTS.index(past) for past in LIMIT_PASTS]
    errors = as_array(result["by_past"])[:, rows]  # [seed, past, spoiling, speed]
    ratios = errors[:, :, NOISES] / np.array(references["limit"])
    medians, worst = np.median(ratios, axis=0), ratios.max(axis=(0, 1, 2))
    clean, half = np.median(errors[:, :, [0, HALF], 0], axis=0).max(axis=0)
    held = np.median(as_array(result["held"])[:, rows], axis=0)
    return [
        _steps(result, 40),
        ("times the limit, from 1 Hz up: the largest median", 1.15, medians[..., 0].max()),
        (f"times the limit, from 1 Hz up: worst of {len(errors)} seeds", 1.4, worst[0]),
        ("times the limit, below 1 Hz: the largest median", 1.1, medians[..., 1].max()),
        ("from 1 Hz up, half of the samples missing: the largest median", 0.001, half),
        ("from 1 Hz up, clean: the largest median", 0.0005, clean),
        ("bands of 90 %: how far their median shares are from it", 0.02, np.abs(held - 0.9).max()),
    ]


def _steps(result: dict, most: float) -> tuple:
    return "iteration-steps, millions", most, result["iteration_steps"] / 1e6


def as_array(rows) -> np.ndarray:
    """Return figures as an array; what was not finite as infinity."""
    values = np.array(rows, float)
    return np.where(np.isnan(values), np.inf, values)
