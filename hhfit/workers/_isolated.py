"""A child process seen from its parent: it may crash, hang or leak, and the parent goes on."""

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from hhfit.errors import HHFitError, SimulationError
from hhfit.traces import Status

START = 60.0
"""A child that is not ready after this long [s] cannot start."""
STARTS = 5
"""A child that is killed from outside before it is ready is started this often."""
RECYCLE_CALLS = 1000
"""A child is replaced after this many calls."""
RECYCLE_BYTES = 2**30
"""A child that holds more than this after a call is replaced."""
OUTSIDE_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
"""Signals that come from outside: the task is not to blame at once."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_CODE = "import sys; sys.path[:] = {path!r}; from hhfit.workers._child import main; main({a}, {b}, {memory})"


@dataclass(frozen=True)
class Request:
    """One call of a task, pickled.

    Args:
        digest: Digest of the task.
        task: The pickled, compressed task.
        call: The pickled parameters, seed and simulation numbers.
        warm: A pickled call that is known to work, made first in a process that does not know the task, so that
            imports and compilation are not held against the call; empty when none is known.
        limit: Seconds that the call may take.
        start: Seconds that the warm call may take.
    """

    digest: str
    task: bytes
    call: bytes
    warm: bytes
    limit: float
    start: float


@dataclass(frozen=True)
class Returned:
    """The task returned.

    Args:
        payload: Its pickled result.
        wall_s: Wall seconds of the call.
        cpu_s: CPU seconds of the call, and of the warm one before it.
        is_first: Whether imports and compilation are in ``wall_s``.
        start_s: Wall seconds of the warm call; 0 when there was none.
    """

    payload: bytes
    wall_s: float
    cpu_s: float
    is_first: bool
    start_s: float


@dataclass(frozen=True)
class Raised:
    """The task raised."""

    error: HHFitError
    cpu_s: float


@dataclass(frozen=True)
class Died:
    """The process died, or was killed for taking too long."""

    status: Status
    reason: str
    from_outside: bool


Answer = Returned | Raised | Died


class Child:
    """One child process, started again when it has died or grown.

    Args:
        memory: Largest data segment [bytes].
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._calling = threading.Lock()
        self._starting = threading.Lock()
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None

    def call(self, request: Request) -> Answer:
        """Run one call in the child.

        Raises:
            SimulationError: If no child can be started.
        """
        with self._calling:
            return self._call(request)

    def close(self) -> None:
        """Kill the child, whatever it is doing; any thread may call this."""
        with self._starting:
            self._closed = True
            if self._process is not None:
                _kill(self._process)
        with self._calling:
            self._end()

    def _call(self, request: Request) -> Answer:
        if self._process is None or self._process.poll() is not None:
            self._start()
        is_first = request.digest not in self._known
        start_s = start_cpu_s = 0.0
        if is_first and request.warm:
            warm = self._send(request, request.warm, request.start)
            if isinstance(warm, Died):
                return replace(warm, reason=f"before the call: {warm.reason}", from_outside=True)
            start_s = warm.wall_s if isinstance(warm, Returned) else 0.0
            start_cpu_s, is_first = warm.cpu_s, False
        answer = self._send(request, request.call, request.limit)
        if isinstance(answer, Returned):
            return replace(answer, cpu_s=answer.cpu_s + start_cpu_s, is_first=is_first, start_s=start_s)
        return answer

    def _send(self, request: Request, call: bytes, limit: float) -> Answer:
        packed = b"" if request.digest in self._known else request.task
        try:
            self._connection.send_bytes(pickle.dumps((request.digest, packed, call), protocol=5))
            if not self._connection.poll(limit):
                self._end()
                return Died(Status.TIMEOUT, f"it took longer than {limit:g} s", from_outside=False)
            kind, payload, wall_s, cpu_s, resident = pickle.loads(self._connection.recv_bytes())  # noqa: S301
        except (EOFError, OSError):
            return self._died()
        self._calls += 1
        self._known.add(request.digest)
        os.ftruncate(self._output.fileno(), 0)
        if call is request.call and (self._calls >= RECYCLE_CALLS or resident > RECYCLE_BYTES):
            self._end()
        if kind == "raised":
            return Raised(pickle.loads(payload), cpu_s)  # noqa: S301 - from our own child
        return Returned(payload, wall_s, cpu_s, is_first=bool(packed), start_s=0.0)

    def _start(self) -> None:
        for _ in range(STARTS):
            self._end()
            with self._starting:
                if self._closed:
                    raise SimulationError("the workers are closed")
                self._spawn()
            with contextlib.suppress(EOFError, OSError):
                if self._connection.poll(START) and self._connection.recv_bytes() == b"ready":
                    return
            died = self._died()
            if not died.from_outside:
                break
        raise SimulationError(f"a worker process cannot start: {died.reason}")

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self._output = tempfile.TemporaryFile(mode="a+b")  # noqa: SIM115 - closed in _end
        self._calls, self._known = 0, set[str]()
        try:
            self._process = self._popen(theirs.fileno(), lifeline)
        except OSError as error:
            ours.close()
            os.close(self._lifeline)
            self._output.close()
            raise SimulationError(f"a worker process cannot start: {error.strerror}") from None
        finally:
            theirs.close()
            os.close(lifeline)
        self._connection = Connection(ours.detach())

    def _popen(self, channel: int, lifeline: int) -> "subprocess.Popen[bytes]":
        code = _CODE.format(path=sys.path, a=channel, b=lifeline, memory=self._memory)
        return subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **dict.fromkeys(_THREADS, "1")},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=(channel, lifeline),
            start_new_session=True,
        )

    def _died(self) -> Died:
        process = self._process
        assert process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.0)
        code, tail = process.returncode, self._tail()
        self._end()
        if code is not None and code < 0:
            number = signal.Signals(-code)
            return Died(Status.CRASHED, f"it died of {number.name}{tail}", number in OUTSIDE_SIGNALS)
        return Died(Status.CRASHED, f"it ended with exit code {code}{tail}", from_outside=False)

    def _tail(self) -> str:
        size = os.fstat(self._output.fileno()).st_size
        self._output.seek(max(size - 4096, 0))
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1].strip()}" if lines else ""

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _kill(process)
            process.wait()
            self._connection.close()
            os.close(self._lifeline)
            self._output.close()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class Children:
    """Child processes of one host process, as many as its threads ask for at once.

    Args:
        memory: Largest data segment of each [bytes].
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._all: list[Child] = []

    def call(self, request: Request) -> Answer:
        """Run one call in a child that is free."""
        with self._borrowed() as child:
            return child.call(request)

    def close(self) -> None:
        """Kill them all."""
        with self._lock:
            for child in self._all:
                child.close()

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[Child]:
        with self._lock:
            if not self._idle:
                self._idle.append(Child(self._memory))
                self._all.append(self._idle[-1])
            child = self._idle.pop()
        try:
            yield child
        finally:
            with self._lock:
                self._idle.append(child)
