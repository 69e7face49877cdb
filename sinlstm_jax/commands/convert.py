"""`sinlstm convert`: weights from one format to another."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from ..convert import convert


@dataclass(frozen=True)
class ConvertOptions:
    """Convert a model between PyTorch (.pt), safetensors (.safetensors) and our checkpoints.

    Formats are told by name: what ends otherwise is a folder, a run's or one checkpoint's to read
    from, a new one to write to. Nothing is overwritten.
    """

    source: tyro.conf.Positional[Path]
    """What to read."""
    target: tyro.conf.Positional[Path]
    """What to write."""
    replicate: int | None = None
    """Which of a run's replicates, from 0 on; needed where there are several."""

    def execute(self) -> None:
        """Do what was asked for."""
        model = convert(self.source, self.target, self.replicate)
        print(f"{self.target}: {model.hidden_size} hidden units, from {self.source}")
