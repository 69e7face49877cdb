"""`sinlstm train`: train a network on a recording of one's own."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..errors import InputError, checked_size, finite_number, positive_integer, positive_number
from ..measurements.reading import Reading
from ..recipes import DEFAULT_SEED
from ..runs.interruption import Interruption
from .evaluate_data import HELD_OUT, Tried, evaluate_on_data
from .shared import Device, Quiet, computing_on, import_jax, optional, printing_console

if TYPE_CHECKING:
    from ..backtest import Calibration

BACKTEST = "backtest"  # folder in a run's, of the run on a first part of what it learnt


@dataclass(frozen=True)
class TrainOptions:
    """Train networks on the first part of a file, and forecast the rest of it by their mean.

    What they observe and forecast is chosen by the dominant period and the length, and told. Their
    bands become as wide as a backtest, on a first part of what is trained on, teaches. Ends with
    the errors on the held-out end beside forecasts that need no training, and a picture. The same
    command resumes where it stopped; Ctrl-C and SIGTERM save it first.
    """

    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FILE")]
    """CSV file, as `sinlstm forecast` reads it."""
    reading: tyro.conf.OmitArgPrefixes[Reading] = field(default_factory=Reading)
    resample: Annotated[float | None, optional("HZ", "they stay as they are")] = None
    """Rate to bring samples to."""
    held_out: float = HELD_OUT
    """Share of the file, at its end, that is not trained on."""
    past: Annotated[int | None, optional("INT", "four periods")] = None
    """Steps observed."""
    horizon: Annotated[int | None, optional("INT", "two periods")] = None
    """Steps forecast."""
    hidden_size: Annotated[int | None, optional("INT", "12, or 24 from 2000 samples on")] = None
    """Units of the LSTM."""
    effort: float = 1.0
    """As many times the iterations."""
    seed: int = DEFAULT_SEED
    """Decides initial weights and which windows are drawn."""
    replicates: int = 4
    """How many networks to train: the forecast is their mean. Seeds are counted up from SEED."""
    out: Annotated[Path | None, optional("PATH", "runs/FILE-SEED")] = None
    """Folder of the run."""
    checkpoint_every: int = 2500
    """Iterations between checkpoints within a stage."""
    device: Device = None
    implementation: Literal["auto", "scan", "fused"] = "auto"
    """What computes the LSTM: a scan in JAX, the fused kernel for CPU, or the fastest there is."""
    quiet: Quiet = False

    def execute(self) -> None:
        """Do what was asked for."""
        with Interruption() as interruption:
            self._train(interruption)

    def _train(self, interruption: Interruption) -> None:
        if not 0 < finite_number("--held-out", self.held_out) < 1:
            raise InputError(
                f"--held-out is {self.held_out}: give a share between 0 and 1, such as 0.2"
            )
        past = None if self.past is None else positive_integer("--past", self.past)
        horizon = None if self.horizon is None else positive_integer("--horizon", self.horizon)
        units = (
            None if self.hidden_size is None else checked_size("--hidden-size", self.hidden_size)
        )
        effort = positive_number("--effort", self.effort)
        positive_integer("--replicates", self.replicates)
        import_jax()
        from ..backtest import backtest_of, calibration_of
        from ..curriculum import run
        from ..ensemble import ensemble_of, widened
        from ..measurements.series import series_in
        from ..recording_recipes import recipe_for
        from ..runs.loading import has_ensemble, load_models, save_model
        from ..runs.record import ENSEMBLE
        from ..runs.replicates import give_each_core_a_device
        from ..runs.signals import trained_on
        from ..signals.recording import Recording
        from ..signals.signal import SAMPLING_RATE

        found = series_in(self.file, self.reading, self.resample)
        if found.values.shape[1] > 1:
            raise InputError(f"--column is given {found.values.shape[1]} times: give it once")
        recording = Recording(found.values, found.rate or SAMPLING_RATE, self.held_out)
        name = self.file.stem
        sizes = {"past": past, "horizon": horizon, "hidden_size": units, "effort": effort}
        recipe = recipe_for(recording, name, **sizes)
        checked_size("--hidden-size times --replicates", recipe.hidden_size * self.replicates)
        if self.replicates > 1:
            give_each_core_a_device(self.replicates)
        console = printing_console(quiet=self.quiet)
        out = self.out or Path("runs") / f"{name}-{self.seed}"
        last = recipe.stages[-1]
        console.print(*found.said, sep="\n")
        console.print(
            f"{recipe.describe_network()}, {last.horizon} forecast at last, in "
            f"{recipe.iteration_steps / 1e6:.2g} million steps"
        )
        settings = {
            "replicates": self.replicates,
            "checkpoint_every": self.checkpoint_every,
            "implementation": self.implementation,
            "console": console,
            "stop_signal": interruption,
        }
        with computing_on(self.device):
            run(recipe, self.seed, out, **settings)
            model = ensemble_of(load_models(out))
            backtest = backtest_of(recipe)
            calibration = None
            if backtest is not None:
                steps = recording.longest_trained
                console.print(f"The first {steps} steps alone, to see how far forecasts go wrong:")
                run(backtest, self.seed, out / BACKTEST, pictures=False, **settings)
                calibration = calibration_of(load_models(out / BACKTEST), backtest)
            if calibration is not None:
                model = widened(model, calibration.widening)
            if not has_ensemble(out):
                save_model(model, out / ENSEMBLE)
            evaluate_on_data(
                console,
                self.file,
                found._replace(said=()),  # it was, before training
                {name: Tried(model, trained_on(out, model), out / "evaluation" / name)},
                held_out=self.held_out,
                past=recipe.past,
                horizon=last.horizon,
            )
        console.print(_said_of(calibration))
        console.print(f"{shlex.join(self._continuing(out))} continues it")

    def _continuing(self, out: Path) -> list[str]:
        """Return the command that continues the file, a word each."""
        resample = [] if self.resample is None else ["--resample", "model"]
        words = [str(self.file), *self.reading.options(), *resample, "--model", str(out)]
        return ["sinlstm", "forecast", *words]


def _said_of(calibration: "Calibration | None") -> str:
    """Say what bands are made of."""
    if calibration is None:
        return "The file is too short to look back, or says nothing: bands are as they were learnt"
    return (
        f"Of {calibration.forecasts} earlier forecasts, by networks that had not seen what came, "
        f"bands as they were learnt held {calibration.held:.0%}: they are "
        f"{calibration.widening:.3g} times as wide"
    )
