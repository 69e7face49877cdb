"""`sinlstm export`: models for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..formats.export import export
from .shared import named_model, optional


@dataclass(frozen=True)
class ExportOptions:
    """Export a model for programs without this package or Flax, on CPU, CUDA and TPU.

    The new folder holds the rollout and the single step as jax.export artifacts for any batch and
    length, the weights as safetensors, a description, and an example of how to use them.
    """

    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]
    """Folder of a run or a checkpoint, or `pretrained` for the model that ships."""
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """Folder to make; one that exists is left alone."""
    replicate: Annotated[int | None, optional("INT")] = None
    """Which of a run's replicates, from 0 on; needed where there are several."""

    def execute(self) -> None:
        """Do what was asked for."""
        model = named_model(self.model, self.replicate)
        export(model, self.out)
        print(f"{self.out}: {model.hidden_size} hidden units, from {self.model}")
