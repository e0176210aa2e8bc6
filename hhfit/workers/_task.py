"""What a worker is asked to do, and what it must give back."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import SimulationError
from hhfit.traces import Status

Rows = Any
"""A frozen dataclass of arrays whose first axis is N, ``index`` among them; ``Simulations`` is one."""


class Task(ABC):
    """Work on parameter sets; it must pickle, and a row's result must not depend on its neighbours."""

    @property
    @abstractmethod
    def row_bytes(self) -> int:
        """Memory that one parameter set takes while it is worked on [bytes]; it bounds a chunk."""

    @abstractmethod
    def __call__(self, theta: Array, seed: int, index: Array) -> Rows:
        """Result of parameter sets ``(N, P)`` with simulation numbers ``(N,)``."""

    @abstractmethod
    def lost(self, theta: Array, index: Array, status: Status) -> Rows:
        """Result of parameter sets that cost their worker: of the same shapes, marked with ``status``."""


def check(result: Rows, expected: Rows) -> None:
    """Raise unless ``result`` has the type, the shapes and the simulation numbers of ``expected``."""
    if type(result) is not type(expected):
        raise SimulationError(f"a task returned {type(result).__name__}, expected {type(expected).__name__}")
    for field in fields(expected):
        got, want = np.shape(getattr(result, field.name)), np.shape(getattr(expected, field.name))
        if got != want:
            raise SimulationError(f"a task returned {field.name} of shape {got}, expected {want}")
    if not np.array_equal(result.index, expected.index):
        raise SimulationError("a task returned other simulation numbers than it was given")


def join(parts: Sequence[Rows]) -> Rows:
    """All rows of several results, in order of their simulation number."""
    if len(parts) == 1:
        return parts[0]
    names = [f.name for f in fields(parts[0]) if isinstance(getattr(parts[0], f.name), np.ndarray)]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    order = np.argsort(columns["index"], kind="stable")
    return replace(parts[0], **{name: column[order] for name, column in columns.items()})
