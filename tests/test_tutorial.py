"""The tutorial's notebook against the text that it is made from; CI runs it from top to bottom."""

from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"


def cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_the_notebook_is_its_text_with_outputs():
    jupytext = pytest.importorskip("jupytext", reason="needs the extra `tutorial`")
    text, notebook = (jupytext.read(DOCS / f"tutorial.{end}") for end in ("py", "ipynb"))
    assert cells(notebook) == cells(text)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 10


def test_the_notebook_stays_small():
    assert (DOCS / "tutorial.ipynb").stat().st_size < 1.5e6
