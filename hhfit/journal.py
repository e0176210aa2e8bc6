"""What an algorithm reports while it runs, and what it may ask of an earlier run."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from hhfit.arrays import Array

Arrays = Mapping[str, Array]


class Journal(ABC):
    """Keeps what a fit must not lose: the run directory is one, ``Memory`` another."""

    @abstractmethod
    def progress(self, stage: str, done: float, total: float, note: str) -> None:
        """Say how far a stage has come, such as ``("round 2: training", 40, 300, "loss 3.1")``."""

    @abstractmethod
    def record(self, key: str, arrays: Arrays, log: Mapping[str, Any]) -> None:
        """Keep a finished step, such as the networks of ``"round-01"``.

        Args:
            key: Name of the step.
            arrays: All that is needed to take it up again.
            log: Numbers and words that describe it, fit for JSON.
        """

    @abstractmethod
    def recall(self, key: str) -> Arrays | None:
        """Arrays recorded under ``key``, or ``None``."""


class Memory(Journal):
    """A journal that keeps nothing beyond the process; ``logs`` holds what was said.

    Example:
        >>> memory = Memory()
        >>> memory.record("round-01", {}, {"epochs": 12})
        >>> memory.logs["round-01"]["epochs"]
        12
    """

    def __init__(self) -> None:
        self.logs: dict[str, Mapping[str, Any]] = {}
        self._arrays: dict[str, Arrays] = {}

    def progress(self, stage: str, done: float, total: float, note: str) -> None:
        """Ignore it."""

    def record(self, key: str, arrays: Arrays, log: Mapping[str, Any]) -> None:
        """Keep a finished step."""
        self._arrays[key], self.logs[key] = arrays, log

    def recall(self, key: str) -> Arrays | None:
        """Arrays recorded under ``key``, or ``None``."""
        return self._arrays.get(key)
