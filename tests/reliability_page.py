"""docs/reliability.md: what its tables say comes of what is tried."""

from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "reliability.md").read_text()


def page_rows(section: str) -> dict[str, str]:
    """Return what a section's table says comes of each thing that is tried."""
    lines = PAGE.split(f"\n### {section}\n")[1].split("\n#")[0].splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {tried: outcome for tried, outcome in cells[2:]}
