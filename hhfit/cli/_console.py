"""Progress bars on a terminal, plain log lines elsewhere, and how errors end the program."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from hhfit.errors import HHFitError, InputError, UnsupportedError

stdout = Console(soft_wrap=True, highlight=False)
stderr = Console(stderr=True, soft_wrap=True, highlight=False)

QUIET_SECONDS = 15.0
"""Least time between two progress lines when stderr is not a terminal [s]."""


@contextmanager
def errors_end() -> Iterator[None]:
    """One sentence instead of a traceback: exit 2 for wrong input, 1 for anything else known."""
    try:
        yield
    except (InputError, UnsupportedError) as error:
        stderr.print(f"hhfit: {error}", style="red", markup=False)
        sys.exit(2)
    except HHFitError as error:
        stderr.print(f"hhfit: {error}", style="red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        stderr.print("hhfit: interrupted", style="yellow", markup=False)
        sys.exit(1)


@contextmanager
def told(path: str) -> Iterator[None]:
    """Turn the refusal to write a file into a sentence."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from None


class Bars:
    """Shows how far every stage has come; call it as ``bars(stage, done, total, note)``."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._said = 0.0
        self._begun: dict[str, tuple[float, float]] = {}

    def __call__(self, stage: str, done: float, total: float, note: str) -> None:
        """Update the bar of a stage, or log a line now and then."""
        if not stderr.is_terminal:
            self._log(stage, done, total, note)
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total, note=note)
        self._progress.update(self._tasks[stage], completed=done, total=total, note=note)

    def _log(self, stage: str, done: float, total: float, note: str) -> None:
        now = time.monotonic()
        begun, first = self._begun.setdefault(stage, (now, done))
        if done >= total or now - self._said > QUIET_SECONDS:
            self._said = now
            left = f"{(now - begun) * (total - done) / (done - first):.0f} s left" if first < done < total else ""
            words = ", ".join(word for word in (note, left) if word)
            logging.getLogger("hhfit").info("%s: %d of %d%s", stage, done, total, words and f" ({words})")


@contextmanager
def bars() -> Iterator[Bars]:
    """Progress bars on stderr for as long as the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=stderr, disable=not stderr.is_terminal) as progress:
        yield Bars(progress)
