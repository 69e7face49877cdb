"""Forecasts of one series by others, each from the same origins: run by `scripts.recordings`.

Works in an environment of its own, with NumPy and what the extra `peers` names: it takes and leaves
files of NumPy, `python -m scripts.recordings.peers PEER SERIES.npz FORECASTS.npz`.
"""

import logging
import sys
import time
import warnings

import numpy as np

LONGEST_SEASON = {"AutoETS": 24, "AutoARIMA": 12, "MSTL": np.inf}  # told of no season beyond


def filled(values: np.ndarray) -> np.ndarray:
    """Return values with straight lines where some are missing, which the peers do not take."""
    steps, known = np.arange(len(values)), np.isfinite(values)
    return np.interp(steps, steps[known], values[known])


def by_statistics(name: str, values: np.ndarray, first: int, origins, horizon: int, period: int):
    """Fit a model of statsforecast before `first`; forecast from each origin.

    MSTL takes the season off, however long it is, and leaves the rest to AutoETS: where there is no
    season, all.
    """
    from statsforecast import models

    season = period if 1 < period <= LONGEST_SEASON[name] else 1
    without = name if name != "MSTL" else "AutoETS"
    model = getattr(models, without if season == 1 else name)(season_length=season)
    started = time.monotonic()
    model = model.fit(values[:first])
    seconds = time.monotonic() - started
    forecasts = [model.forward(y=values[:origin], h=horizon)["mean"] for origin in origins]
    return np.stack(forecasts, axis=1), seconds


def by_network(name: str, values: np.ndarray, first: int, origins, horizon: int, past: int):
    """Train N-HiTS or an LSTM of neuralforecast, as they come; forecast from each origin."""
    import pandas as pd
    from neuralforecast import NeuralForecast, models

    quiet = dict.fromkeys(
        ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False
    )
    model = getattr(models, name)(h=horizon, input_size=past, accelerator="cpu", **quiet)
    frame = pd.DataFrame({"unique_id": "series", "ds": np.arange(len(values)), "y": values})
    network = NeuralForecast(models=[model], freq=1)
    started = time.monotonic()
    network.fit(frame[:first], val_size=0)
    seconds = time.monotonic() - started
    # All origins at once, each as a series of its own that ends there.
    shown = np.arange(-past, 0)[:, None] + origins
    series = np.broadcast_to(np.arange(len(origins)), shown.shape).T.ravel()
    frame = pd.DataFrame({"unique_id": series, "ds": shown.T.ravel(), "y": values[shown].T.ravel()})
    found = network.predict(frame).sort_values(["unique_id", "ds"])[name].to_numpy()
    return found.reshape(len(origins), horizon).T, seconds


def main(name: str, given: str, left: str) -> None:
    """Forecast the series in a file by one peer, and write what comes and the seconds it took."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    with np.load(given) as file:
        values, first = filled(file["values"]), int(file["first"])
        origins, horizon = file["origins"], int(file["horizon"])
        past, period = int(file["past"]), int(file["period"])
    if name in LONGEST_SEASON:
        forecasts, seconds = by_statistics(name, values, first, origins, horizon, period)
    else:
        forecasts, seconds = by_network(name, values, first, origins, horizon, past)
    np.savez(left, forecasts=forecasts, seconds=seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
