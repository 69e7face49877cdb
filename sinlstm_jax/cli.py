"""The command line: the `sinlstm` subcommands, which the scripts also run."""

import contextlib
import io
import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import jax
import tyro
from rich.console import Console

import sinlstm_jax

from .closing_tables import closing_table
from .command_files import make_folder, make_way_for, opened, warn, written
from .continuing import continue_samples
from .convert import convert
from .curriculum import run
from .errors import Diverged, InputError, Interrupted, SaveFailed, positive_integer
from .evaluation import BASELINES, checked_horizon, forecaster, report
from .evaluation_plots import plot_evaluation
from .evaluation_report import tables, write_csv
from .export import export
from .files import as_path, cache_folder
from .interruption import Interruption
from .loading import CHECKPOINTS, load_model, load_models, load_pretrained, replicate_seeds
from .model import SineLSTM
from .playground import pretrained_data, run_data, write_page
from .plots import plot_continuations
from .processes import is_first, join
from .recipes import DEFAULT_SEED, RECIPES, find_recipe
from .samples import TRAINED_SAMPLES, read_samples
from .signals import SAMPLING_RATE

SHIPPED = "pretrained"  # names the model that ships, where a run is asked for


@dataclass(frozen=True)
class CurriculumOptions:
    """Train a recipe stage by stage, keep its checkpoints, and draw what it learnt.

    The same command on the same --out goes on where it stopped, Ctrl-C or SIGTERM save it first.
    """

    recipe: str = "curriculum"
    """What to train; --list-recipes shows what there is."""
    seed: int = DEFAULT_SEED
    """Decides initial weights, training data and the waves of the pictures."""
    replicates: int = 1
    """How many seeds to train at once, counted up from SEED, on all devices there are."""
    out: Path | None = None
    """Folder of the run. Default: runs/RECIPE-SEED."""
    checkpoint_every: int = 2500
    """Iterations between checkpoints within a stage."""
    display_every: int | None = None
    """Iterations between printed losses, and what averages are over. Default: the recipe's."""
    hidden_size: int = 15
    """Units of the LSTM."""
    batch_size: int = 20
    """Waves per iteration."""
    device: Literal["cpu", "gpu", "tpu"] | None = None
    """Where to compute. Default: what JAX prefers."""
    implementation: Literal["auto", "scan", "fused"] = "auto"
    """What computes the LSTM: a scan in JAX, the fused kernel for CPU, or the fastest there is."""
    coordinator: str | None = None
    """HOST:PORT of the first of several processes that share the replicates."""
    processes: int | None = None
    """How many processes there are; each is given the same command but for its index."""
    process_index: int | None = None
    """Which of them this one is, from 0 on."""
    list_recipes: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the recipes and stop."""

    def execute(self) -> None:
        """Do what was asked for."""
        if self.list_recipes:
            print_recipes(printing_console())
            return
        with Interruption() as interruption:
            self._train(interruption)

    def _train(self, interruption: Interruption) -> None:
        join(self.coordinator, self.processes, self.process_index)
        console = printing_console()
        recipe = replace(
            find_recipe(self.recipe), hidden_size=self.hidden_size, batch_size=self.batch_size
        )
        if self.display_every is not None:
            recipe = replace(recipe, display_every=self.display_every)
        out = self.out or Path("runs") / f"{recipe.name}-{self.seed}"
        with computing_on(self.device):
            description = run(
                recipe,
                self.seed,
                out,
                replicates=self.replicates,
                checkpoint_every=self.checkpoint_every,
                implementation=self.implementation,
                console=console,
                stop_signal=interruption,
            )
        console.print(closing_table(description))
        console.print(f"Checkpoints, pictures, metrics.csv and run.json are in {out}")


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


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure how well trained models continue waves, beside baselines that need no training.

    Prints tables, and leaves CSV files and pictures in RUN/evaluation (for one checkpoint of a
    run, RUN/evaluation-STEP), or in OUT/NAME for each.
    """

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Folders of runs or checkpoints, or `pretrained` for the model that ships."""
    out: Path | None = None
    """Where to leave files instead; needed for `pretrained`."""
    horizon: int = 5000
    """Steps to forecast, 400 at least; 10000 adds one more interval."""
    device: Literal["cpu", "gpu", "tpu"] | None = None
    """Where to compute. Default: what JAX prefers."""

    def execute(self) -> None:
        """Do what was asked for."""
        console = printing_console()
        folders = evaluation_folders(self.runs, self.out)
        horizon = checked_horizon(self.horizon)
        with computing_on(self.device):
            models, folders = evaluated_models(self.runs, folders)
            for folder in folders.values():
                make_folder(folder)
            forecasters = {name: forecaster(model) for name, model in models.items()} | BASELINES
            reports = {}
            for name, each in forecasters.items():
                with console.status(f"{len(reports) + 1}/{len(forecasters)}: {name}"):
                    reports[name] = report(each, horizon)
        baselines = {name: reports[name] for name in BASELINES}
        for name, folder in folders.items():
            write_csv(folder, name, reports[name], baselines)
            plot_evaluation(folder, name, reports[name], baselines)
        for table in tables(reports):
            console.print(table, "")
        for folder in folders.values():
            console.print(f"CSV files and pictures are in {folder}")


@dataclass(frozen=True)
class PlaygroundOptions:
    """Write a page to play with: one HTML file that runs a run's stages in the browser."""

    run: tyro.conf.Positional[str]
    """Folder of a run or a checkpoint, or `pretrained` for the model that ships."""
    out: Path | None = None
    """The .html file to write; needed for `pretrained`. Default: RUN/playground.html."""

    def execute(self) -> None:
        """Do what was asked for."""
        out = self.out or default_page(self.run)
        data = pretrained_data() if self.run == SHIPPED else run_data(self.run)
        write_page(data, out)
        stages = len(data["stages"])
        size = out.stat().st_size // 1024
        print(f"{out}: {stages} stage{'s' * (stages > 1)}, {size} KiB; open it in a browser")


