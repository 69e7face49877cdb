"""Dates and times of day in text: their format, and their seconds."""

import re
import warnings
from datetime import UTC, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd

from .words import DAY

FORMATS = (
    "ISO8601",
    *(f"{date}{of_day}" for date in ("%d.%m.%Y", "%d.%m.%y", "%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y",
                                     "%d/%m/%y", "%y/%m/%d", "%d-%m-%Y", "%y-%m-%d", "%d-%m-%y",
                                     "%Y/%m/%d")
      for of_day in (" %H:%M:%S.%f", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", "")),
    *("%Y%m%d", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m%d%H"),
)  # fmt: skip
# As pandas reads what is in no one format, month or day first: slow, so the last that are tried.
MIXED = ("mixed, month first", "mixed, day first")
# What dates may be read as, either of the two.
TURNED = (("%m/%d/", "%d/%m/"), ("%y-%m-%d", "%d-%m-%y"), MIXED)
MOST = 0.8  # share of fields that must be times, for a column to be one of times: some are damaged
OF_DAY = "of day"


def joined(fields: list):
    """Return columns of fields as one of text, with a space between them."""
    first, *others = (_plain(pd.Series(each).astype("string")) for each in fields)
    for more in others:
        first = first + " " + more
    return first


def _plain(text):
    """Return times with a decimal point, and without words for a zone that `Z` stands for.

    Nor is there a comma between a date and a time of day.
    """
    text = text.fillna("").str.strip()
    text = text.str.replace(r"(?<=\d), *(?=\d{1,2}:)", " ", regex=True)
    text = text.str.replace(r"(?<=:\d\d)(,(?=\d)|:(?=\d{3}\b))", ".", regex=True)
    text = text.str.replace(r"\b([ap])\.m\.?$", r"\1m", case=False, regex=True)
    text = text.str.replace(r"\[[^\]]*\]$", "", regex=True)
    return text.str.replace(r"\s*(UTC|GMT)$", "Z", regex=True)


def day_of(seconds: np.ndarray) -> int | None:
    """Return the day of the month of dates that are whole months apart; None of others.

    A month that has no such day has its last one: 31 is the last one of all of them.
    """
    moments = pd.to_datetime(seconds, unit="s")
    days, lengths = moments.day.to_numpy(), moments.days_in_month.to_numpy()
    day = days.max(initial=1)
    apart = np.diff(seconds).min(initial=np.inf)
    whole = bool((moments == moments.normalize()).all()) and apart >= 27 * DAY
    alike = bool((days == np.minimum(day, lengths)).all())
    return int(day) if days.size and whole and alike else None


def format_of(text) -> str | None:
    """Return the format that reads most of some times; of several, in which they go up evenly.

    That is the one in which the fewest steps are missing between them: with day and month
    the wrong way round, midnight is a month.
    """
    for forms in (FORMATS, MIXED):
        found = []
        for form in forms:
            seconds = seconds_of(text, form)
            known = seconds[np.isfinite(seconds)]
            if len(known) < max(1, MOST * len(text)):
                continue
            steps = np.diff(known)
            middle = float(np.median(steps)) if steps.size else 1.0
            missing = round(float(np.ptp(known)) / middle, 1) if middle > 0 else np.inf
            uneven = float(np.std(steps)) if steps.size else 0.0
            backwards = int((steps < 0).sum()) + len(text) - len(known)
            found.append((backwards, missing, uneven, len(found), form))
        if found:
            return min(found)[-1]
    return None


def seconds_of(text, form: str) -> np.ndarray:
    """Return text as seconds, NaN where it is of another format."""
    if form == OF_DAY:
        whole = text.where(text.str.count(":") != 1, text + ":00")
        noon = text.str.contains(r"[ap]m$", case=False, regex=True).fillna(False)
        if noon.any():
            return seconds_of("1970-01-01 " + text, MIXED[0])
        return pd.to_timedelta(whole, errors="coerce").dt.total_seconds().to_numpy(np.float64)
    how: dict[str, Any] = {"format": form}
    if form in MIXED:
        how = {"format": "mixed", "dayfirst": form == MIXED[1]}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of formats that are guessed
            moments = pd.to_datetime(text, errors="coerce", utc=True, **how)
        since = moments - pd.Timestamp(0, tz="UTC")
    except (ValueError, OverflowError):  # dates of centuries that nanoseconds do not reach
        return np.full(len(text), np.nan)
    return since.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)


def zone_of(text) -> timezone | None:
    """Return the zone that times tell, that of the first one; None where they tell none."""
    found = re.search(r"(?:(z|utc|gmt)|([+-])(\d{2}):?(\d{2})?)$", text.iloc[0], re.IGNORECASE)
    if found is None or not re.search(r"[:T]", text.iloc[0][: found.start()]):
        return None
    if found[1]:
        return UTC
    hours, minutes = int(found[3]), int(found[4] or 0)
    return timezone((1 if found[2] == "+" else -1) * timedelta(hours=hours, minutes=minutes))
