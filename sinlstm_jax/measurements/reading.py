"""What can be told of a file of samples; the command line has it as options."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

import tyro

from ..errors import InputError, shown


def _told(metavar: str, otherwise: str):
    hint = f"(default: {otherwise})" if otherwise else ""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=hint)


@dataclass(frozen=True)
class Reading:
    """How a file of samples is read; what is not told is found out."""

    column: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], _told("NAME", "the one")] = ()
    """A column to read; given again, one more, but to train. By default the only one of numbers."""
    time_column: Annotated[str | None, _told("NAME", "found")] = None
    """The column of times, in seconds, or as its name or its dates tell."""
    no_time: tyro.conf.FlagCreatePairsOff[bool] = False
    """Take no column for times: a line is a step."""
    rate: Annotated[float | None, _told("HZ", "as times tell, or else the model's")] = None
    """Samples a second."""
    delimiter: Annotated[str | None, _told("LETTER", "found")] = None
    """What is between two columns: a letter, tab, or space for any number of them."""
    decimal: Annotated[Literal[".", ","] | None, _told("{.,}", "found")] = None
    """The decimal point, or comma."""
    header: Literal["auto", "yes", "no"] = "auto"
    """Whether the first line holds names; by itself, if it holds words or counts the columns."""
    missing: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], _told("FIELD", "")] = ()
    """What a field holds where a sample is missing, as -9999, beside NA, nan, null and nothing."""

    def __post_init__(self):
        for name in ("column", "missing"):
            given = getattr(self, name)
            given = (given,) if isinstance(given, str) else given
            if not isinstance(given, tuple | list) or not all(isinstance(x, str) for x in given):
                raise InputError(f"{name} is {shown(given)}: give words, in a tuple")
            object.__setattr__(self, name, tuple(given))

    def options(self) -> list[str]:
        """Return what tells the same on the command line, a word each."""
        words = []
        for field in fields(self):
            value, option = getattr(self, field.name), f"--{field.name.replace('_', '-')}"
            if value is True:
                words.append(option)
            elif isinstance(value, tuple):
                for each in value:
                    words += [option, each]
            elif value != field.default:
                words += [option, str(value)]
        return words


def delimiter_of(reading: Reading) -> str | None:
    """Return what is between columns, or raise InputError: one letter, or a word for it."""
    spelt = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}
    if reading.delimiter is None:
        return None
    found = spelt.get(reading.delimiter, reading.delimiter)
    if len(found) != 1 or found in "\r\n\"'":
        raise InputError(
            f"--delimiter is {shown(reading.delimiter)}: give one letter, such as ';', or tab or "
            "space"
        )
    return found