def default_page(run: str) -> Path:
    """Return where the page of a run goes, or of a checkpoint, or raise InputError."""
    if run == SHIPPED:
        raise InputError(f"{SHIPPED} has no folder of its own: give --out")
    path = Path(run)
    if path.absolute().parent.name == CHECKPOINTS:
        return path.absolute().parent.parent / f"playground-{path.name}.html"
    return path / "playground.html"


class ForecastOptions:
    """Continue samples that are read from standard input or from a CSV file.

    A column per stream, a line per step at 100 Hz, of waves of amplitude 1 around 0. A first line
    of names is a header; a column called `time`, in seconds, is checked. An empty field or `nan` is
    a missing sample. Forecasts are CSV, too: after how many samples, when, and the values.
    """

    samples: tyro.conf.Positional[Path | None] = None
    """File to read. Default: standard input, line by line as it comes."""
    model: str = SHIPPED
    """Folder of a run or a checkpoint, or `pretrained` for the model that ships."""
    steps: int = 400
    """Steps to forecast, 100 a second."""
    every: int | None = None
    """Forecast after every so many samples, too, and not at the end alone."""
    window: int = TRAINED_SAMPLES
    """How many of the latest samples to forecast from; networks do best with what they were trained
    to observe."""
    out: Path | None = None
    """File to write forecasts to. Default: standard output."""
    picture: Path | None = None
    """PNG file for a picture of the last forecast."""
    device: Literal["cpu", "gpu", "tpu"] | None = None
    """Where to compute. Default: what JAX prefers."""

    def execute(self) -> None:
        """Do what was asked for."""
        steps = positive_integer("--steps", self.steps)
        every = None if self.every is None else positive_integer("--every", self.every)
        window = positive_integer("--window", self.window)
        for path in (self.out, self.picture):
            if path is not None:
                make_way_for(path)
        source = "standard input" if self.samples is None else str(self.samples)
        try:
            with computing_on(self.device), opened(self.samples) as lines:
                model = named_model(self.model)
                samples = read_samples(lines, source, warn)
                with written(self.out) as file:
                    found = continue_samples(model, samples, steps, every, window, file, warn)
        except KeyboardInterrupt:  # one way to end a stream; there is nothing to go on with
            print("interrupted", file=sys.stderr)
            sys.exit(130)
        if self.picture is not None:
            title = f"The next {steps / SAMPLING_RATE:g} s, by {self.model}"
            plot_continuations(self.picture, *found, title)


@dataclass(frozen=True)
class ExportOptions:
    """Export a model for programs without this package or Flax, on CPU, CUDA and TPU.

    The new folder holds the rollout and the single step as jax.export artifacts for any batch and
    length, the weights as safetensors, a description, and an example of how to use them.
    """

    model: tyro.conf.Positional[str]
    """Folder of a run or a checkpoint, or `pretrained` for the model that ships."""
    out: tyro.conf.Positional[Path]
    """Folder to make; one that exists is left alone."""

    def execute(self) -> None:
        """Do what was asked for."""
        model = named_model(self.model)
        export(model, self.out)
        print(f"{self.out}: {model.hidden_size} hidden units, from {self.model}")


def named_model(name: str) -> SineLSTM:
    """Load the model of a run's or checkpoint's folder, or the one that ships."""
    return load_pretrained() if name == SHIPPED else load_model(name)


def evaluation_folders(runs: tuple[str, ...], out: Path | None) -> dict[str, Path]:
    """Return where to leave the evaluation of each run, by the run's name.

    A run is called by its folder, a checkpoint by its run's and its step.

    Raises:
      InputError: there is no run, two have the same name, or the shipped model has no folder.
    """
    if not runs:
        raise InputError(f"no run is named: give folders of runs, or {SHIPPED}")
    folders = {}
    for given in runs:
        path = as_path(given).absolute()
        name, folder = path.name, path / "evaluation"
        if path.parent.name == CHECKPOINTS:
            name = f"{path.parent.parent.name}-{path.name}"
            folder = path.parent.parent / f"evaluation-{path.name}"
        if given == SHIPPED and out is None:
            raise InputError(f"{SHIPPED} has no folder of its own: give --out")
        if name in folders or name in BASELINES:
            raise InputError(
                f"{given} would be called {name}, like another: rename or leave out one"
            )
        folders[name] = folder if out is None else out / name
    return folders


