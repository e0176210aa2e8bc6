"""One map of a task over parameter sets: cuts chunks, splits those that break, joins what comes back."""

import logging
import pickle
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256

import cloudpickle
import numpy as np

from hhfit.arrays import Array
from hhfit.errors import DependencyError, HHFitError, SimulationError, UnsupportedError
from hhfit.traces import Status
from hhfit.workers._engines import Engine
from hhfit.workers._isolated import Answer, Died, Raised, Request, Returned
from hhfit.workers._task import Rows, Task, join

logger = logging.getLogger(__name__)

TARGET = 1.0
"""Seconds of work in a chunk: saved often, and long against the cost of sending it."""
LEAST_ROWS = 16
"""Chunks get smaller near the end, so that all workers end together, but not less than this: a NEURON run costs
five times more per cell with one cell than with many."""
LEAST = 0.1
"""Seconds of work in the smallest chunk near the end: sending one costs 5 ms."""
FIRST_ROWS = 32
"""Rows of a chunk while nothing has been measured."""
CHUNK_BYTES = 2**28
"""Memory that the rows of a chunk may take while they are worked on [bytes]."""
GROWTH = 8
"""A chunk is at most this many times larger than the largest measured."""
PATIENCE = 5.0
"""Several rows at once may take this many times longer than expected; then fewer are tried."""
SLACK = 2.0
"""Seconds that several rows at once may always take beyond that."""
START = 60.0
"""Seconds that imports and compilation in a new process may always take, once a row has worked."""
OUTSIDE_KILLS = 5
"""A chunk whose worker is killed from outside is tried this often before a row is suspected."""
HOPELESS = 5
"""When so many rows have failed alone and none ever worked, the task itself is wrong."""


@dataclass
class Usage:
    """What the calls of a ``Workers`` cost.

    Args:
        rows: Parameter sets worked on.
        calls: Calls that returned.
        busy_s: Wall seconds inside calls, over all workers.
        cpu_s: CPU seconds inside calls, over all workers.
        lost: Rows that were given up.
    """

    rows: int = 0
    calls: int = 0
    busy_s: float = 0.0
    cpu_s: float = 0.0
    lost: int = 0


@dataclass(frozen=True)
class _Piece:
    chunk: int
    first: int
    last: int
    is_suspect: bool = False
    kills: int = 0

    def __len__(self) -> int:
        return self.last - self.first


