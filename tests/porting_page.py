"""docs/porting.md: its text, and the names that its code on another network defines."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "porting.md").read_text()


def another_network(**given):
    """Run the code of the section "Another network" with the given names; return all names."""
    section = PAGE.split("\n## Another network\n")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(code, given)
    return given
