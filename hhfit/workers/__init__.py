"""Workers: a task over many parameter sets, in processes that may crash, hang or leak.

    with Workers(count=2) as workers:
        for rows in workers.map(task, theta, seed, index):
            run.save(rows, round_number)

A ``Task`` pickles, is called with ``(theta, seed, index)``, and returns a frozen dataclass of
arrays with N rows, ``index`` among them: ``Simulations``, or one that also holds traces. Rows
that crash or hang their process are tried again alone and then come back from ``task.lost``
with status ``CRASHED`` or ``TIMEOUT``; all others come back as if nothing had happened. Results
come chunk by chunk as they finish, in any order, each row once, with contiguous ``index``.

    count = 0       in this process: no start-up, no protection (never for NEURON)
    count = 1       one child process
    count > 1       that many Dask workers in this process, one child process each
    scheduler       the workers of a running Dask scheduler; ``count`` is ignored

Nothing starts before the first map. Its first rows go to one child process, and Dask starts only
when what they cost says that the rest is worth it. Children have one thread, import only what the
task needs, and are killed by the kernel when their parent ends in any way. Raises
``DependencyError`` and ``UnsupportedError`` of a task at once, and any other error of a task when
no row at all works.
"""

import logging
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import numpy as np

from hhfit.arrays import Array, need_shape
from hhfit.errors import InputError
from hhfit.workers._engines import Engine, Here, Single
from hhfit.workers._job import Job, Usage
from hhfit.workers._task import Task

logger = logging.getLogger(__name__)

__all__ = ["Task", "Usage", "Workers"]

LIMIT = 300.0
"""Seconds that one call may take; until a first row has worked, imports and compilation are included."""
PROBES = (4, 8, 64)
"""After so many rows, the first of them in a new process, it is looked whether Dask workers are worth their start."""
WORTH = 4.0
"""Seconds of work that are worth starting Dask workers, which takes two or three."""
CERTAIN = 8
"""Few rows cost more each than many: work this many times as long as ``WORTH`` decides early."""
MEMORY = 4.0
"""Largest data segment of a worker process [GiB]."""


class Workers:
    """Processes that tasks are mapped over.

    Args:
        count: How many processes; 0 stands for this one.
        scheduler: Address of a running Dask scheduler, such as ``"tcp://10.0.0.1:8786"``; empty for none.
        limit: Seconds that one call may take.
        memory: Largest data segment of a worker process [GiB].

    Raises:
        InputError: If ``count`` is negative, or a limit is not positive.
    """

    def __init__(self, count: int, scheduler: str = "", limit: float = LIMIT, memory: float = MEMORY) -> None:
        if count < 0:
            raise InputError(f"workers is {count}, must be 0 (this process) or more")
        if not (limit > 0 and memory > 0):
            raise InputError(f"limit is {limit:g} s and memory {memory:g} GiB, both must be positive")
        self.usage = Usage()
        self._count, self._scheduler = count, scheduler
        self._limit, self._memory = limit, int(memory * 2**30)
        self._engines: dict[str, Engine] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def map(self, task: Task, theta: Array, seed: int, index: Array) -> Iterator[object]:
        """Results of a task over parameter sets.

        Args:
            task: What to do.
            theta: Parameters, shape ``(N, P)``.
            seed: Seed of the fit.
            index: Number of every simulation, shape ``(N,)``.

        Yields:
            The task's result for one chunk after the other, in the order they finish.

        Raises:
            InputError: If no scheduler answers.
            SimulationError: If the task works for no row, or no worker can be had.
        """
        theta, index = np.asarray(theta, float), np.asarray(index, int)
        need_shape("theta", theta, (None, None))
        need_shape("index", index, (len(theta),))
        if not len(theta):
            return
        job = Job(task, theta, seed, index, self._limit, self.usage)
        try:
            if self._kind == "single" and self._count > 1:
                for rows in PROBES:
                    yield from job.run(self._engine("single"), rows)
                    if job.seconds_left < WORTH or CERTAIN * WORTH <= job.seconds_left < np.inf:
                        break
                self._decide(job.seconds_left)
            yield from job.run(self._engine(self._kind), len(theta))
        except BaseException:
            # Work that nobody waits for any more must not run on, nor answer the next map.
            self.close()
            raise

    def close(self) -> None:
        """End every worker, whatever it is doing."""
        while self._engines:
            self._engines.popitem()[1].close()

    @property
    def _kind(self) -> str:
        if self._scheduler:
            return "remote"
        if self._count == 0:
            return "here"
        return "local" if "local" in self._engines else "single"

    def _decide(self, seconds: float) -> None:
        if seconds < WORTH:
            logger.debug("one process is enough: %.2g s of work are left", seconds)
            return
        logger.debug("%d Dask workers start: %.3g s of work are left", self._count, seconds)
        self._engine("local")
        self._engines.pop("single").close()

    def _engine(self, kind: str) -> Engine:
        if kind not in self._engines:
            self._engines[kind] = self._start(kind)
        return self._engines[kind]

    def _start(self, kind: str) -> Engine:
        if kind == "here":
            return Here()
        if kind == "single":
            return Single(self._memory)
        from hhfit.workers import _cluster

        if kind == "local":
            return _cluster.local(self._count, self._memory)
        return _cluster.remote(self._scheduler, self._memory)
