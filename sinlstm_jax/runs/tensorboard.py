"""A run's losses as TensorBoard shows them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..recipe import Recipe

FOLDER = "tensorboard"  # in a run's
EVENTS = "events.out.tfevents.*"  # its files


class LossBoard:
    """Writes what losses average to between two printed lines; a context manager.

    Steps are iterations of the run, and each replicate is a curve. A run that is resumed writes all
    of it anew, as of its checkpoint.

    Args:
      run: the run's folder.
      recipe: what is trained.
      seeds: of the replicates.

    Raises:
      InputError: tensorboardX is not installed.
    """

    def __init__(self, run: Path, recipe: Recipe, seeds: list[int]):
        try:
            import tensorboardX  # noqa: F401
        except ImportError:
            raise InputError(
                "--tensorboard needs tensorboardX, which is not installed: pip install "
                "'sinlstm-jax[tensorboard]', or leave it out"
            ) from None
        self._folder, self._recipe, self._seeds = run / FOLDER, recipe, seeds
        self._writer = None
        self._rest = np.empty((len(seeds), 0), np.float32)  # losses that are in no average yet

    def __enter__(self) -> "LossBoard":
        return self

    def __exit__(self, *_) -> None:
        if self._writer is not None:
            self._writer.close()

    def begin(self, histories: Iterable[np.ndarray]) -> None:
        """Write the losses of the stages so far, `[replicate, iterations]` each, and no other."""
        from tensorboardX import SummaryWriter

        for path in self._folder.glob(EVENTS):
            path.unlink()
        self._writer = SummaryWriter(str(self._folder))
        for stage, losses in enumerate(histories, 1):
            self.add(stage, 0, losses)

    def add(self, stage: int, iteration: int, losses: np.ndarray) -> None:
        """Add the losses from `iteration` of a stage on, `[replicate, iterations]`."""
        assert self._writer is not None, "begin comes first"
        done, iterations = iteration + losses.shape[1], self._recipe.stages[stage - 1].iterations
        rest = losses if iteration == 0 else np.concatenate([self._rest, losses], axis=1)
        end = self._recipe.ends[stage - 1] - iterations + done  # in the run
        while rest.shape[1] >= self._recipe.display_every or (done == iterations and rest.size):
            averaged, rest = np.split(rest, [self._recipe.display_every], axis=1)
            step = end - rest.shape[1]
            for seed, loss in zip(self._seeds, averaged.mean(axis=1), strict=True):
                if np.isfinite(loss):
                    self._writer.add_scalar(f"loss/seed_{seed}", loss, step)
        self._rest = rest
        self._writer.flush()
