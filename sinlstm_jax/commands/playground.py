"""`sinlstm playground`: a page to play with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ..files import usable_path
from ..runs.record import SHIPPED
from .shared import (
    Replicate,
    Run,
    computing_on,
    only_model,
    optional,
    run_and_step,
)


@dataclass(frozen=True)
class PlaygroundOptions:
    """Write a page to play with: one HTML file that runs a run's stages in the browser."""

    run: Run
    out: Annotated[Path | None, optional("PATH", "RUN/playground.html")] = None
    """The .html file to write; needed for `pretrained`."""
    replicate: Replicate = None

    def execute(self) -> None:
        """Do what was asked for."""
        if self.out is None:
            folder, step = run_and_step(self.run)
            out = folder / f"playground{step}.html"
        else:
            out = usable_path(self.out)
        with computing_on(None):
            from ..playground import pretrained_data, run_data, write_page

            if self.run == SHIPPED:
                only_model(self.run, self.replicate)
                data = pretrained_data()
            else:
                data = run_data(usable_path(self.run), self.replicate)
        write_page(data, out)
        stages = len(data["stages"])
        size = out.stat().st_size // 1024
        print(f"{out}: {stages} stage{'s' * (stages > 1)}, {size} KiB; open it in a browser")
