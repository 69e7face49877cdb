"""What a run is and what came of it: the content of its run.json."""

import json
import math
import platform
from dataclasses import MISSING, asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import InputError, positive_integer
from ..files import read_json, replacing
from ..recipe import NETWORKS, Recipe, Stage
from ..signals.observation import CLEAN
from ..signals.signal import description_of
from ..signals.sines import SINES

RECORD = "run.json"
CHECKPOINTS = "checkpoints"  # the folder of a run that holds them
ENSEMBLE = "ensemble"  # and that of the one model that its replicates were made into
IDENTITY = (
    "recipe seed replicates seeds network hidden_size forget_bias batch_size past stages signal "
    "observation"
).split()
# What runs were before they told.
UNTOLD = {
    "network": NETWORKS[0],
    "forget_bias": 1.0,
    "signal": SINES.describe(),
    "observation": CLEAN.describe(),
}
UNTOLD_OF_STAGES = {x.name: x.default for x in fields(Stage) if x.default is not MISSING}
PACKAGES = ("sinlstm_jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


@dataclass(frozen=True)
class ReplicateFigures:
    """What came of a stage for one replicate; None for a number that is not finite."""

    seed: int
    final_loss: float | None
    average_loss: float | None  # over the stage's last `averaged_over` iterations
    rollout_errors: dict[str, float | None]  # by interval of forecast steps; "horizon": the stage's
    failed_at: int | None  # iteration; None if all is well
    undone: bool


@dataclass(frozen=True)
class StageFigures:
    """What came of a stage."""

    stage: int  # from 1 on
    horizon: int
    iterations: int
    seconds: float  # over all sessions
    implementation: str  # that computed it; of several, all in order
    averaged_over: int  # iterations
    checkpoint: str  # path in the run's folder
    replicates: list[ReplicateFigures]

    @property
    def healthy(self) -> list[ReplicateFigures]:
        """The replicates that have not failed; all, if there is none, as there may be of a try."""
        return [each for each in self.replicates if each.failed_at is None] or self.replicates

    @property
    def median_replicate(self) -> int:
        """Which replicate has the median average loss among those that have not failed."""

        def loss(each: ReplicateFigures) -> float:
            return math.inf if each.average_loss is None else each.average_loss

        by_loss = sorted(self.healthy, key=loss)
        return self.replicates.index(by_loss[(len(by_loss) - 1) // 2])


@dataclass(frozen=True)
class RunRecord:
    """A run: its identity (the fields of IDENTITY), what computed it, figures of its stages."""

    recipe: str
    seed: int
    replicates: int
    seeds: list[int]
    network: str  # its class
    hidden_size: int
    forget_bias: float  # of the forget gate, at first
    batch_size: int
    past: int
    stages: list[dict[str, Any]]  # the fields of each Stage
    signal: dict[str, Any]  # as it describes itself
    observation: dict[str, Any]
    device: str
    implementation: str
    versions: dict[str, str]  # of Python and the packages that decide a run's bits
    figures: list[StageFigures]

    @property
    def fewest(self) -> int:
        """Steps observed at the least; `past` is the most."""
        return self.observation.get("shortest_past") or self.past

    @classmethod
    def new(
        cls, recipe: Recipe, seeds: list[int], *, device: str, implementation: str
    ) -> "RunRecord":
        """Return the record of a run that starts now."""
        return cls(
            recipe=recipe.name,
            seed=seeds[0],
            replicates=len(seeds),
            seeds=seeds,
            network=recipe.network,
            hidden_size=recipe.hidden_size,
            forget_bias=recipe.forget_bias,
            batch_size=recipe.batch_size,
            past=recipe.past,
            stages=[asdict(stage) for stage in recipe.stages],
            signal=description_of(recipe.signal),
            observation=recipe.observation.describe(),
            device=device,
            implementation=implementation,
            versions=versions(),
            figures=[],
        )

    @classmethod
    def from_json(cls, found: dict) -> "RunRecord":
        """Return the record that a JSON object holds, as `to_json` made it.

        Raises:
          TypeError: fields are missing or unknown, as in those of other versions.
          InputError: fields hold what none of this package's does.
        """
        figures = [
            StageFigures(
                **stage | {"replicates": [ReplicateFigures(**each) for each in stage["replicates"]]}
            )
            for stage in found.get("figures", ())
        ]
        told: dict[str, Any] = UNTOLD | found | {"figures": figures}
        if isinstance(told["observation"], dict):  # some were written before it had powers
            told["observation"] = CLEAN.describe() | told["observation"]
        told["stages"] = [
            UNTOLD_OF_STAGES | each if isinstance(each, dict) else each for each in told["stages"]
        ]
        record = cls(**told)
        positive_integer("past", record.past)
        described = (record.signal, record.observation, *record.stages)
        if not all(isinstance(each, dict) for each in described) or "class" not in record.signal:
            raise InputError("its signal, its observation or a stage is not described by names")
        return record

    def to_json(self) -> dict:
        """Return the record as JSON's objects and arrays."""
        return asdict(self)


def versions() -> dict[str, str]:
    """Return the versions that decide a run's bits: of Python and the packages computed with."""
    return {"python": platform.python_version()} | {
        package: metadata.version(package) for package in PACKAGES
    }


def read_record(folder: Path) -> RunRecord:
    """Return the record in a run's folder.

    Raises:
      InputError: it is damaged, or of another version of this package.
    """
    try:
        return RunRecord.from_json(read_json(folder / RECORD))
    except InputError as error:
        raise InputError(
            f"{folder} holds a {RECORD} that is damaged ({error}): give another folder"
        ) from None
    except (TypeError, KeyError) as error:
        raise InputError(
            f"{folder} is of another version of this package ({RECORD}: {error}): use that one, or "
            "train again in another folder"
        ) from None


def write_record(folder: Path, record: RunRecord) -> None:
    """Write run.json, whole or not at all."""
    with replacing(folder / RECORD) as temporary:
        temporary.write_text(json.dumps(record.to_json(), indent=2, allow_nan=False) + "\n")
