"""`sinlstm export`: models for other programs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .shared import Replicate, Run, check_spelling, computing_on, named_model, trained_as


@dataclass(frozen=True)
class ExportOptions:
    """Export a model for programs without this package or Flax, on CPU, CUDA and TPU.

    The new folder holds the rollout and the single step as jax.export artifacts for any batch and
    length, the weights as safetensors, a description, and an example of how to use them.
    """

    model: Run
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """Folder to make; one that exists is left alone."""
    replicate: Replicate = None

    def execute(self) -> None:
        """Do what was asked for."""
        check_spelling(self.model)
        with computing_on(None):
            from ..formats.export import export

            model = named_model(self.model, self.replicate)
            export(model, self.out, trained_as(self.model, model))
        print(f"{self.out}: {model.hidden_size} hidden units, from {self.model}")
