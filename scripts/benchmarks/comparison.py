"""What follows from the times of several sides: ratios to PyTorch's, and to the fastest other's."""

import statistics

from sinlstm_jax import InputError

from .sides import EAGER, OURS, ours_of
from .timing import Work, ratio, spreads


def able(sides: dict, kind: str, *sizes) -> dict[str, Work]:
    """Return, by side, the work of a kind, for those who do it and take these sizes."""
    works = {}
    for name, side in sides.items():
        if not hasattr(side, kind):
            continue
        try:
            works[name] = getattr(side, kind)(*sizes)
        except InputError:  # more units than the kernel takes, say
            continue
    return works


def fastest(times: dict[str, list[float]]) -> str | None:
    """Return the side with the lowest median, or None of none."""
    return min(times, key=lambda name: statistics.median(times[name]), default=None)


def compare(times: dict[str, list[float]]) -> dict:
    """Return seconds by side, and ratios.

    `ratios_to_pytorch` tells how many times faster than eager PyTorch, on the better number of
    threads, each other side is; `ratio_to_pytorch`, our median of them. `ratios_to_ours` tells how
    many times longer than ours each other side takes; `ratio_to_fastest`, the median of the fastest
    one, which is `fastest_other`. What cannot be told is null.
    """
    ours = ours_of(times)
    baseline = fastest({name: times[name] for name in EAGER if name in times})
    other = fastest({name: found for name, found in times.items() if name not in OURS})
    to_ours = {name: ratio(times[name], times[ours]) for name in times if name != ours}
    to_pytorch = {}
    if baseline is not None:
        others = (name for name in times if name != baseline)
        to_pytorch = {name: ratio(times[baseline], times[name]) for name in others}
    return {
        "seconds": spreads(times),
        "baseline": baseline,
        "ratio_to_pytorch": to_pytorch[ours]["median"] if to_pytorch else None,
        "ratios_to_pytorch": to_pytorch,
        "fastest_other": other,
        "ratio_to_fastest": to_ours[other]["median"] if other else None,
        "ratios_to_ours": to_ours,
    }
