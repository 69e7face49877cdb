"""Stage and Recipe: what a run is trained on, as data.

The command line has it without JAX and NumPy, which are there for optimizers and losses alone.
"""

import math
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from .errors import (
    InputError,
    checked_size,
    finite_number,
    integer_from,
    positive_integer,
    positive_number,
    shown,
)
from .signals.observation import CLEAN, Observation
from .signals.signal import Signal, description_of, in_words, known_signal
from .signals.sines import SINES, Sines

if TYPE_CHECKING:
    import numpy as np
    import optax

TRAINED_SAMPLES = 100  # steps that the recipes observe before they forecast
NETWORKS = ("SineLSTM", "SensorLSTM")  # classes, of model.py and sensor.py


@dataclass(frozen=True)
class Stage:
    """Training at one horizon, with a fresh optimizer.

    Raises:
      InputError: a rate, an epsilon, a norm or a floor is not above 0, a decay not from 0 up to 1,
        a fraction not above 0 and at most 1, the loss to undo above no number, a beta is given
        without an error_floor, or the warmup is not shorter than the iterations.
    """

    horizon: int  # steps forecast beyond the past
    iterations: int
    learning_rate: float = 0.001  # at its peak
    epsilon: float = 0.02  # Adam's
    b1: float = 0.9  # decay of Adam's first moment
    b2: float = 0.999  # decay of Adam's second moment
    nesterov: bool = False  # NAdam
    clip_norm: float | None = None  # global norm that gradients are scaled down to
    warmup: int = 0  # iterations until the learning rate is at its peak
    final_fraction: float = 1.0  # of the learning rate, at the end of a cosine; 1: constant
    undo_above: float | None = None  # mean loss of the last tenth from which the stage is undone
    error_floor: float | None = None  # squared error from which errors are weighed by what noise
    # makes of them (of the amplitude's square), or by the forecast's spread; None: all count alike
    past: int | None = None  # steps observed while it is trained, all of them; None: the recipe's
    afresh: bool = False  # from fresh weights: one more try at the stage before, kept where it
    # ends lower than what was there, and undone where it does not
    beta: float = 0.0  # power of the variance that each term of a likelihood is weighed by
    muon_learning_rate: float | None = None  # at its peak, where Muon trains the matrix between
    # hidden units; None: Adam trains it, too

    def __post_init__(self):
        _hold(
            self,
            horizon=positive_integer,
            iterations=positive_integer,
            learning_rate=positive_number,
            epsilon=positive_number,
            b1=_decay,
            b2=_decay,
            nesterov=_yes_or_no,
            clip_norm=_positive_or_none,
            warmup=partial(integer_from, 0),
            final_fraction=_fraction,
            undo_above=_number_or_none,
            error_floor=_positive_or_none,
            past=_steps_or_none,
            afresh=_yes_or_no,
            beta=_share,
            muon_learning_rate=_positive_or_none,
        )
        if self.beta and self.error_floor is None:
            raise InputError(
                f"beta is {self.beta:g}, which weighs a likelihood: give an error_floor, too, from "
                "which one is learnt"
            )
        if self.warmup >= self.iterations:
            raise InputError(
                f"warmup is {self.warmup}: give fewer than the {self.iterations} iterations"
            )

    def describe(self) -> str:
        """Return the stage in words: what is not the default, and what the tutorial speaks of."""
        told = ("horizon", "iterations", "learning_rate", "epsilon")
        words = [
            f"horizon {self.horizon}, {self.iterations} iterations, "
            f"learning rate {self.learning_rate:g}, epsilon {self.epsilon:g}"
        ]
        for field in fields(self):
            value, name = getattr(self, field.name), field.name.replace("_", " ")
            if value != field.default and field.name not in told:
                words.append(name if value is True else f"{name} {value:g}")
        return ", ".join(words)

    def went_wrong(
        self, losses: "np.ndarray", standing: "np.ndarray | float" = math.inf
    ) -> "np.ndarray":
        """Tell which replicates' losses average above `undo_above`, or NaN, over their last tenth.

        The stage is undone for them: their weights go back to what they were before it. One that
        begins afresh goes wrong where it does not end below `standing`, as `ended_at` returns it.

        Args:
          losses: of the stage, `[replicate, iterations]`.
          standing: what replicates ended at before, `[replicate]`, or all of them.
        """
        from .undoing import ends_of, went_wrong

        return went_wrong(ends_of(losses, self.iterations), standing, self.undo_above, self.afresh)

    def ended_at(
        self, losses: "np.ndarray", standing: "np.ndarray | float" = math.inf
    ) -> "np.ndarray":
        """Return what another try has to end below: the loss that replicates' weights ended at.

        It is that of the best of the tries, infinity where weights are of before all of them, and
        NaN where a replicate has failed. Arguments are those of `went_wrong`.
        """
        from .undoing import ended_at, ends_of

        wrong = self.went_wrong(losses, standing)
        return ended_at(ends_of(losses, self.iterations), wrong, standing, self.afresh)

    def optimizer(self) -> "optax.GradientTransformation":
        """Return the stage's optimizer, one object per setting."""
        from .optimizer import adam

        settings = asdict(self)
        for of_training in ("horizon", "undo_above", "error_floor", "past", "afresh", "beta"):
            del settings[of_training]
        return adam(**settings)


