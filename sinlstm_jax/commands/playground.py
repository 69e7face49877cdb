"""`sinlstm playground`: a page to play with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ..errors import InputError
from ..files import usable_path
from ..recipes import SHIPPED
from .shared import (
    Replicate,
    Run,
    check_spelling,
    computing_on,
    named_recipe,
    only_model,
    optional,
    run_and_step,
)


@dataclass(frozen=True)
class PlaygroundOptions:
    """Write a page to play with: one HTML file that runs a run's stages in the browser."""

    run: Run
    out: Annotated[Path | None, optional("PATH", "RUN/playground.html")] = None
    """The .html file to write; needed for a model that ships."""
    replicate: Replicate = None
    recipe: Annotated[str | None, optional("MODULE:NAME")] = None
    """The recipe that the run was trained with, where its signal is of a class of your own."""

    def execute(self) -> None:
        """Do what was asked for."""
        check_spelling(self.run)
        if self.out is None:
            folder, step = run_and_step(self.run)
            out = folder / f"playground{step}.html"
        else:
            out = usable_path(self.out)
        with computing_on(None):
            from ..playground import pretrained_data, run_data, write_page

            if self.run in SHIPPED:
                only_model(self.run, self.replicate)
                if self.recipe is not None:
                    raise InputError(
                        f"--recipe is {self.recipe!r}: {self.run} ships, and learnt known waves: "
                        "leave it out"
                    )
                data = pretrained_data(self.run)
            else:
                own = None if self.recipe is None else named_recipe(self.recipe).signal
                data = run_data(usable_path(self.run), self.replicate, own)
        write_page([data], out)
        stages = len(data["stages"])
        size = out.stat().st_size // 1024
        print(f"{out}: {stages} stage{'s' * (stages > 1)}, {size} KiB; open it in a browser")
