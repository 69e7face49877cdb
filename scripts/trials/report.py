"""The table of docs/reliability.md, made of docs/reliability.json alone."""

import json
from collections import Counter

from ..pages import DOCS, fill_in, listed, markdown

# What was tried, and what came of it; the words behind the figures' own are from `_in_words`.
ROWS = {
    "kills": ("{kills} SIGKILLs in {runs} runs of the smoke recipe: {phases}", "{unlike}"),
    "signals": (
        "{SIGINT[count]} times Ctrl-C, {SIGTERM[count]} times SIGTERM, in mid-training",
        "exit codes {codes}, within {slowest:.1f} s; then {unlike}",
    ),
    "damage": (
        "{damaged} damaged files in newest checkpoints: {kinds}",
        "{named} named; {came}",
    ),
    "properties": (
        "{inputs} inputs to every public function and command-line option",
        "{failing} broke the rule",
    ),
    "long": (
        "a rollout of {million_steps:g} million steps, in chunks",
        "{finite}, in {seconds:.0f} s; memory grew by {memory_growth_mib:.0f} MiB",
    ),
    "wide": (
        "a rollout of {series} series at once",
        "{finite}; 20 of them alone differ by at most {largest_difference_to_alone:.1g}",
    ),
    "cycles": (
        "{cycles} times a checkpoint, a stop, and the same command again",
        "{unlike}; growth: {growth[checkpoints]} checkpoints, {growth[kib_of_checkpoints]} KiB "
        "on disk, {growth[open_files]} open files, {growth[threads]} threads, "
        "{growth[memory_mib]} MiB of memory",
    ),
    "curriculum": (
        "the whole curriculum, killed {kills} times, every 5 to 10 s of training",
        "{unlike}",
    ),
}


def publish() -> None:
    """Write the table."""
    figures = json.loads((DOCS / "reliability.json").read_text())
    fill_in(DOCS / "reliability.md", {"figures": table(figures)})


def table(figures: dict) -> str:
    """Lay out the figures of the last run, and what they were computed with."""
    rows = []
    for name in (name for name in ROWS if name in figures):
        words = figures[name] | _in_words(figures[name])
        rows.append([text.format(**words) for text in (*ROWS[name], "{took_minutes:g}")])
    used = {json.dumps(each["computed_with"], sort_keys=True) for each in figures.values()}
    lines = [
        f"Computed on {each['machine']}, {each['cores']} cores, with {listed(each['versions'])}."
        for each in map(json.loads, sorted(used))
    ]
    return "\n\n".join([markdown(["tried", "came of it", "minutes"], rows), *lines])


def _in_words(figures: dict) -> dict:
    """Return what the table says of a section beside its plain figures, as far as it has them."""
    words, different = {}, figures.get("different")
    if "phases" in figures:
        words["phases"] = _counted(figures["phases"])
    if "SIGINT" in figures:
        each = [figures["SIGINT"], figures["SIGTERM"]]
        words["codes"] = " and ".join(" and ".join(map(str, s["codes"])) for s in each)
        words["slowest"] = max(s["slowest_seconds"] for s in each)
        different = each[0]["different"] + each[1]["different"]
    if "outcomes" in figures:
        outcomes = figures["outcomes"]
        words["kinds"] = _counted({how: sum(found.values()) for how, found in outcomes.items()})
        came = sum(map(Counter, outcomes.values()), Counter())
        words["came"] = _counted(dict(sorted(came.items())))
    if "finite" in figures:
        words["finite"] = "finite" if figures["finite"] else "NOT FINITE"
        words["million_steps"] = figures.get("steps", 0) / 1e6
    if different is not None:
        words["unlike"] = f"{len(different)} DIFFERENCES" if different else "every bit the same"
    return words


def _counted(counts: dict) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())