@dataclass(frozen=True)
class Recipe:
    """Stages trained one after the other, each from the weights of the one before."""

    name: str
    summary: str
    stages: tuple[Stage, ...]
    display_every: int  # iterations between two printed lines, and what averages are over
    past: int = TRAINED_SAMPLES
    batch_size: int = 20
    hidden_size: int = 15
    signal: Signal = SINES  # what is learnt
    observation: Observation = CLEAN  # what is shown of its past
    network: str = NETWORKS[0]
    forget_bias: float = 1.0  # of the forget gate, at first

    def __post_init__(self):
        _hold(
            self,
            display_every=positive_integer,
            past=positive_integer,
            batch_size=positive_integer,
            hidden_size=checked_size,
            forget_bias=finite_number,
        )
        if self.network not in NETWORKS:
            raise InputError(f"network is {shown(self.network)}: give one of {', '.join(NETWORKS)}")
        if not isinstance(self.name, str) or not isinstance(self.summary, str):
            raise InputError(f"a recipe is called {shown(self.name)}: give words")
        stages = self.stages
        if not (isinstance(stages, tuple) and stages and all(isinstance(s, Stage) for s in stages)):
            raise InputError(f"stages is {shown(stages)}: give at least one Stage, in a tuple")
        positive_integer("the iterations of all stages", self.ends[-1])
        for before, stage in zip((None, *stages), stages, strict=False):
            if stage.afresh and (before is None or not _alike(before, stage)):
                raise InputError(
                    "a stage begins afresh: put it after one of the same horizon, past, "
                    "error_floor and beta, which it is another try at"
                )
        known_signal(self.signal)
        if not isinstance(self.observation, Observation):
            raise InputError(f"observation is {shown(self.observation)}: give an Observation")
        self.observation.check(self.past)
        for stage in stages:
            self.observation_of(stage).check(self.past_of(stage))
        longest = self.signal.longest_horizon
        most = max(stage.horizon for stage in stages)
        if longest is not None and longest < most:
            raise InputError(
                f"a stage's horizon is {most} steps, and {longest} of the signal are held out to "
                "test it: give shorter horizons, or hold out more"
            )

    @property
    def ends(self) -> list[int]:
        """Iterations done at the end of each stage, counted from the start of the run."""
        return list(accumulate(stage.iterations for stage in self.stages))

    def past_of(self, stage: Stage) -> int:
        """Return how many steps are observed while a stage is trained."""
        return stage.past or self.past

    def observation_of(self, stage: Stage) -> Observation:
        """Return what is shown of the past in a stage: one with a past of its own shows it all."""
        return replace(self.observation, shortest_past=None) if stage.past else self.observation

    @property
    def is_of_the_tutorials_waves(self) -> bool:
        """Whether it learns the tutorial's waves, and observes them clean."""
        return isinstance(self.signal, Sines) and (self.signal, self.observation) == (SINES, CLEAN)

    def describe_signal(self) -> str:
        """Return in words what is learnt, and what is shown of it."""
        return f"{in_words(description_of(self.signal))}, observed {self.observation.in_words()}"

    def loss_of(self, stage: Stage) -> str:
        """Return what a stage lowers, in words."""
        if stage.error_floor is None:
            return "mean squared error"
        return (
            "weighted squared error" if self.network == NETWORKS[0] else "negative log-likelihood"
        )

    def describe_network(self) -> str:
        """Return in words what is trained."""
        forget = "" if self.forget_bias == 1 else f", forget bias {self.forget_bias:g}"
        return (
            f"{self.network} of {self.hidden_size} units{forget}, {self.past} steps observed, "
            f"{self.batch_size} windows an iteration"
        )

    @property
    def iteration_steps(self) -> int:
        """Steps that the LSTM takes in all iterations: what the time goes into."""
        return sum(
            stage.iterations * (self.past_of(stage) + stage.horizon) for stage in self.stages
        )


def _alike(one: Stage, other: Stage) -> bool:
    """Tell whether losses of two stages are of the same kind."""
    same = ("horizon", "past", "error_floor", "beta")
    return all(getattr(one, name) == getattr(other, name) for name in same)


def _hold(settings: Stage | Recipe, **checks) -> None:
    """Check fields, and hold what the checks return: Python's own numbers, for run.json."""
    for name, check in checks.items():
        object.__setattr__(settings, name, check(name, getattr(settings, name)))


def _positive_or_none(name: str, value) -> float | None:
    return None if value is None else positive_number(name, value)


def _number_or_none(name: str, value) -> float | None:
    return None if value is None else finite_number(name, value)


def _steps_or_none(name: str, value) -> int | None:
    return None if value is None else positive_integer(name, value)


def _decay(name: str, value) -> float:
    if not 0 <= finite_number(name, value) < 1:
        raise InputError(f"{name} is {value!r}: give a number from 0 up to 1, 1 left out")
    return float(value)


def _fraction(name: str, value) -> float:
    if positive_number(name, value) > 1:
        raise InputError(f"{name} is {value!r}: give above 0, at most 1")
    return float(value)


def _share(name: str, value) -> float:
    if not 0 <= finite_number(name, value) <= 1:
        raise InputError(f"{name} is {value!r}: give a number from 0 to 1")
    return float(value)


def _yes_or_no(name: str, value) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} is {shown(value)}: give True or False")
    return value
