"""The `sinlstm` subcommands, a module each: their options, and what they do.

`execute` imports what computes when it is sure to compute: JAX takes a second to import, and
neither --help nor a wrong option needs it.
"""

from .convert import ConvertOptions
from .curriculum import CurriculumOptions
from .evaluate import EvaluateOptions
from .export import ExportOptions
from .forecast import ForecastOptions
from .playground import PlaygroundOptions
from .train import TrainOptions

SUBCOMMANDS = {
    "curriculum": CurriculumOptions,
    "train": TrainOptions,
    "evaluate": EvaluateOptions,
    "convert": ConvertOptions,
    "playground": PlaygroundOptions,
    "forecast": ForecastOptions,
    "export": ExportOptions,
}
