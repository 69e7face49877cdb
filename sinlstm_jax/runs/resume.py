"""Resuming a run: how far each stage is trained, saved to checkpoints and restored from them.

A run is resumed from its latest checkpoint up to which all that it needs is whole: the end of each
stage before. What comes after that one is moved aside, and is computed again, to the same bits.
"""

from typing import NamedTuple

import jax
import numpy as np

from ..errors import InputError
from ..model import SineLSTM
from ..recipe import Recipe, Stage
from ..training import Failure, TrainState, init_state
from .checkpoints import DAMAGED, Checkpoints
from .record import RunRecord
from .replicates import stack


class StageState(NamedTuple):
    """A stage as far as it is trained."""

    state: TrainState  # on the host, [replicate, ...]
    seconds: float  # spent on it, over all sessions
    implementation: str  # that computed it; of several, all in order

    @property
    def iteration(self) -> int:
        """Iterations done."""
        return int(self.state.iteration[0])

    @property
    def losses(self) -> np.ndarray:
        """Losses so far, `[replicate, iterations done]`."""
        return np.asarray(self.state.losses)[:, : self.iteration]


def begin_stage(
    stage: Stage, models: list[SineLSTM], before: StageState | None, implementation: str
) -> StageState:
    """Return the start of a stage: models with a fresh optimizer.

    A replicate that failed in the stage before is failed from iteration 0 of this one on.
    """
    optimizer = stage.optimizer()
    state = stack([init_state(model, optimizer, stage.iterations) for model in models])
    if before is not None:
        iteration, loss, norm = before.state.failure
        state = state._replace(failure=Failure(iteration.clip(max=0), loss, norm))
    return StageState(state, 0.0, implementation)


def undo_where_wrong(stage: Stage, weights, state: TrainState, standing=np.inf) -> TrainState:
    """Return the end of a stage, on the host, with `weights` where the stage went wrong.

    `weights` are those of before the stage, `[replicate, ...]`, and `standing` what they ended at.
    """
    wrong = stage.went_wrong(np.asarray(state.losses), standing)
    back = jax.tree.map(
        lambda old, new: np.where(wrong.reshape(-1, *[1] * (new.ndim - 1)), old, new),
        weights,
        state.weights,
    )
    failure = state.failure
    if stage.afresh:  # a try that failed is forgotten where what was there had not
        forgotten = wrong & ~np.isnan(standing)
        iteration = np.where(forgotten, np.int32(-1), failure.iteration)
        # Weights that failed before are none to go on from, however well the try did.
        failed = wrong & np.isnan(standing) & (iteration < 0)
        iteration = np.where(failed, np.int32(0), iteration)
        failure = failure._replace(
            iteration=iteration, loss=np.where(failed, np.float32(np.nan), failure.loss)
        )
    return state._replace(weights=back, failure=failure)


def is_complete(recipe: Recipe, reached: list[StageState]) -> bool:
    """Tell whether the stages that were reached are all there are, each at its end."""
    last = recipe.stages[-1].iterations
    return len(reached) == len(recipe.stages) and reached[-1].iteration == last


def steps_to_resume(recipe: Recipe, checkpoints: Checkpoints) -> tuple[list[int], list[str]]:
    """Return (the step that each stage begun is resumed from, what is wrong with later ones).

    Where something is wrong, all later steps are moved aside.

    Raises:
      InputError: there are steps, and none to resume from; they stay where they are.
    """
    steps, whole, wrong = checkpoints.steps(), [], []
    for number, (stage, end) in enumerate(zip(recipe.stages, recipe.ends, strict=True), 1):
        left = [step for step in steps if step > end - stage.iterations]
        if not left:
            break
        if end not in left and left[-1] > end:
            wrong.append(f"the checkpoint of stage {number}, step {end}, is gone")
        for step in reversed([step for step in left if step <= end]):
            damage = checkpoints.damage(step)
            if damage is None:
                whole.append(step)
                break
            wrong.append(f"checkpoint {step} is damaged ({damage})")
        if end not in whole:
            break
    if wrong and not whole:
        raise InputError(
            f"{', '.join(wrong)}, and there is none before to go on from: put a copy back, or "
            "start again with another --out"
        )
    if wrong:
        checkpoints.set_aside([step for step in steps if step > whole[-1]])
        wrong.append(f"later checkpoints than {whole[-1]} were moved to {DAMAGED}")
    return whole, wrong


def restore_stages(
    recipe: Recipe, models: list[SineLSTM], checkpoints: Checkpoints, steps: list[int]
) -> list[StageState]:
    """Return how far every stage begun is trained, from the steps of `steps_to_resume`.

    `models` are any of the run's sizes, one for each replicate.
    """
    reached = []
    for stage, step in zip(recipe.stages, steps, strict=False):  # the last ones are not begun
        like = _items(begin_stage(stage, models, None, "").state)
        items = {name: checkpoints.restore(step, name, like[name]) for name in like}
        state = TrainState(**items["model"], **items["state"])
        meta = checkpoints.meta(step)
        reached.append(StageState(state, meta["seconds"], meta["implementation"]))
    return reached


def save_stage(
    checkpoints: Checkpoints, record: RunRecord, number: int, reached: StageState
) -> None:
    """Save how far stage `number` is trained, at the step that counts iterations of the run."""
    of_run = "recipe seed replicates seeds network hidden_size versions".split()
    meta = {
        **{name: getattr(record, name) for name in of_run},
        "stage": number,
        "iteration": reached.iteration,
        "seconds": reached.seconds,
        "implementation": reached.implementation,
    }
    before = sum(stage["iterations"] for stage in record.stages[: number - 1])
    checkpoints.save(before + reached.iteration, meta, **_items(reached.state))


def _items(state: TrainState) -> dict:
    """Return the items of a checkpoint: what `load_model` needs, and the rest."""
    fields = state._asdict()
    model = {name: fields.pop(name) for name in ("weights", "frozen")}
    return {"model": model, "state": fields}
