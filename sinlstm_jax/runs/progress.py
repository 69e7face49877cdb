"""The progress bar of a run: speed, and time left for the stage and for the run."""

import time
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn


class Work(NamedTuple):
    """One stage's work: iterations, each over a window of so many steps."""

    iterations: int
    window: int

    @property
    def steps(self) -> int:
        """Steps of the LSTM, which is what the time goes into."""
        return self.iterations * self.window


class RunProgress:
    """One bar on the terminal, none where the output is a file; a context manager.

    The time left for the stage comes from its own speed, without the first pause, which has the
    compilation in it. A later stage is taken to need time in proportion to its window.
    """

    def __init__(self, console: Console, stages: list[Work]):
        self._stages = stages
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
            total=self._stages[number - 1].iterations,
            description=f"stage {number}/{len(self._stages)}",
            speed="",
            visible=True,
        )

    def update(self, iteration: int) -> None:
        """Show that `iteration` iterations of the stage are done."""
        stage, now = self._stages[self._number - 1], time.monotonic()
        if self._measured_from is None:
            self._measured_from = iteration, now
        else:
            start, since = self._measured_from
            self._steps_per_second = (iteration - start) * stage.window / (now - since)
        speed = ""
        if self._steps_per_second is not None:
            stage_left, run_left = seconds_left(
                self._stages[self._number - 1 :], iteration, self._steps_per_second
            )
            speed = (
                f"{self._steps_per_second / stage.window:.0f} it/s, "
                f"left: stage {clock(stage_left)}, run {clock(run_left)}"
            )
        self._bar.update(self._task, completed=iteration, speed=speed)


def seconds_left(stages: list[Work], iteration: int, steps_per_second: float):
    """Return (seconds left for stages[0], of which `iteration` are done, and for all of them)."""
    done = stages[0]._replace(iterations=iteration).steps
    stage_left = (stages[0].steps - done) / steps_per_second
    return stage_left, stage_left + sum(stage.steps for stage in stages[1:]) / steps_per_second


def clock(seconds: float) -> str:
    """Return seconds as m:ss or h:mm:ss."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