def evaluated_models(
    runs: tuple[str, ...], folders: dict[str, Path]
) -> tuple[dict[str, SineLSTM], dict[str, Path]]:
    """Return (models, folders) of all replicates of runs, by names that end with their seeds.

    A run that has only one is called as in `folders`.
    """
    models, theirs = {}, {}
    for given, (name, folder) in zip(runs, folders.items(), strict=True):
        found = [load_pretrained()] if given == SHIPPED else load_models(given)
        if len(found) == 1:
            models[name], theirs[name] = found[0], folder
            continue
        for seed, model in zip(replicate_seeds(given), found, strict=True):
            models[f"{name}-{seed}"], theirs[f"{name}-{seed}"] = model, folder / str(seed)
    return models, theirs


@contextlib.contextmanager
def computing_on(platform: str | None):
    """Make a platform JAX's default, or raise InputError if it is not there."""
    if platform is None:
        yield
        return
    try:
        device = jax.local_devices(backend=platform)[0]
    except RuntimeError:
        raise InputError(
            f"--device is {platform!r}, but JAX finds only {jax.default_backend()!r} here: "
            "leave --device out, or install JAX for it"
        ) from None
    with jax.default_device(device):
        yield


def printing_console() -> Console:
    """Return the console of a process that prints, or a silent one for the others."""
    return Console(highlight=False, markup=False, soft_wrap=True, quiet=not is_first())


def print_recipes(console: Console) -> None:
    """Print the named recipes and their stages."""
    for recipe in RECIPES.values():
        console.print(f"{recipe.name}: {recipe.summary}")
        for stage in recipe.stages:
            console.print(f"  {stage.describe()}")


def main() -> None:
    """Run the subcommand that the command line names."""
    with tidy_exit():
        subcommands = {
            "curriculum": CurriculumOptions,
            "evaluate": EvaluateOptions,
            "convert": ConvertOptions,
            "playground": PlaygroundOptions,
            "forecast": ForecastOptions,
            "export": ExportOptions,
        }
        parsed(
            tyro.extras.subcommand_cli_from_dict,
            subcommands,
            prog="sinlstm",
            description=sinlstm_jax.__doc__,
        ).execute()


def curriculum_main() -> None:
    """Run `sinlstm curriculum` without naming it."""
    with tidy_exit():
        parsed(tyro.cli, CurriculumOptions).execute()


def evaluate_main() -> None:
    """Run `sinlstm evaluate` without naming it."""
    with tidy_exit():
        parsed(tyro.cli, EvaluateOptions).execute()


def convert_main() -> None:
    """Run `sinlstm convert` without naming it."""
    with tidy_exit():
        parsed(tyro.cli, ConvertOptions).execute()


def parsed(parse, *arguments, **keywords):
    """Return what tyro parses, its boxes of several lines turned into one InputError."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return parse(*arguments, **keywords)
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise InputError(_first_words(said.getvalue())) from None


def _first_words(box: str) -> str:
    """Return what a box of tyro's says between its title and the first rule, on one line."""
    words = []
    for line in box.splitlines()[1:]:
        text = line.strip("│ ")
        if text.strip("─-╰╯"):
            words.append(text)
        elif words:
            break
    return f"{' '.join(words).rstrip('.')}: --help shows what can be given"


def playground_main() -> None:
    """Run `sinlstm playground` without naming it."""
    with tidy_exit():
        parsed(tyro.cli, PlaygroundOptions).execute()


def forecast_main() -> None:
    """Run `sinlstm forecast` without naming it."""
    with tidy_exit():
        parsed(tyro.cli, ForecastOptions).execute()


def export_main() -> None:
    """Run `sinlstm export` without naming it."""
    with tidy_exit():
        parsed(tyro.cli, ExportOptions).execute()


def keep_compiled_programs() -> None:
    """Have JAX keep its compiled programs in the user's cache, for the next start."""
    jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)


@contextlib.contextmanager
def tidy_exit():
    """Turn errors into one line without a traceback.

    Exit codes: 2 for bad input, 3 for training that diverged, 4 for what cannot be written, 130 for
    Ctrl-C, 143 for SIGTERM.
    """
    keep_compiled_programs()
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax logs traces of what it raises
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Diverged as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(3)
    except SaveFailed as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(4)
    except Interrupted as error:
        print(error, file=sys.stderr)
        sys.exit(128 + error.signal)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on, or begins anew", file=sys.stderr)
        sys.exit(130)
