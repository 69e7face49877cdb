"""`sinlstm convert`: weights from one format to another."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .shared import Replicate, check_spelling, computing_on


@dataclass(frozen=True)
class ConvertOptions:
    """Convert a model between PyTorch (.pt), safetensors (.safetensors) and our checkpoints.

    Formats are told by name: `.pt` is what PyTorch saves since 1.6, and what ends otherwise is a
    folder, a run's or one checkpoint's to read from, a new one to write to. `sensor`,
    `curriculum`, `tuned` and `long` are models that ship. Nothing is overwritten.
    """

    source: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="SOURCE")]
    """What to read."""
    target: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TARGET")]
    """What to write."""
    replicate: Replicate = None

    def execute(self) -> None:
        """Do what was asked for."""
        check_spelling(self.source)
        with computing_on(None):
            from ..formats.convert import convert

            model = convert(self.source, self.target, self.replicate)
        print(f"{self.target}: {model.hidden_size} hidden units, from {self.source}")
