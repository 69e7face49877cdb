"""One stage of a run: compiled ahead, trained to its end, told of, and kept in checkpoints."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from flax import nnx
from jax.sharding import Mesh
from rich.console import Console

from ..errors import Diverged, Interrupted
from ..model import SineLSTM, split_model
from ..recipe import Recipe, Stage
from ..training import Failure, TrainState, iterations_done, train_chunk, train_stage
from .folder import Run
from .processes import largest
from .progress import RunProgress
from .replicates import fetch, fresh_models, place, stack, stage_keys
from .report import how_it_diverged, last_line, loss_lines
from .resume import StageState, begin_stage, save_stage, undo_where_wrong

LOOK_EVERY = 1.0  # s between two looks at what was trained


@dataclass(frozen=True)
class StageTrainer:
    """What the stages of a run have in common: what is trained, and where it is told and kept."""

    recipe: Recipe
    seeds: list[int]
    mesh: Mesh | None  # None: one device
    run: Run
    console: Console
    progress: RunProgress
    checkpoint_every: int  # iterations
    stop_signal: Callable[[], int]  # the number of the signal that asks to stop, or 0

    def settings(self, number: int, model: SineLSTM) -> dict:
        """Return what is static while stage `number` is trained, for `train_chunk`."""
        stage = self.recipe.stages[number - 1]
        return {
            "structure": nnx.graphdef(model),
            "optimizer": stage.optimizer(),
            "batch_size": self.recipe.batch_size,
            "past": self.recipe.past_of(stage),
            "horizon": stage.horizon,
            "observation": self.recipe.observation_of(stage),
            "error_floor": stage.error_floor,
            "beta": stage.beta,
            "mesh": self.mesh,
        }

    def begin(self, number: int, models: list[SineLSTM], before: StageState | None) -> StageState:
        """Return the start of a stage; `before` is the end of the one before."""
        stage, implementation = self.recipe.stages[number - 1], self.run.now.implementation
        if stage.afresh:  # what failed before it may succeed
            models = fresh_models(self.recipe, self.seeds, implementation, number)
            before = None
        return begin_stage(stage, models, before, implementation)

    def compile_ahead(self, number: int, models: list[SineLSTM]) -> None:
        """Have the program of a stage compiled, by training it for no iteration."""
        start = place(self.begin(number, models, None).state, self.mesh)
        keys = stage_keys(self.seeds, number, self.mesh)
        train_chunk(start, keys, 0, signal=self.recipe.signal, **self.settings(number, models[0]))

    def train(
        self,
        number: int,
        models: list[SineLSTM],
        start: StageState,
        standing: np.ndarray | float = np.inf,
        once_compiled: Callable[[], object] | None = None,
    ) -> StageState:
        """Train stage `number` to its end, from `start` on.

        `models` are those of before the stage, and `standing` the losses that they ended at.
        `once_compiled` is called when the stage's program is there: compilers that run side by side
        would delay each other.

        Raises:
          Diverged: no replicate is left; the last checkpoint is from before.
          Interrupted: a signal asked to stop; a checkpoint was saved.
        """
        stage, every = self.recipe.stages[number - 1], self.checkpoint_every
        reached, done = start, start.iteration
        if done == stage.iterations:
            return start
        chunk = ChunkLength(self.stop_signal)
        self._stop_at(chunk.look(0), number, done)
        self.console.print(f"stage {number}: {stage.describe()}")
        self.progress.start_stage(number)
        started = time.monotonic() - start.seconds
        implementation = start.implementation
        if not implementation.endswith(self.run.record.implementation):
            implementation += ", then " + self.run.record.implementation
        for state in train_stage(
            place(start.state, self.mesh),
            stage_keys(self.seeds, number, self.mesh),
            pause_every=(self.recipe.display_every, every),
            pause_after=lambda: chunk.iterations,
            signal=self.recipe.signal,
            **self.settings(number, models[0]),
        ):
            before, done = done, iterations_done(state)
            if once_compiled is not None and before == start.iteration:
                once_compiled()
            self._tell(number, state, before, done)
            signal = chunk.look(done - before)
            if signal or done % every == 0 or done == stage.iterations:
                ended = fetch(state, len(self.seeds))
                if done == stage.iterations:
                    ended = self._finish(stage, models, standing, ended)
                    self._go_on(number, ended.failure)
                reached = StageState(ended, time.monotonic() - started, implementation)
                save_stage(self.run.checkpoints, self.run.record, number, reached)
            self._stop_at(signal, number, done)
        return reached

    def _tell(self, number: int, state: TrainState, before: int, done: int) -> None:
        """Print and log what was trained since `before`."""
        losses, failure = fetch((state.losses, state.failure), len(self.seeds))
        losses = losses[:, :done]
        self.run.log_losses(number, before, losses[:, before:])
        stage = self.recipe.stages[number - 1]
        if not stage.afresh:  # what a try ends as is known at its end
            self._go_on(number, failure)
        for line in loss_lines(losses, before, self.recipe.display_every):
            self.console.print(line)
        self.progress.update(done)

    def _go_on(self, number: int, failure: Failure) -> None:
        """Raise Diverged where no replicate is left, unless another try follows."""
        stage, *later = self.recipe.stages[number - 1 :]
        if (failure.iteration >= 0).all() and not (later and later[0].afresh):
            raise Diverged(how_it_diverged(number, stage, self.seeds, failure))

    def _finish(
        self, stage: Stage, models: list[SineLSTM], standing, ended: TrainState
    ) -> TrainState:
        """Print how a stage ends; return it with the weights of before where it went wrong."""
        losses = np.asarray(ended.losses)
        self.console.print(last_line(losses, self.recipe.display_every))
        why = "its loss ends too high, or is not a number"
        if stage.afresh:
            why = "its loss ends no lower than that of a try before"
        for seed, wrong in zip(self.seeds, stage.went_wrong(losses, standing), strict=True):
            if wrong:
                self.console.print(f"  undone for seed {seed}: {why}")
        weights = stack([split_model(model)[1] for model in models])
        return undo_where_wrong(stage, weights, ended, standing)

    def _stop_at(self, signal: int, number: int, done: int) -> None:
        """Raise Interrupted where a signal came, when all is saved."""
        if signal:
            self.run.checkpoints.wait()
            raise Interrupted(
                f"stopped at stage {number}, iteration {done}: the same command resumes there",
                signal,
            )


class ChunkLength:
    """The iterations of the next chunk: as many as take LOOK_EVERY, at most twice the last one's.

    It is the same in every process.

    Args:
      stop_signal: returns the number of the signal that asks this process to stop, or 0.
    """

    def __init__(self, stop_signal: Callable[[], int]):
        self.iterations = 1
        self._stop_signal = stop_signal
        self._looked = time.monotonic()

    def look(self, iterations: int) -> int:
        """Note what was trained since the last look; return what any process is asked, or 0."""
        now = time.monotonic()
        seconds, asked = largest(now - self._looked, self._stop_signal())
        self._looked = now
        if iterations:
            fitting = int(iterations * LOOK_EVERY / max(seconds, 1e-9))
            self.iterations = max(1, min(fitting, 2 * self.iterations))
        return int(asked)
