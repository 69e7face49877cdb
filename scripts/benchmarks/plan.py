"""How much is measured: the plans of a run."""

from dataclasses import dataclass

from sinlstm_jax.recipes import RECIPES, Recipe


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long."""

    recipe: Recipe  # its windows are those of the training iteration
    seconds: float  # that each side works in one turn
    repeats: int
    rollouts: tuple[tuple[int, int], ...]  # (batch, steps); (1, 1000) and (1, 1000000) for flatness
    rollout_seconds: float  # that a side works in one turn on the longest rollouts
    replicates: tuple[int, ...]
    compilations: tuple[int, ...]  # windows
    starts: int  # repeats of what is slow: compilations, and what takes a process of its own
    windows: tuple[int, ...] = ()  # of the cost, beside the recipe's
    hidden_sizes: tuple[int, ...] = ()
    batch_sizes: tuple[int, ...] = ()


ROLLOUTS = ((1, 1000), (1, 1500), (1, 1_000_000), (1024, 1500), (1024, 1_000_000))

QUICK = Plan(
    recipe=RECIPES["curriculum"],
    seconds=0.05,
    repeats=5,
    rollouts=ROLLOUTS[:-1],
    rollout_seconds=0.2,
    replicates=(8,),
    compilations=(150, 500),
    starts=1,
)
WHOLE = Plan(
    recipe=RECIPES["curriculum"],
    seconds=0.15,
    repeats=5,
    rollouts=ROLLOUTS,
    rollout_seconds=0.6,
    replicates=(1, 4, 16),
    compilations=(150, 500, 2000),
    starts=2,
    windows=(1000,),
    hidden_sizes=(5, 15, 40),
    batch_sizes=(1, 20, 200),
)
