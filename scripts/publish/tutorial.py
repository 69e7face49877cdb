"""Make docs/tutorial.ipynb from docs/tutorial.py, with the outputs of running it.

With SINLSTM_TUTORIAL=short in the environment, trainings are cut to seconds; then give --out.
"""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import tyro
from nbclient import NotebookClient
from PIL import Image

from ..pages import DOCS


@dataclass(frozen=True)
class Options:
    """Run the tutorial from top to bottom and keep it as a notebook."""

    out: Path = DOCS / "tutorial.ipynb"
    """Where to write it."""


def main(options: Options) -> None:
    """Run the tutorial and write it, or fail with the cell that failed."""
    notebook = jupytext.read(DOCS / "tutorial.py")
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # not random: a new run changes outputs alone
    client = NotebookClient(
        notebook, timeout=None, record_timing=False, resources={"metadata": {"path": DOCS}}
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = smaller(output.data["image/png"])
    nbformat.write(notebook, options.out)


def smaller(picture: str) -> str:
    """Return a PNG in base64 with a palette of 64 colours, a third of the size."""
    image, result = Image.open(io.BytesIO(base64.b64decode(picture))), io.BytesIO()
    image.convert("RGB").quantize(64, dither=Image.Dither.NONE).save(result, "PNG", optimize=True)
    return base64.b64encode(result.getvalue()).decode()


if __name__ == "__main__":
    main(tyro.cli(Options))
