"""Files as loggers, spreadsheets and programs write them: what is understood, what ends it.

Each is written by a function of no more than a line or two; what is to come of it was worked out by
hand.
"""

import calendar
import datetime
from pathlib import Path

import numpy as np
import pytest
import tyro

from sinlstm_jax import InputError
from sinlstm_jax.measurements.reader import latest, pieces, survey
from sinlstm_jax.measurements.reading import Reading
from sinlstm_jax.measurements.resampling import resampled

WAVE = np.round(2.5 + 1.8 * np.sin(np.arange(40) / 7), 3)
MIDNIGHT = datetime.datetime(2024, 3, 1)


def lines(row, header="", count=40):
    """Return a header and a line for each sample, `row(i, its value)`."""
    return header + "".join(row(i, WAVE[i % 40]) + "\n" for i in range(count))


def seconds(i):
    return f"{i / 50:.2f}"


def iso(i, step=0.02, form="%Y-%m-%dT%H:%M:%S.%f"):
    return (MIDNIGHT + datetime.timedelta(seconds=i * step)).strftime(form)


def comma(text):
    return text.replace(".", ",")


def two_hours(i):  # over the end of summer time in Berlin
    moment = datetime.datetime(2024, 10, 26, 1) + datetime.timedelta(hours=2 * i)
    back = moment >= datetime.datetime(2024, 10, 27, 3)
    return str(moment - datetime.timedelta(hours=1) * back)


def month(i):
    return f"{2000 + i // 12}-{1 + i % 12:02}-01"


def month_end(i, day=31):
    year, of_year = 2000 + i // 12, 1 + i % 12
    return f"{year}-{of_year:02}-{min(day, calendar.monthrange(year, of_year)[1])}"


def clock_change(i):  # ten minutes a step, over the last Sunday of October 2024 in Berlin, local
    moment = datetime.datetime(2024, 10, 27, 1) + datetime.timedelta(minutes=10 * i)
    back = moment >= datetime.datetime(2024, 10, 27, 3)
    return str(moment - datetime.timedelta(hours=1) * back)


def with_zone(i):  # the same, with offsets
    back = i >= 12
    moment = datetime.datetime(2024, 10, 27, 1) + datetime.timedelta(minutes=10 * i)
    return f"{moment - datetime.timedelta(hours=1) * back}+0{1 if back else 2}:00"


