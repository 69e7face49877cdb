"""The progress bar of a run: speed, and time left for the stage and for the run."""

import time

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ..recipe import Recipe


class RunProgress:
    """One bar on the terminal, none where the output is a file; a context manager.

    The time left for the stage comes from its own speed, without the first pause, which has the
    compilation in it. A later stage is taken to need time in proportion to its window.
    """

    def __init__(self, console: Console, recipe: Recipe):
        self._recipe = recipe
        self._steps_per_second = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", speed="", visible=False)

    def __enter__(self) -> "RunProgress":
        self._bar.start()
        return self

    def __exit__(self, *_) -> None:
        self._bar.stop()

    def start_stage(self, number: int) -> None:
        """Show stage `number`, from 1 on."""
        self._number = number
        self._measured_from = None
        self._bar.reset(
            self._task,
            total=self._recipe.stages[number - 1].iterations,
            description=f"stage {number}/{len(self._recipe.stages)}",
            speed="",
            visible=True,
        )

    def update(self, iteration: int) -> None:
        """Show that `iteration` iterations of the stage are done."""
        stages, now = self._recipe.stages[self._number - 1 :], time.monotonic()
        windows = [self._recipe.past_of(stage) + stage.horizon for stage in stages]
        if self._measured_from is None:
            self._measured_from = iteration, now
        else:
            start, since = self._measured_from
            self._steps_per_second = (iteration - start) * windows[0] / (now - since)
        speed = ""
        if self._steps_per_second is not None:
            per_second = self._steps_per_second / np.array(windows)  # iterations of each stage
            left = [stage.iterations for stage in stages] / per_second
            left[0] -= iteration / per_second[0]
            speed = (
                f"{per_second[0]:.0f} it/s, left: stage {clock(left[0])}, run {clock(left.sum())}"
            )
        self._bar.update(self._task, completed=iteration, speed=speed)


def clock(seconds: float) -> str:
    """Return seconds as m:ss or h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
