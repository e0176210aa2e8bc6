"""Where calls run: in this process, or in one child process. ``_cluster`` has the third: Dask."""

import pickle
from abc import ABC, abstractmethod
from collections import deque

from hhfit.workers._child import answer
from hhfit.workers._isolated import Answer, Child, Raised, Request, Returned
from hhfit.workers._task import Task


class Engine(ABC):
    """Takes numbered requests and gives numbered answers, in any order."""

    @property
    @abstractmethod
    def slots(self) -> int:
        """Calls that run at once."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """Requests that it should hold so that no slot waits."""

    @abstractmethod
    def submit(self, number: int, request: Request) -> None:
        """Take a request."""

    @abstractmethod
    def next(self) -> tuple[int, Answer]:
        """Wait for an answer to any request taken."""

    @abstractmethod
    def close(self) -> None:
        """End every process and connection."""


class Here(Engine):
    """Runs calls in this process, one by one: no start-up time, and no protection."""

    slots = depth = 1

    def __init__(self) -> None:
        self._queue: deque[tuple[int, Request]] = deque()
        self._tasks: dict[str, Task] = {}

    def submit(self, number: int, request: Request) -> None:
        """Take a request."""
        self._queue.append((number, request))

    def next(self) -> tuple[int, Answer]:
        """Run the oldest request."""
        number, request = self._queue.popleft()
        packed = b"" if request.digest in self._tasks else request.task
        kind, payload, wall_s, cpu_s, _ = answer(self._tasks, (request.digest, packed, request.call))
        if kind == "raised":
            return number, Raised(pickle.loads(payload), cpu_s)  # noqa: S301 - made in this process
        return number, Returned(payload, wall_s, cpu_s, bool(packed), start_s=0.0)

    def close(self) -> None:
        """Nothing to end."""


class Single(Engine):
    """Runs calls in one child process.

    Args:
        memory: Its largest data segment [bytes].
    """

    slots = depth = 1

    def __init__(self, memory: int) -> None:
        self._queue: deque[tuple[int, Request]] = deque()
        self._child = Child(memory)

    def submit(self, number: int, request: Request) -> None:
        """Take a request."""
        self._queue.append((number, request))

    def next(self) -> tuple[int, Answer]:
        """Run the oldest request."""
        number, request = self._queue.popleft()
        return number, self._child.call(request)

    def close(self) -> None:
        """End the child."""
        self._child.close()