PLAIN = lines(lambda i, x: f"{seconds(i)},{x}", "time,temp_C\n")
# name: (text or bytes, options, names, rate, missing samples)
UNDERSTOOD = {
    "numbers alone": (lines(lambda i, x: f"{x}"), {}, ["value"], None, 0),
    "a name and numbers": (lines(lambda i, x: f"{x}", "flow\n"), {}, ["flow"], None, 0),
    "time and a column": (PLAIN, {}, ["temp_C"], 50, 0),
    "a count of the rows": (
        lines(lambda i, x: f"{i + 1},{seconds(i)},{x}", "No.,time,a\n"), {}, ["a"], 50, 0),
    "Time (s)": (PLAIN.replace("time", "Time (s)"), {}, ["temp_C"], 50, 0),
    "t": (PLAIN.replace("time", "t"), {}, ["temp_C"], 50, 0),
    "T, a temperature, alone": (lines(lambda i, x: f"{x}", "T\n"), {}, ["T"], None, 0),
    "T, a temperature that is named": (
        lines(lambda i, x: f"{x},{9 - x}", "T,h\n"), {"column": ("T",)}, ["T"], None, 0),
    "T, a temperature, before time": (
        lines(lambda i, x: f"{x},{seconds(i)}", "T,time\n"), {}, ["T"], 50, 0),
    "time in any column": (
        lines(lambda i, x: f"{x},{seconds(i)}", "a,time\n"), {}, ["a"], 50, 0),
    "no header": (lines(lambda i, x: f"{seconds(i)},{x}"), {}, ["value_2"], 50, 0),
    "milliseconds": (lines(lambda i, x: f"{i * 20},{x}", "time_ms,a\n"), {}, ["a"], 50, 0),
    "microseconds": (lines(lambda i, x: f"{i * 20000},{x}", "t [us],a\n"), {}, ["a"], 50, 0),
    "minutes": (lines(lambda i, x: f"{i * 2},{x}", "minutes,a\n"), {}, ["a"], 1 / 120, 0),
    "years": (lines(lambda i, x: f"{1900 + i},{x}", "YEAR,a\n"), {}, ["a"], 1 / 31557600, 0),
    "epoch seconds": (
        lines(lambda i, x: f"{1.7e9 + i / 50:.2f},{x}", "ts,a\n"), {}, ["a"], 50, 0),
    "epoch milliseconds": (
        lines(lambda i, x: f"{1700000000000 + 20 * i},{x}", "time,a\n"), {}, ["a"], 50, 0),
    "epoch nanoseconds": (
        lines(lambda i, x: f"{1700000000000000000 + 20000000 * i},{x}", "time,a\n"),
        {}, ["a"], 50, 0),
    "ISO 8601": (lines(lambda i, x: f"{iso(i)},{x}", "when,a\n"), {}, ["a"], 50, 0),
    "ISO 8601 with Z": (lines(lambda i, x: f"{iso(i)}Z,{x}", "when,a\n"), {}, ["a"], 50, 0),
    "ISO 8601, some with no fraction": (
        lines(lambda i, x: f"{iso(i, 0.5).removesuffix('.000000')},{x}", "when,a\n"),
        {}, ["a"], 2, 0),
    "a date and a space": (
        lines(lambda i, x: f"{iso(i, 60, '%Y-%m-%d %H:%M')},{x}", "when,a\n"),
        {}, ["a"], 1 / 60, 0),
    "days": (lines(lambda i, x: f"{iso(i, 86400, '%Y-%m-%d')},{x}", "when,a\n"),
             {}, ["a"], 1 / 86400, 0),
    "German dates": (
        lines(lambda i, x: comma(f"{iso(i, 1, '%d.%m.%Y %H:%M:%S')};") + comma(f"{x}"),
              "Zeit;Wert\n").replace(",03,", ".03."), {}, ["Wert"], 1, 0),
    "American dates": (
        lines(lambda i, x: f"{iso(i, 86400, '%m/%d/%Y')},{x}", "Date,a\n"),
        {}, ["a"], 1 / 86400, 0),
    "British dates": (
        lines(lambda i, x: f"{iso(i, 86400, '%d/%m/%Y')},{x}", "Date,a\n"),
        {}, ["a"], 1 / 86400, 0),
    "date and time in two columns": (
        lines(lambda i, x: f"{iso(i, 1, '%Y-%m-%d,%H:%M:%S')},{x}", "Date,Time,a\n"),
        {}, ["a"], 1, 0),
    "times of day, over midnight": (
        lines(lambda i, x: f"{iso(i - 9, 0.5, '%H:%M:%S.%f')},{x}", "Uhrzeit,a\n"),
        {}, ["a"], 2, 0),
    "summer time ends, with zones": (
        lines(lambda i, x: f"{with_zone(i)},{x}", "when,a\n"), {}, ["a"], 1 / 600, 0),
    "summer time ends, without": (
        lines(lambda i, x: f"{clock_change(i)},{x}", "when,a\n"), {}, ["a"], 1 / 600, 0),
    "semicolons": (PLAIN.replace(",", ";"), {}, ["temp_C"], 50, 0),
    "rows of empty fields": (
        PLAIN.replace("\n", "\n,\n", 3) + ",\n,\n", {}, ["temp_C"], 50, 0),
    "decimal commas": (comma(PLAIN.replace(",", ";")), {}, ["temp_C"], 50, 0),
    "decimal commas in one column": (
        comma(lines(lambda i, x: f"{x}", "flow\n")), {}, ["flow"], None, 0),
    "tabs": (PLAIN.replace(",", "\t"), {}, ["temp_C"], 50, 0),
    "spaces": (PLAIN.replace(",", "   "), {}, ["temp_C"], 50, 0),
    "bars, told": (PLAIN.replace(",", "|"), {"delimiter": "|"}, ["temp_C"], 50, 0),
    "comments": ("# made by X\n#\n" + PLAIN + "# the end\n", {}, ["temp_C"], 50, 0),
    "words before the header": (
        "Logger 3000\nserial 17\n\n" + PLAIN, {}, ["temp_C"], 50, 0),
    "a row of units": (
        PLAIN.replace("temp_C\n", "temp\ns,degC\n"), {}, ["temp"], 50, 0),
    "milliseconds by the row of units": (
        lines(lambda i, x: f"{20 * i},{x}", "time,a\nms,V\n"), {}, ["a"], 50, 0),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + PLAIN.encode(), {}, ["temp_C"], 50, 0),
    "UTF-16": (PLAIN.encode("utf-16"), {}, ["temp_C"], 50, 0),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-le"), {}, ["temp_C"], 50, 0),
    "Windows' letters": (
        PLAIN.replace("temp_C", "T °C").encode("cp1252"), {}, ["T °C"], 50, 0),
    "lines end as on Windows": (PLAIN.replace("\n", "\r\n"), {}, ["temp_C"], 50, 0),
    "quoted": (
        lines(lambda i, x: f'"{seconds(i)}","{x}"', '"time","temp, in C"\n'),
        {}, ["temp, in C"], 50, 0),
    "a delimiter at the end": (
        lines(lambda i, x: f"{seconds(i)},{x},", "time,a\n"), {}, ["a"], 50, 0),
    "words for nothing": (
        lines(lambda i, x: f"{seconds(i)},{[x, 'NA', 'nan', '', 'null', '-'][i % 6]}", "time,a\n"),
        {}, ["a"], 50, 33),
    "a number for nothing": (
        lines(lambda i, x: f"{seconds(i)},{x if i % 4 else -9999}", "time,a\n"),
        {"missing": ("-9999",)}, ["a"], 50, 10),
    "empty lines in one column": (
        lines(lambda i, x: f"{x}" if i % 4 != 1 else ""), {}, ["value"], None, 10),
    "rows that are missing": (
        lines(lambda i, x: f"{seconds(i)},{x}" if i not in (5, 6, 20) else "", "time,a\n"),
        {}, ["a"], 50, 3),
    "one of several columns": (
        lines(lambda i, x: f"{seconds(i)},{x},{-x}", "time,a,b\n"), {"column": ("b",)},
        ["b"], 50, 0),
    "a column by its number": (
        lines(lambda i, x: f"{seconds(i)},{x},{-x}"), {"column": ("3",)}, ["value_3"], 50, 0),
    "a column of words": (
        lines(lambda i, x: f"{seconds(i)},ok,{x}", "time,state,a\n"), {}, ["a"], 50, 0),
    "pandas' index": (lines(lambda i, x: f"{i},{x}", ",a\n"), {}, ["a"], None, 0),
    "months as names": (
        lines(lambda i, x: f"{iso(i, 60, '%d-%b-%Y %H:%M:%S')},{x}", "date,a\n"),
        {}, ["a"], 1 / 60, 0),
    "years of two digits": (
        lines(lambda i, x: f"{iso(i, 60, '%m/%d/%y %I:%M:%S %p')},{x}", "Date Time,a\n"),
        {}, ["a"], 1 / 60, 0),
    "decimal commas in times": (
        lines(lambda i, x: f"{iso(i, 0.5, '%Y-%m-%d %H:%M:%S,%f')};{x}", "time;a\n"),
        {}, ["a"], 2, 0),
    "decimal commas in times of day": (
        lines(lambda i, x: f"{iso(i, 0.5, '%H:%M:%S,%f')};{x}", "time;a\n"), {}, ["a"], 2, 0),
    "UTC in words": (
        lines(lambda i, x: f"{iso(i, 60, '%Y-%m-%d %H:%M:%S')} UTC,{x}", "created_at,a\n"),
        {}, ["a"], 1 / 60, 0),
    "dates in one number": (
        lines(lambda i, x: f"{iso(i, 86400, '%Y%m%d')},{x}", "date,a\n"), {}, ["a"], 1 / 86400, 0),
    "dates and times in one number": (
        lines(lambda i, x: f"{iso(i, 60, '%Y%m%d%H%M%S')},{x}", "date,a\n"), {}, ["a"], 1 / 60, 0),
    "British dates over midnight": (
        lines(lambda i, x: f"{iso(i, 3600, '%d/%m/%Y %H:%M')},{x}", "date,a\n"),
        {}, ["a"], 1 / 3600, 0),
    "American dates over midnight": (
        lines(lambda i, x: f"{iso(i, 3600, '%m/%d/%Y %H:%M')},{x}", "date,a\n"),
        {}, ["a"], 1 / 3600, 0),
    "British months": (
        lines(lambda i, x: f"01/{1 + i % 12:02}/{2000 + i // 12},{x}", "date,a\n"),
        {}, ["a"], 39 / (1186 * 86400), 0),
    "a date that is missing": (
        lines(lambda i, x: f"{iso(i, 60)}Z,{x},{'' if i == 7 else iso(i, 9)}", "t,a,seen\n"),
        {}, ["a"], 1 / 60, 0),
    "milliseconds in other words": (
        lines(lambda i, x: f"{i * 20},{x}", "timeMs,a\n"), {}, ["a"], 50, 0),
    "milliseconds behind a stroke": (
        lines(lambda i, x: f"{i * 20},{x}", "t/ms,a\n"), {}, ["a"], 50, 0),
    "a number sign in a field": (
        "# logger\n" + lines(lambda i, x: f"{seconds(i)},door #{i},{x}", "time,where,a\n"),
        {}, ["a"], 50, 0),
    "NumPy's header in a comment": (
        lines(lambda i, x: f"{i * 20},{x}", "# t_ms,a\n"), {}, ["a"], 50, 0),
    "R's names of rows": (
        lines(lambda i, x: f'"{i + 1}" {seconds(i)} {x}', '"time" "a"\n'), {}, ["a"], 50, 0),
    "a title, as the only field of its line": (
        "Weather station\n" + lines(lambda i, x: f"{20 * i},{x}", "time_ms,temp_C\n"),
        {}, ["temp_C"], 50, 0),
    "a title with as many fields": (
        "Serial,17\n" + lines(lambda i, x: f"{20 * i},{x}", "time_ms,temp_C\n"),
        {}, ["temp_C"], 50, 0),
    "comments of another language": (
        "// a logger\n" + lines(lambda i, x: f"{i},{x}", "time,temp_C\n"), {}, ["temp_C"], 1, 0),
    "units that are called as times are": (
        lines(lambda i, x: f"{20 * i},{x}", "t,load\nms,t\n"), {}, ["load"], 50, 0),
    "date and time in two columns, without names": (
        lines(lambda i, x: f"{iso(i, 1, '%Y-%m-%d,%H:%M:%S')},{-x}"), {}, ["value_3"], 1, 0),
    "Excel's line of the delimiter": ("sep=;\n" + PLAIN.replace(",", ";"), {}, ["temp_C"], 50, 0),
    "words that are no units": (
        lines(lambda i, x: f"ok,{x if i else 'NA'}", "state,a\n"), {}, ["a"], None, 1),
    "empty lines at the end": (lines(lambda i, x: f"{x}") + "\n\n", {}, ["value"], None, 0),
    "every second line empty": (lines(lambda i, x: f"{x}\n"), {}, ["value"], None, 0),
    "a word for nothing that is a time": (
        lines(lambda i, x: f"{i},{x if i % 4 else 0}", "time,a\n"), {"missing": ("0",)},
        ["a"], 1, 10),
    "a word for nothing in capitals": (
        lines(lambda i, x: f"{seconds(i)},{x if i % 4 else 'ERR'}", "time,a\n"),
        {"missing": ("ERR",)}, ["a"], 50, 10),
    "two hours a step, as summer time ends": (
        lines(lambda i, x: f"{two_hours(i)},{x}", "when,a\n"), {}, ["a"], 1 / 7200, 0),
    "two columns of dates": (
        lines(lambda i, x: f"2024-03-01T00:00Z,{iso(i, 60)}Z,{x}", "start,time,a\n"),
        {}, ["a"], 1 / 60, 0),
    "a rate that is told": (
        lines(lambda i, x: f"{i},{x}", "row,a\n"), {"rate": 25.0}, ["a"], 25, 0),
    "comments among rows, and number signs in fields": (
        lines(lambda i, x: f"{seconds(i)},door #{i},{x}", "time,where,a\n").replace(
            "0.20,", "# new battery\n0.20,"), {}, ["a"], 50, 0),
    "comments among rows, in UTF-16": (
        PLAIN.replace("0.20,", "# new battery, 12 V\n0.20,").encode("utf-16"),
        {}, ["temp_C"], 50, 0),
    "thousands with points beside decimal commas": (
        lines(lambda i, x: f"{i};{comma(f'{x:.3f}')};{2 + i}.000", "Zeit;Temp;rpm\n"),
        {"column": ("Temp",)}, ["Temp"], 1, 0),
    "decimal commas that are quoted": (
        lines(lambda i, x: f'"{i}","{comma(str(x))}"', '"Zeit","Temp"\n'), {}, ["Temp"], 1, 0),
    "decimal commas that are quoted, told": (
        lines(lambda i, x: f'"{i}","{comma(str(x))}"', '"Zeit","Temp"\n'), {"decimal": ","},
        ["Temp"], 1, 0),
    "decimal commas beside a version, told": (
        lines(lambda i, x: f"{i};1.2;{comma(str(x))}", "Zeit;FW;Temp\n"), {"decimal": ","},
        ["Temp"], 1, 0),
    "words that end in numbers": (
        lines(lambda i, x: f"{i},Site 12,{x}", "time,station,a\n"), {}, ["a"], 1, 0),
    "counts of eight digits": (
        lines(lambda i, x: f"{i},{20_000_000 + i},{x}", "time,adc,a\n"), {"column": ("a",)},
        ["a"], 1, 0),
    "a name that ends in a number": (lines(lambda i, x: f"{x}", "node-01\n"), {}, ["node-01"],
                                     None, 0),
    "a date and an hour": (
        lines(lambda i, x: f"{iso(i, 60, '%Y-%m-%d,%H:%M')},{x}", "Date,Hour,a\n"),
        {}, ["a"], 1 / 60, 0),
    "dates in local time, in two columns": (
        lines(lambda i, x: f"{iso(i, 60, '%d.%m.%Y;%H:%M:%S')};{x}", "Tag;Ortszeit;a\n"),
        {}, ["a"], 1 / 60, 0),
    "Campbell's loggers": (
        lines(lambda i, x: f'"{iso(i, 600, "%Y-%m-%d %H:%M:%S")}",{4170 + i},{x}',
              '"TOA5","Site","CR1000X","1"\n"TIMESTAMP","RECORD","Air_Avg"\n"TS","RN","Deg C"\n'
              '"","","Avg"\n'), {}, ["Air_Avg"], 1 / 600, 0),
    "as many settings as columns": (
        lines(lambda i, x: f"{20 * i / 1e9:.8f},{x}",
              "Model,M64\nFirmware,1.2\nDate,2024-03-01\nUnits,s\nInterval,2e-08\n,\nTIME,CH1\n"),
        {}, ["CH1"], 5e7, 0),
    "settings, and no name of times": (
        lines(lambda i, x: f"{20 * i / 1e9:.8f},{x}",
              "Record Length,Analog:40\nInterval,2e-08\nVersion,8.2\nSource,CH1\nSecond,Volt\n"),
        {}, ["CH1"], 5e7, 0),
    "LabVIEW's measurements": (
        lines(lambda i, x: f"{seconds(i)}\t{x}\t",
              "LabVIEW Measurement\t\nWriter_Version\t2\n***End_of_Header***\t\n\t\n"
              "Samples\t40\t\nDate\t2024/03/01\t\nX_Dimension\tTime\t\nX0\t0.0E+0\t\n"
              "***End_of_Header***\t\t\nX_Value\tVoltage\tComment\n"), {}, ["Voltage"], 50, 0),
    "nothing first": (
        lines(lambda i, x: f"{x if i > 2 else 'NA'}"), {}, ["value"], None, 3),
    "a sequence of samples": (lines(lambda i, x: f"{7 + i},{x}", "Sequence,Volt\n"), {}, ["Volt"],
                              None, 0),
    "words beside numbers, without names": (
        lines(lambda i, x: f"{seconds(i)},ok,{-x}"), {}, ["value_3"], 50, 0),
    "settings beside the first samples, without names": (
        lines(lambda i, x: f"{['Length,40', 'Interval,20', 'Source,CH1'][i] if i < 3 else ','},"
              f"{seconds(i)},{-x}"), {"time_column": "3", "column": ("4",)}, ["value_4"], 50, 0),
    "one name more than there are columns": (
        lines(lambda i, x: f"{20 * i};{x}", "Time (ms);Volt;Comment\n"), {}, ["Volt"], 50, 0),
    "a serial number beside the first sample": (
        lines(lambda i, x: f"{i + 1},{iso(i, 60, '%d/%m/%Y %H:%M:%S')},{x}" + ",0117" * (i == 0),
              "Fridge 2,Time,Celsius(C),Serial Number\n"), {"column": ("Celsius(C)",)},
        ["Celsius(C)"], 1 / 60, 0),
    "counts of the rows, whatever they are called": (
        lines(lambda i, x: f"{i + 1},{iso(i, 60)},{x}", "Fridge 2,Time,a\n"), {}, ["a"], 1 / 60, 0),
    "date and hour in one number": (
        lines(lambda i, x: f"{iso(i, 3600, '%Y%m%d%H')};{x}", "MESS_DATUM;TT\n"), {}, ["TT"],
        1 / 3600, 0),
    "date and hour in one number, under no name of times": (
        lines(lambda i, x: f"44;{iso(i, 3600, '%Y%m%d%H')};{x}", "station;when;TT\n"),
        {"column": ("TT",)}, ["TT"], 1 / 3600, 0),
    "half a day with points": (
        lines(lambda i, x: f"{iso(i, 1800, '%m/%d/%Y %I:%M:%S')} {'ap'[i // 24 % 2]}.m.,{x}",
              "when,a\n"), {}, ["a"], 1 / 1800, 0),
    "a colon before milliseconds": (
        lines(lambda i, x: f"{iso(i, 1, '%m/%d/%Y %H:%M:%S:')}{5 * i:03},{x}", "Time,a\n"),
        {}, ["a"], 1 / 1.005, 0),
    "a date, and where an interval begins and ends": (
        lines(lambda i, x: f"{iso(i, 900, '%d.%m.%Y;%H:%M')};{iso(i + 1, 900, '%H:%M')};{x}",
              "Datum;Anfang;Ende;a\n"), {}, ["a"], 1 / 900, 0),
    "rivers of the United States": (
        "# waters\n" + lines(lambda i, x: f"USGS\t{iso(i, 900, '%Y-%m-%d %H:%M')}\t{x}\tA",
                             "agency\tdatetime\tflow\tflow_cd\n5s\t20d\t14n\t10s\n"),
        {}, ["flow"], 1 / 900, 0),
    "a time that is none": (PLAIN, {"no_time": True, "column": ("temp_C",)}, ["temp_C"], None, 0),
}  # fmt: skip


