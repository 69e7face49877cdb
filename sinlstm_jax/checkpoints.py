"""Orbax checkpoints: any pytrees of arrays plus a small JSON, kept by step.

Of several processes, all do the same with the same arrays, and the first one writes.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

META = "meta"
DELETED = "deleted"  # where steps are moved to first: a kill leaves none of them half deleted


class Checkpoints:
    """The checkpoints in one folder; a context manager, since saving goes on in the background.

    Args:
      folder: where they are, or will be.
      keep: steps that are kept for good; of all others, only the latest two.
      create: make the folder if it does not exist, and clear away what a killed process left
        half-written or half-deleted; False only restores, and touches nothing on disk.
    """

    def __init__(self, folder: str | Path, *, keep: Iterable[int] = (), create: bool = True):
        policies = [
            checkpoint_managers.LatestN(2),
            checkpoint_managers.CustomSteps(tuple(keep)),
        ]
        folder = Path(folder).absolute()  # Orbax saves in the background: no relative paths
        self._deleted = folder / DELETED if create else None
        self._clear_deleted()
        self._manager = ocp.CheckpointManager(
            folder,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=checkpoint_managers.AnyPreservationPolicy(policies),
                cleanup_tmp_directories=create,
                todelete_subdir=DELETED,
                create=create,
            ),
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self._manager.close()  # waits for what is still being written
        self._clear_deleted()

    def steps(self) -> list[int]:
        """Return the steps that can be restored, in order."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, meta: dict, **trees) -> None:
        """Save named pytrees and a JSON-ready dict in the background, all or nothing.

        The arrays are copied first, so the caller may donate them at once.
        """
        items = {
            name: ocp.args.StandardSave(jax.tree.map(np.array, tree))
            for name, tree in trees.items()
        }
        items[META] = ocp.args.JsonSave(meta)
        self._manager.wait_until_finished()  # as saving would, too
        self._clear_deleted()
        if not self._manager.save(step, args=ocp.args.Composite(**items)):
            raise FileExistsError(f"step {step} is not after the last one saved, {self.steps()}")

    def meta(self, step: int) -> dict:
        """Return the JSON that was saved at a step."""
        args = ocp.args.Composite(**{META: ocp.args.JsonRestore()})
        return self._manager.restore(step, args=args)[META]

    def restore(self, step: int, name: str, like):
        """Return one named pytree, with the structure, shapes and dtypes of `like`."""
        abstract = jax.tree.map(ocp.tree.to_shape_dtype_struct, like)
        args = ocp.args.Composite(**{name: ocp.args.StandardRestore(abstract)})
        return self._manager.restore(step, args=args)[name]

    def _clear_deleted(self) -> None:
        if self._deleted is not None and jax.process_index() == 0:
            shutil.rmtree(self._deleted, ignore_errors=True)
