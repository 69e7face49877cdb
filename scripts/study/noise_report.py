"""What noise and gaps cost, in tables and a picture; of `sensor`, by what it observed."""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sinlstm_jax.evaluation.bands import INTERVALS
from sinlstm_jax.evaluation.baselines import sine_fit
from sinlstm_jax.evaluation.errors import HELD_OUT_WAVES
from sinlstm_jax.evaluation.limit import limit_forecast
from sinlstm_jax.evaluation.sines import held_out_sines
from sinlstm_jax.evaluation.windows import SPOILINGS, Spoiling, error_after, robustness
from sinlstm_jax.palette import BASELINES, GUIDE, SHADE
from sinlstm_jax.plots import legend_below, save_figure
from sinlstm_jax.sensor import BAND
from sinlstm_jax.signals.sines import SINES

from ..pages import markdown
from .bars import as_array
from .pasts import LIMIT_NOISES, LIMIT_PASTS, PASTS

SPEEDS = ("from 1 Hz up", "below 1 Hz")
CALIBRATED = (0.88, 0.92)  # what bands of 90 % are to hold
GAPS = [number for number, each in enumerate(SPOILINGS) if not each.noise]  # and what is clean


def spoilt_table(study: dict) -> str:
    """Lay out the median seed's error over 400 steps, after noise and gaps in 100 observed.

    Beside the least that is possible where amplitude 1 and level 0 are known, and a sine fit.
    """
    windows, past = held_out_sines(SINES, HELD_OUT_WAVES).windows(500), 100
    limits = [""] * len(SPOILINGS)
    for number, spoiling in enumerate(SPOILINGS):
        if spoiling.noise in LIMIT_NOISES:
            limit = partial(limit_forecast, noise=spoiling.noise)
            limits[number] = f"{error_after(spoiling, limit, windows, past):.2g}"
        elif not spoiling.noise:
            limits[number] = "0"
    rows = [["the limit", *limits]]
    rows.append(["sine fit", *(f"{each:.2g}" for each in robustness(sine_fit, windows, past))])
    for name, result in study.items():
        if "robustness" in result:
            medians = np.median(as_array(result["robustness"]), axis=0)
            rows.append([name, *(f"{median:.2g}" for median in medians)])
    return markdown(["", *(each.in_words() for each in SPOILINGS)], rows)


def sensor_tables(result: dict, references: dict) -> str:
    """Return what docs/results.md shows of `sensor`: tables and a picture, each with its words."""
    without = "Without noise, and with samples missing, where a limit and a fit have no error:"
    bands = "What its bands of 90 % hold, by the median seed; least and most of three intervals:"
    picture = "![Shares that bands of 90 % hold, a mark for each seed](images/study-bands.png)"
    tables = limit_table(result, references), without, gaps_table(result), bands
    return "\n\n".join([*tables, bands_table(result), picture])


def limit_table(result: dict, references: dict) -> str:
    """Lay out errors after noise, as multiples of the limit: the fit's, and over the seeds."""
    errors = np.array(result["by_past"], float)  # [seed, past, spoiling, speed]
    limit, fit = (np.array(references[name], float) for name in ("limit", "fit"))
    rows = []
    for (p, past), (n, noise) in product(enumerate(LIMIT_PASTS), enumerate(LIMIT_NOISES)):
        row = [past, noise]
        for speed, of_limit in enumerate(limit[p, n]):
            ratios = (
                errors[:, PASTS.index(past), SPOILINGS.index(Spoiling(noise)), speed] / of_limit
            )
            row += [f"{of_limit:.2g}", f"{fit[p, n, speed] / of_limit:.2f}"]
            row.append(f"{np.median(ratios):.2f}, worst {ratios.max():.2f}")
        rows.append(row)
    columns = [f"{what}, {speed}" for speed in SPEEDS for what in ("limit", "fit", "`sensor`")]
    return markdown(["steps observed", "noise", *columns], rows)


