"""`sinlstm playground`: a page to play with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..errors import InputError
from ..files import usable_path
from ..playground import pretrained_data, run_data, write_page
from ..runs.loading import CHECKPOINTS
from .shared import SHIPPED, only_model, optional


@dataclass(frozen=True)
class PlaygroundOptions:
    """Write a page to play with: one HTML file that runs a run's stages in the browser."""

    run: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="RUN")]
    """Folder of a run or a checkpoint, or `pretrained` for the model that ships."""
    out: Annotated[Path | None, optional("PATH", "RUN/playground.html")] = None
    """The .html file to write; needed for `pretrained`."""
    replicate: Annotated[int | None, optional("INT")] = None
    """Which of a run's replicates, from 0 on; needed where there are several."""

    def execute(self) -> None:
        """Do what was asked for."""
        out = default_page(self.run) if self.out is None else usable_path(self.out)
        if self.run == SHIPPED:
            only_model(self.run, self.replicate)
            data = pretrained_data()
        else:
            data = run_data(usable_path(self.run), self.replicate)
        write_page(data, out)
        stages = len(data["stages"])
        size = out.stat().st_size // 1024
        print(f"{out}: {stages} stage{'s' * (stages > 1)}, {size} KiB; open it in a browser")


def default_page(run: str) -> Path:
    """Return where the page of a run goes, or of a checkpoint, or raise InputError."""
    if run == SHIPPED:
        raise InputError(f"{SHIPPED} has no folder of its own: give --out")
    path = usable_path(run)
    if path.absolute().parent.name == CHECKPOINTS:
        return path.absolute().parent.parent / f"playground-{path.name}.html"
    return path / "playground.html"
