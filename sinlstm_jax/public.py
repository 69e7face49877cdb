"""All that `import sinlstm_jax` offers, from where it is made."""

from .curriculum import run
from .errors import Diverged, InputError, Interrupted, SaveFailed
from .evaluation.errors import Waves, forecast_function, held_out_waves, rollout_errors
from .evaluation.sines import evaluate
from .formats.torch_weights import params_from_torch, params_to_torch
from .lstm import LSTMCarry
from .model import FrozenBias, LSTMCell, SineLSTM
from .optimizer import adam
from .recipe import Recipe, Stage
from .recipes import RECIPES
from .rollout import forecast, observe, rollout, rollout_with_spread, stepper
from .runs.loading import load_model, load_models, save_model
from .runs.pretrained import load_pretrained
from .runs.signals import load_signal
from .sensor import SensorLSTM
from .signals.observation import Observation
from .signals.recording import Recording
from .signals.signal import NO_INPUT, Signal
from .signals.sines import Sines
from .signals.tones import Tones
from .signals.tutorial import draw_waves, generate_sample, sample_batch, sample_batches
from .signals.waves import sine
from .streams.forecaster import Forecaster
from .training import Failure, TrainState, init_state, train_chunk, train_stage, train_step

__all__ = [
    "NO_INPUT",
    "RECIPES",
    "Diverged",
    "Failure",
    "Forecaster",
    "FrozenBias",
    "InputError",
    "Interrupted",
    "LSTMCarry",
    "LSTMCell",
    "Observation",
    "Recipe",
    "Recording",
    "SaveFailed",
    "SensorLSTM",
    "Signal",
    "SineLSTM",
    "Sines",
    "Stage",
    "Tones",
    "TrainState",
    "Waves",
    "adam",
    "draw_waves",
    "evaluate",
    "forecast",
    "forecast_function",
    "generate_sample",
    "held_out_waves",
    "init_state",
    "load_model",
    "load_models",
    "load_pretrained",
    "load_signal",
    "observe",
    "params_from_torch",
    "params_to_torch",
    "rollout",
    "rollout_errors",
    "rollout_with_spread",
    "run",
    "sample_batch",
    "sample_batches",
    "save_model",
    "sine",
    "stepper",
    "train_chunk",
    "train_stage",
    "train_step",
]