def read(path, **options):
    surveyed = survey(path, Reading(**options))
    return surveyed, latest(pieces(surveyed), 10**6)[0]


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_files_that_are_understood(tmp_path, name):
    text, options, names, rate, missing = UNDERSTOOD[name]
    path = tmp_path / "log.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    surveyed, samples = read(path, **options)
    assert surveyed.table.names == names
    assert surveyed.sampling_rate == (None if rate is None else pytest.approx(rate, rel=1e-6))
    known = np.isfinite(samples.values[:, 0])
    assert (len(samples.values), int(np.sum(~known))) == (40, missing)
    sign = -1 if names in (["b"], ["value_3"], ["value_4"]) else 1
    np.testing.assert_allclose(samples.values[known, 0], sign * WAVE[known], rtol=1e-12)
    if surveyed.rate is not None:
        assert surveyed.rate.jitter < (0.03 if name == "British months" else 1e-3)


@pytest.mark.parametrize("begins", [MIDNIGHT, datetime.datetime(2024, 3, 12)], ids=str)
@pytest.mark.parametrize(
    "form",
    ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%y %H:%M", "%d.%m.%Y, %H:%M:%S", "%y-%m-%d %H:%M",
     "%y/%m/%d %H:%M", "%d/%m/%y %H:%M", "%-d/%-m/%Y %H:%M", "%d/%m/%Y;%H:%M"],
)  # fmt: skip
def test_the_whole_of_a_file_tells_which_of_day_and_month_is_first(tmp_path, form, begins):
    path, count = tmp_path / "log.csv", 600  # over two days; 200 rows are less than one
    moments = [begins + datetime.timedelta(minutes=5 * i) for i in range(count)]
    head = "Date;Time;a\n" if ";" in form else "Date;a\n"
    rows = "".join(f"{moment.strftime(form)};{i % 7}\n" for i, moment in enumerate(moments))
    path.write_text(head + rows)
    surveyed, samples = read(path)
    assert len(samples.values) == count and surveyed.rate.gaps == 0
    assert surveyed.sampling_rate == pytest.approx(1 / 300)
    written = surveyed.table.time.written(samples.seconds[-1], 1 / 300)
    assert written == moments[-1].isoformat()


