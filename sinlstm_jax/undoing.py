"""Which replicates a stage went wrong for, by what their losses end at.

Apart from recipe.py, which the command line reads without NumPy.
"""

import numpy as np
from jaxtyping import Bool, Float


def ends_of(
    losses: Float[np.ndarray, "replicate iterations"], iterations: int
) -> Float[np.ndarray, " replicate"]:
    """Return what losses end at: their mean over the last tenth of a stage's iterations."""
    return losses[:, -max(1, iterations // 10) :].mean(axis=1)


def went_wrong(
    ends: Float[np.ndarray, " replicate"],
    standing: Float[np.ndarray, " replicate"] | float,
    undo_above: float | None,
    afresh: bool,
) -> Bool[np.ndarray, " replicate"]:
    """Tell for which replicates a stage went wrong, as `Stage.went_wrong` says."""
    if undo_above is None and not afresh:
        return np.zeros(len(ends), bool)
    most = np.inf if undo_above is None else undo_above
    lower = ends < np.where(np.isnan(standing), np.inf, standing)
    return ~((ends <= most) & (lower | (not afresh)))


def ended_at(
    ends: Float[np.ndarray, " replicate"],
    wrong: Bool[np.ndarray, " replicate"],
    standing: Float[np.ndarray, " replicate"] | float,
    afresh: bool,
) -> Float[np.ndarray, " replicate"]:
    """Return what another try has to end below, as `Stage.ended_at` says."""
    if afresh:
        return np.where(wrong, standing, ends)
    return np.where(wrong & ~np.isnan(ends), np.inf, ends)
