"""The table of docs/reliability.md, made of docs/reliability.json alone."""

import json
from pathlib import Path

from ..publish.results import markdown, replace_between


def publish(root: Path) -> None:
    """Write the table."""
    figures = json.loads((root / "docs" / "reliability.json").read_text())
    replace_between(root / "docs" / "reliability.md", "figures", table(figures))


def table(figures: dict) -> str:
    """Lay out the figures of the last run, and what they were computed with."""
    rows = [
        [*ROWS[name](figures[name]), _minutes(figures[name])] for name in ROWS if name in figures
    ]
    text = markdown(["tried", "came of it", "minutes"], rows)
    used = {json.dumps(each["computed_with"], sort_keys=True) for each in figures.values()}
    lines = []
    for each in map(json.loads, sorted(used)):
        versions = ", ".join(f"{name} {version}" for name, version in each["versions"].items())
        lines.append(f"Computed on {each['machine']}, {each['cores']} cores, with {versions}.")
    return "\n\n".join([text, *lines])


def _minutes(figures: dict) -> str:
    return f"{figures['took_minutes']:g}"


def _unlike(figures: dict) -> str:
    number = len(figures["different"])
    return "every bit the same" if number == 0 else f"{number} DIFFERENCES"


def _kills(figures: dict) -> list[str]:
    phases = ", ".join(f"{count} {phase}" for phase, count in figures["phases"].items())
    tried = f"{figures['kills']} SIGKILLs in {figures['runs']} runs of the smoke recipe: {phases}"
    return [tried, _unlike(figures)]


def _signals(figures: dict) -> list[str]:
    each = [figures[name] for name in ("SIGINT", "SIGTERM")]
    codes = [" and ".join(map(str, s["codes"])) for s in each]
    slowest = max(s["slowest_seconds"] for s in each)
    return [
        f"{each[0]['count']} times Ctrl-C, {each[1]['count']} times SIGTERM, in mid-training",
        f"exit codes {codes[0]} and {codes[1]}, within {slowest:.1f} s; then "
        f"{_unlike({'different': each[0]['different'] + each[1]['different']})}",
    ]


def _damage(figures: dict) -> list[str]:
    counts = {}
    for outcome in figures["outcomes"].values():
        for what, count in outcome.items():
            counts[what] = counts.get(what, 0) + count
    came = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    kinds = ", ".join(f"{sum(o.values())} {how}" for how, o in figures["outcomes"].items())
    return [
        f"{figures['damaged']} damaged files in newest checkpoints: {kinds}",
        f"{figures['named']} named; {came}",
    ]


def _properties(figures: dict) -> list[str]:
    tried = f"{figures['inputs']} inputs to every public function and command-line option"
    return [tried, f"{figures['failing']} broke the rule"]


def _long(figures: dict) -> list[str]:
    return [
        f"a rollout of {figures['steps'] / 1e6:g} million steps, in chunks",
        f"{'finite' if figures['finite'] else 'NOT FINITE'}, in {figures['seconds']:.0f} s; memory "
        f"grew by {figures['memory_growth_mib']:.0f} MiB",
    ]


def _wide(figures: dict) -> list[str]:
    return [
        f"a rollout of {figures['series']} series at once",
        f"{'finite' if figures['finite'] else 'NOT FINITE'}; 20 of them alone differ by at most "
        f"{figures['largest_difference_to_alone']:.1g}",
    ]


def _cycles(figures: dict) -> list[str]:
    grew = figures["growth"]
    return [
        f"{figures['cycles']} times a checkpoint, a stop, and the same command again",
        f"{_unlike(figures)}; growth: {grew['checkpoints']} checkpoints, "
        f"{grew['kib_of_checkpoints']} KiB on disk, {grew['open_files']} open files, "
        f"{grew['threads']} threads, {grew['memory_mib']} MiB of memory",
    ]


def _curriculum(figures: dict) -> list[str]:
    tried = f"the whole curriculum, killed {figures['kills']} times, every 5 to 10 s of training"
    return [tried, _unlike(figures)]


ROWS = {
    "kills": _kills,
    "signals": _signals,
    "damage": _damage,
    "properties": _properties,
    "long": _long,
    "wide": _wide,
    "cycles": _cycles,
    "curriculum": _curriculum,
}