@pytest.mark.parametrize("form", ["%d.%m.%y %H:%M", "%y-%m-%d %H:%M"])
def test_within_a_day_what_points_and_dashes_are_used_for_tells_it(tmp_path, form):
    path = tmp_path / "log.csv"
    path.write_text("when;a\n" + lines(lambda i, x: f"{iso(i, 60, form)};{x}"))
    surveyed, samples = read(path)
    written = surveyed.table.time.written(samples.seconds[-1], 1 / 60)
    assert written == "2024-03-01T00:39:00"


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([20000.5, -1234567.25, 999.5, 12.0], {}),
        ([20000, 1234, 5, 6.5], {"decimal": ","}),  # 20.000 alone may be a number with a point
    ],
)
def test_thousands_are_grouped_by_points_where_commas_are_decimal(tmp_path, values, options):
    german = [f"{x:,}".translate(str.maketrans(",.", ".,")) for x in values]
    path = tmp_path / "log.csv"
    path.write_text("Wert;Nr\n" + "".join(f"{x};{i}\n" for i, x in enumerate(german)))
    _, samples = read(path, **options)
    np.testing.assert_array_equal(samples.values[:, 0], values)


REFUSED = {
    "nothing": ("", {}, "is empty: give samples"),
    "a header alone": ("time,a\n", {}, "there is a header, but no samples"),
    "words": ("time,a\n0,x\n0.1,y\n", {}, "has no column of numbers (there is 'x'): give --column"),
    "two columns": (
        lines(lambda i, x: f"{x},{x}", "a,b\n"), {}, "has 2 columns of numbers: give --column, "
        "one or more of a, b"),
    "intervals for times": (
        lines(lambda i, x: f"{iso(i, 900)} - {iso(i + 1, 900)},{x}", "MTU (UTC),load\n"), {},
        "MTU (UTC) holds '2024-03-01T00:00:00.000000 - 2024-03-01T00:15:00.000000', which is not "
        "understood as a time: give --no-time and --rate, or --time-column for another"),
    "no such column": (PLAIN, {"column": ("humidity",)}, "--column is 'humidity': give one of "
                       "time, temp_C"),
    "no such times": (PLAIN, {"time_column": "x"}, "--time-column is 'x': give one of"),
    "a word among numbers": (
        PLAIN.replace(f"0.20,{WAVE[10]}", "0.20,off"), {}, "line 12: temp_C is 'off'"),
    "infinity": (PLAIN.replace(f"0.20,{WAVE[10]}", "0.20,inf"), {}, "line 12: temp_C is 'inf'"),
    "a word after a row of nothing": (
        PLAIN.replace(f"0.20,{WAVE[10]}", "NA,NA\n0.20,off"), {}, "line 13: temp_C is 'off'"),
    "a double": (PLAIN + f"0.78,{WAVE[0]}\n", {}, "line 42 is not after line 41"),
    "time that goes back": (
        "# x\n" + PLAIN.replace("0.20,", "0.10,"), {}, "line 13 is not after line 12"),
    "a line without a time": (
        PLAIN.replace("0.20,", ","), {},
        "line 12 has no time: give one in every line, take the line out"),
    "no rate at all": (
        lines(lambda i, x: f"{i * i / 50 + i / 50},{x}", "time,a\n"), {}, "which is no rate"),
    "a row that is too long": (
        PLAIN.replace("0.20,", "0.20,1,"), {}, "line 12 has more than 2 fields"),
    "a spreadsheet": (b"PK\x03\x04", {}, "is a spreadsheet or a zip archive: give CSV text"),
    "no text": (b"\x00\x01\x02\x00", {}, "is not text: it holds zero bytes"),
    "a delimiter of two letters": (PLAIN, {"delimiter": "ab"}, "--delimiter is 'ab'"),
    "times and none": (
        PLAIN, {"no_time": True, "time_column": "time"}, "with --no-time: give one"),
    "a time that is not understood": (
        lines(lambda i, x: f"week {i},{x}", "date,a\n"), {}, "date holds 'week 0', which is not"),
    "T, a temperature, and another": (
        lines(lambda i, x: f"{comma(f'{x}')};{comma(f'{9 - x}')}", "T;h\n"), {},
        "2 columns of numbers: give --column, one or more of T, h"),
    "numbers for dates": (
        lines(lambda i, x: f"{45352 + i / 24},{x}", "Date,a\n"), {}, "Date holds '45352.0', which"),
    "a date cut off at the end": (
        lines(lambda i, x: f"{iso(i, 60)},{x}", "time,a\n") + "2024-03-01 0", {}, "line 42 has no"),
    "a footer": (
        lines(lambda i, x: f"{iso(i, 60)},{x}", "time,a\n") + "Total,99\n", {}, "line 42 has no"),
    "times of day that go back": (
        lines(lambda i, x: f"10:00:{18 if i == 20 else i:02},{x}", "time,a\n"),
        {}, "line 22 is not after line 21"),
    "the newest first": (
        lines(lambda i, x: f"{iso(99 - i, 60)},{x}", "time,a\n"), {}, "line 3 is not after line 2"),
    "a rate that the times contradict": (
        PLAIN, {"rate": 25.0}, "--rate is 25, and the times tell 50 Hz: leave it out"),
    "a rate that changes": (
        lines(lambda i, x: f"{300 * i if i < 5000 else 1_500_000 + 60 * (i - 5000)},{i}",
              "time,a\n", 5300),
        {}, "around line 5042 rows are 60 s apart, and 4.77 min over the whole file, so its rate"),
    "decimal commas and points": (
        lines(lambda i, x: f"{i};1.2;{comma(str(x))}", "Zeit;FW;Temp\n"), {},
        "has numbers with a decimal comma (2,5) and with a point (1.2): give --decimal , or"),
    "a decimal comma where points are told": (
        lines(lambda i, x: f"{i};1.2;{comma(f'{x:.2f}')}", "Zeit;FW;Temp\n"),
        {"decimal": ".", "column": ("Temp",)}, "Temp is '2,50': give a finite number, or leave "
        "the field empty where a sample is missing (or give --decimal ,)"),
    "commas between thousands": (
        lines(lambda i, x: f'{i},"1,{200 + i}"', "time,a\n"), {},
        "has no column of numbers (there is '1,200')"),
    "a sensor that begins late": (
        lines(lambda i, x: f"{i},{i if i > 250 else ''}", "time,a\n", 600), {},
        "has no column of numbers (there is nothing in the first 200 rows): give --column"),
    "a rate of 0": (PLAIN, {"rate": 0.0}, "--rate is 0.0: give a finite number above 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(tmp_path, name):
    text, options, complaint = REFUSED[name]
    path = tmp_path / "log.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as raised:
        read(path, **options)
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_there_are_enough_of_them():
    assert len(UNDERSTOOD) > 90 and len(REFUSED) > 30  # as docs/recordings.md has it


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read"):
        survey(Path("nowhere.csv"))


def test_times_are_written_as_the_file_has_them(tmp_path):
    path = tmp_path / "log.csv"
    for text, expected in {
        lines(lambda i, x: f"{1900 + i},{x}", "YEAR,a\n"): 1940.0,
        lines(lambda i, x: f"{1700000000000 + 20 * i},{x}", "time,a\n"): 1700000000800,
        lines(lambda i, x: f"{iso(i)}Z,{x}", "when,a\n"): "2024-03-01T00:00:00.800000+00:00",
        lines(lambda i, x: f"{iso(i, 60)},{x}", "time_utc,a\n"): "2024-03-01T00:40:00+00:00",
        lines(lambda i, x: f"{iso(i, 60)},{x}", '"When, GMT+01:00",a\n'): "2024-03-01T00:40:00",
        lines(lambda i, x: f"{iso(i, 60)},{x}", "When (UTC -5),a\n"): "2024-03-01T00:40:00",
        lines(lambda i, x: f"{month(i)},{x}", "month,a\n"): "2003-05-01T00:00:00",
        lines(lambda i, x: f"{month_end(i)},{x}", "month,a\n"): "2003-05-31T00:00:00",
        lines(lambda i, x: f"{month_end(i + 1)},{x}", "month,a\n"): "2003-06-30T00:00:00",
        lines(lambda i, x: f"{month_end(i + 9)},{x}", "month,a\n"): "2004-02-29T00:00:00",
        lines(lambda i, x: f"{month_end(i + 8, 30)},{x}", "month,a\n"): "2004-01-30T00:00:00",
        lines(lambda i, x: f"{month_end(3 * i + 2)},{x}", "quarter,a\n"): "2010-03-31T00:00:00",
        lines(lambda i, x: f"{iso(i - 9, 1800, '%H:%M:%S')},{x}", "t,a\n"): "15:30:00",
        lines(lambda i, x: f"{i}:30:00,{x}", "t,a\n"): "40:30:00",
        lines(lambda i, x: f"{clock_change(i)},{x}", "when,a\n"): "2024-10-27T06:40:00",
    }.items():  # fmt: skip
        path.write_text(text)
        found, samples = read(path)
        time = float(samples.seconds[-1]) + 1 / found.sampling_rate
        assert found.table.time.written(time, found.sampling_rate) == expected


@pytest.mark.parametrize("missing", [range(8, 13), range(10, 13), range(8, 10), ()], ids=str)
def test_steps_that_are_missing_have_their_times_over_midnight(tmp_path, missing):
    path = tmp_path / "log.csv"
    rows = lines(lambda i, x: "" if i in missing else f"{iso(i - 10, 300, '%H:%M:%S')},{x}")
    path.write_text("time,a\n" + rows.replace("\n\n", "\n"))
    found, samples = read(path)
    assert int(np.sum(~np.isfinite(samples.values))) == len(missing)
    at = 300 * (np.arange(40) - 10)
    np.testing.assert_allclose(samples.seconds % 86400, at % 86400, atol=1e-9)
    halved = resampled(samples, found.sampling_rate, found.sampling_rate / 2)
    np.testing.assert_allclose(halved.seconds % 86400, at[::2] % 86400, atol=1e-6)
    doubled = resampled(samples, found.sampling_rate, 2 * found.sampling_rate)
    at = 150 * np.arange(79) - 3000
    np.testing.assert_allclose(doubled.seconds % 86400, at % 86400, atol=1e-6)


@pytest.mark.parametrize("name", ["hr", "min", "h", "d"])
def test_what_is_called_as_a_unit_is_but_goes_up_and_down_is_a_column(tmp_path, name):
    path = tmp_path / "log.csv"
    path.write_text(lines(lambda i, x: f"{seconds(i)},{x}", f"time,{name}\n"))
    assert read(path)[0].table.names == [name]
    path.write_text(lines(lambda i, x: f"{x}", f"{name}\n"))
    assert read(path)[0].table.names == [name]


@pytest.mark.parametrize(
    "reading",
    [
        Reading(),
        Reading(column=("a b", "c"), missing=("-9999",), decimal=",", header="no"),
        Reading(time_column="t (ms)", rate=12.5, delimiter=";"),
        Reading(no_time=True),
    ],
)
def test_what_is_told_of_a_file_is_told_alike_on_the_command_line(reading):
    assert tyro.cli(Reading, args=reading.options()) == reading
