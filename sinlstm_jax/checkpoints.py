"""Orbax checkpoints: any pytrees of arrays plus a small JSON, kept by step."""

from collections.abc import Iterable
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

META = "meta"


class Checkpoints:
    """The checkpoints in one folder; a context manager, since saving goes on in the background.

    Args:
      folder: where they are, or will be.
      keep: steps that are kept for good; of all others, only the latest two.
      create: make the folder if it does not exist, and clear away what a killed process left
        half-written; False only restores, and touches nothing on disk.
    """

    def __init__(self, folder: str | Path, *, keep: Iterable[int] = (), create: bool = True):
        policies = [
            checkpoint_managers.LatestN(2),
            checkpoint_managers.CustomSteps(tuple(keep)),
        ]
        self._manager = ocp.CheckpointManager(
            Path(folder).absolute(),  # Orbax saves in the background and rejects relative paths
            options=ocp.CheckpointManagerOptions(
                preservation_policy=checkpoint_managers.AnyPreservationPolicy(policies),
                cleanup_tmp_directories=create,
                create=create,
            ),
        )

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        self._manager.close()  # waits for what is still being written

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
