"""Files of all layouts, put together by chance, against the samples that they were written from."""

import datetime

import numpy as np
import pytest

from sinlstm_jax.measurements.reader import latest, pieces, survey
from sinlstm_jax.measurements.reading import Reading

BEGIN = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
TIMES = {  # names, units, and fields of a moment
    "seconds": (["time"], ["s"], lambda at: [f"{(at - BEGIN).total_seconds():.0f}"]),
    "ISO 8601": (["timestamp"], [""], lambda at: [at.isoformat()]),
    "two columns": (["Date", "Time"], ["", ""], lambda at: f"{at:%Y-%m-%d %H:%M:%S}".split()),
    "German": (["Zeit"], [""], lambda at: [f"{at:%d.%m.%Y %H:%M:%S}"]),
    "since 1970": (["ts"], ["s"], lambda at: [f"{at.timestamp():.0f}"]),
}
SETTINGS = [["Serial", "12"], ["Interval", "5"]]


def drawn_samples(rng):
    """Return (values, seconds a step): a wave with noise, some samples missing."""
    count = int(rng.choice([12, 40, 120]))
    values = np.round(20 + 3 * np.sin(np.arange(count) / 7) + rng.normal(size=count), 3)
    is_missing = rng.uniform(size=count) < rng.choice([0, 0.1, 0.5])
    values[is_missing & (np.arange(count) > 3)] = np.nan
    return values, int(rng.choice([7, 60, 3600]))


def drawn_file(rng, values, step, form, above):
    """Return (text, number of the samples' column) of a file that holds them among other things."""
    steps = range(len(values))
    names, units, fields = TIMES[form]
    moments = [BEGIN + datetime.timedelta(seconds=step * i) for i in steps]
    columns = [list(column) for column in zip(*map(fields, moments), strict=True)]
    if rng.uniform() < 0.3:
        names, units = [*names, "state"], [*units, ""]
        columns.append(list(rng.choice(["ok", "warn", "door 3"], len(values))))
    if rng.uniform() < 0.3:
        names, units = ["#", *names], ["", *units]
        columns.insert(0, [f"{i + 1}" for i in steps])
    number, nothing = len(names), rng.choice(["", "NA", "nan"])
    names, units = [*names, "temp"], [*units, "C"]
    columns.append([nothing if np.isnan(x) else f"{x}" for x in values])
    if rng.uniform() < 0.3:
        names, units = [*names, "hum"], [*units, "%"]
        columns.append([f"{50 + i % 3}" for i in steps])
    if rng.uniform() < 0.2:
        columns.append([""] * len(values))  # a delimiter at the end, which the names lack
    titles = {"title": [["Station 7"]], "settings": SETTINGS}.get(above, [])
    head = {"nothing": [], "units": [names, units]}.get(above, [*titles, names])
    rows = [*head, *zip(*columns, strict=True)]
    delimiter = rng.choice([",", ";", "\t"])
    return "".join(delimiter.join(row) + "\n" for row in rows), number


@pytest.mark.parametrize("form", TIMES)
@pytest.mark.parametrize("above", ["names", "units", "title", "settings", "nothing"])
def test_a_file_is_read_as_it_was_written(tmp_path, form, above):
    path = tmp_path / "log.csv"
    for seed in range(8):
        rng = np.random.default_rng(seed)
        values, step = drawn_samples(rng)
        text, number = drawn_file(rng, values, step, form, above)
        path.write_text(text)
        wanted = str(number + 1) if above == "nothing" else "temp"
        surveyed = survey(path, Reading(column=(wanted,)))
        found = latest(pieces(surveyed), 10**6)[0].values[:, 0]
        np.testing.assert_array_equal(found, values, err_msg=text[:300])
        assert surveyed.sampling_rate == pytest.approx(1 / step, rel=1e-9)