class Job:
    """One map of a task over parameter sets.

    Args:
        task: What to do.
        theta: Parameters, shape ``(N, P)``.
        seed: Seed of the fit.
        index: Number of every simulation, shape ``(N,)``.
        limit: Seconds that one call may take.
        usage: Counts what was spent.
    """

    def __init__(self, task: Task, theta: Array, seed: int, index: Array, limit: float, usage: Usage) -> None:
        self._task, self._theta, self._seed, self._index = task, theta, seed, index
        self._limit, self._usage = limit, usage
        # A protocol's command is mostly steps: it shrinks a hundredfold, and Dask warns of large tasks.
        self._packed = zlib.compress(cloudpickle.dumps(task, protocol=5), 1)
        self._digest = sha256(self._packed).hexdigest()
        self._runs = np.append(np.flatnonzero(np.diff(index) != 1) + 1, len(index))
        self._taken = self._parcels = 0
        self._chunks: dict[int, int] = {}
        self._waiting: deque[_Piece] = deque()
        self._parts: dict[int, list[Rows]] = {}
        self._costs: list[float] = []
        self._starts: list[float] = []
        self._largest = FIRST_ROWS // GROWTH
        self._warm = b""
        self._failures = 0

    @property
    def seconds_left(self) -> float:
        """Expected seconds of work in the rows that nobody has taken yet; infinite when no row has worked."""
        left = len(self._theta) - self._taken
        return left * self._cost if self._costs else (np.inf if left else 0.0)

    def run(self, engine: Engine, until: int) -> Iterator[Rows]:
        """Results of rows up to ``until``, one chunk after the other as they finish; each row comes exactly once."""
        flying: dict[int, _Piece] = {}
        number, slots, depth = 0, engine.slots, engine.depth
        until = min(until, len(self._theta))
        while self._waiting or self._taken < until or flying:
            while len(flying) < depth and (self._waiting or self._taken < until):
                piece = self._waiting.popleft() if self._waiting else self._cut(slots, until)
                flying[number] = piece
                engine.submit(number, self._request(piece))
                number += 1
            done, answer = engine.next()
            piece = flying.pop(done)
            self._settle(piece, answer)
            if self._chunks.get(piece.chunk) == 0:
                del self._chunks[piece.chunk]
                yield join(self._parts.pop(piece.chunk))
            slots, depth = engine.slots, engine.depth
        if until == len(self._theta):
            self._summarize()

    def _summarize(self) -> None:
        cost = f"{self._cost * 1e3:.3g} ms each, " if self._costs else ""
        start = f"{np.median(self._starts):.2g} s to begin with in a new process, " if self._starts else ""
        numbers = (len(self._theta), self._parcels, cost, start, self._failures)
        logger.debug("simulated %d in %d chunks: %s%s%d given up", *numbers)

    def _cut(self, slots: int, until: int) -> _Piece:
        rows = min(self._largest * GROWTH, max(1, CHUNK_BYTES // self._task.row_bytes))
        if self._costs:
            rows = min(rows, max(1, int(TARGET / self._cost)))
        if self._failures:
            # A fault costs its chunk a second run: with many of them, small chunks lose less.
            rows = min(rows, max(FIRST_ROWS, self._taken // (2 * self._failures)))
        least = max(LEAST_ROWS, int(LEAST / self._cost) if self._costs else 0)
        rows = min(rows, max(least, -(-(len(self._theta) - self._taken) // (2 * slots))))
        end = min(until, int(self._runs[np.searchsorted(self._runs, self._taken, side="right")]))
        piece = _Piece(self._taken, self._taken, min(self._taken + rows, end))
        self._taken = piece.last
        self._parcels += 1
        self._chunks[piece.chunk] = len(piece)
        self._parts[piece.chunk] = []
        return piece

    @property
    def _cost(self) -> float:
        return max(float(np.median(self._costs[-9:])), 1e-9)

    def _request(self, piece: _Piece) -> Request:
        call = self._pickled(piece.first, piece.last)
        return Request(self._digest, self._packed, call, self._warm, self._time_for(piece), max(self._limit, START))

    def _pickled(self, first: int, last: int) -> bytes:
        return pickle.dumps((self._theta[first:last], self._seed, self._index[first:last]), protocol=5)

    def _time_for(self, piece: _Piece) -> float:
        # A row that is alone gets all the time there is; a group that is late is only split.
        if len(piece) == 1 or not self._costs:
            return self._limit
        return min(self._limit, SLACK + PATIENCE * self._cost * len(piece))

    def _settle(self, piece: _Piece, answer: Answer) -> None:
        match answer:
            case Returned():
                self._keep(piece, pickle.loads(answer.payload))  # noqa: S301 - from our own worker
                self._measure(piece, answer)
            case Raised(error=DependencyError() | UnsupportedError() as error):
                raise error
            case Raised():
                self._broke(piece, Status.CRASHED, answer.error, hopeless=min(HOPELESS, len(self._theta)))
            case Died(from_outside=True) if piece.kills < OUTSIDE_KILLS:
                logger.info("simulations %s: %s; trying them again", self._named(piece), answer.reason)
                self._waiting.appendleft(replace(piece, kills=piece.kills + 1))
            case Died():
                self._broke(piece, answer.status, SimulationError(answer.reason), hopeless=HOPELESS)

    def _keep(self, piece: _Piece, rows: Rows) -> None:
        self._parts[piece.chunk].append(rows)
        self._chunks[piece.chunk] -= len(piece)
        self._usage.rows += len(piece)

    def _measure(self, piece: _Piece, answer: Returned) -> None:
        if not self._warm:
            self._warm = self._pickled(piece.first, piece.first + 1)
        self._usage.calls += 1
        self._usage.busy_s += answer.wall_s
        self._usage.cpu_s += answer.cpu_s
        if answer.start_s:
            self._starts.append(answer.start_s)
        if answer.is_first:
            self._starts.append(max(0.0, answer.wall_s - len(piece) * self._cost if self._costs else answer.wall_s))
        elif not piece.is_suspect:
            self._costs.append(answer.wall_s / len(piece))
            self._largest = max(self._largest, len(piece))

    def _broke(self, piece: _Piece, status: Status, error: HHFitError, *, hopeless: int) -> None:
        rows = slice(piece.first, piece.last)
        if len(piece) > 1:
            logger.info("simulations %s: %s; trying them in smaller groups", self._named(piece), error)
            size = max(1, int(np.sqrt(len(piece))))
            for first in range(piece.first, piece.last, size):
                self._waiting.append(_Piece(piece.chunk, first, min(first + size, piece.last), is_suspect=True))
        elif not piece.is_suspect:
            self._waiting.append(replace(piece, is_suspect=True))
        else:
            self._failures += 1
            if not self._warm and self._failures >= hopeless:
                raise type(error)(f"no simulation works: {error}")
            logger.warning("simulation %s: %s; it is marked %s", self._named(piece), error, status.name.lower())
            self._usage.lost += 1
            self._keep(piece, self._task.lost(self._theta[rows], self._index[rows], status))

    def _named(self, piece: _Piece) -> str:
        first, last = self._index[piece.first], self._index[piece.last - 1]
        return str(first) if first == last else f"{first}-{last}"