def changes_table(changes: dict, references: dict) -> str:
    """Lay out a short form of `sensor` and single changes to it, from 1 Hz up, over the seeds.

    Multiples of the limit after noise, and errors without it.
    """
    limit, fast = np.array(references["limit"], float), 0
    noisy = list(product((LIMIT_PASTS[0], LIMIT_PASTS[-1]), LIMIT_NOISES))
    rows = []
    for name, result in changes.items():
        errors = as_array(result["by_past"])[..., fast]  # [seed, past, spoiling]
        cells = [
            errors[:, PASTS.index(past), SPOILINGS.index(Spoiling(noise))]
            / limit[LIMIT_PASTS.index(past), LIMIT_NOISES.index(noise), fast]
            for past, noise in noisy
        ]
        cells = [f"{np.median(each):.2f}, worst {each.max():.2f}" for each in cells]
        of_100 = errors[:, PASTS.index(LIMIT_PASTS[0])]
        for number in (SPOILINGS.index(Spoiling()), SPOILINGS.index(Spoiling(missing=0.5))):
            cells.append(f"{np.median(of_100[:, number]):.2g}")
        rows.append([name, len(errors), *cells])
    names = [f"noise {noise:g}, {past} observed" for past, noise in noisy]
    past = LIMIT_PASTS[0]
    columns = ["seeds", *names, f"clean, {past} observed", f"half missing, {past} observed"]
    return markdown(["", *columns], rows)


def gaps_table(result: dict) -> str:
    """Lay out errors without noise, of which the limit is 0, over the seeds."""
    errors = np.array(result["by_past"], float)
    rows = []
    for p, past in enumerate(PASTS):
        for speed, words in enumerate(SPEEDS):
            values = errors[:, p, GAPS, speed].T
            cells = [
                f"{np.median(of_seeds):.2g}, worst {of_seeds.max():.2g}" for of_seeds in values
            ]
            rows.append([past, words, *cells])
    names = [SPOILINGS[number].in_words() for number in GAPS]
    return markdown(["steps observed", "waves", *names], rows)


def bands_table(result: dict) -> str:
    """Lay out what bands of 90 % hold: the median seed's least and most over the intervals."""
    held = np.median(np.array(result["held"], float), axis=0)  # [past, spoiling, interval]
    rows = []
    for s, spoiling in enumerate(SPOILINGS):
        shares = [(row.min(), row.max()) for row in held[:, s]]
        rows.append([spoiling.in_words(), *(f"{low:.0%} to {high:.0%}" for low, high in shares)])
    return markdown(["history", *(f"{past} observed" for past in PASTS)], rows)


def plot_bands(path: Path, result: dict) -> None:
    """Draw what bands of 90 % hold, a panel for each past and a mark for each seed."""
    held = np.array(result["held"], float)
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    panels = figure.subplots(1, len(PASTS), sharey=True)
    for p, (axes, past) in enumerate(zip(panels, PASTS, strict=True)):
        axes.axvspan(*CALIBRATED, color=SHADE, linewidth=0)
        axes.axvline(BAND, color=GUIDE, linestyle=":")
        for i, (first, last) in enumerate(INTERVALS):
            for s in range(len(SPOILINGS)):
                rows = np.full(len(held), s + (i - 1) * 0.25)
                label = f"steps {first} to {last}" if s == 0 and p == 0 else None
                axes.plot(
                    held[:, p, s, i], rows, "osD"[i], color=BASELINES[i], markersize=4, alpha=0.7
                )
                axes.lines[-1].set_label(label)
        axes.set(title=f"{past} steps observed", xlabel="share held", xlim=(0.3, 1.02))
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(SPOILINGS)), [each.in_words() for each in SPOILINGS])
    panels[0].invert_yaxis()
    legend_below(figure)
    figure.suptitle("What bands of 90 % hold of what comes; shaded: 88 to 92 %")
    save_figure(figure, path)
