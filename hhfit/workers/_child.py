"""The process that runs tasks: one call at a time, on one thread, killed by the kernel when its parent ends."""

import faulthandler
import fcntl
import os
import pickle
import resource
import signal
import sys
import time
import traceback
import zlib
from multiprocessing.connection import Connection
from typing import Any

from hhfit.errors import HHFitError, SimulationError
from hhfit.traces import Status
from hhfit.workers._task import Task, check

IDLE = 900.0
"""A child that hears nothing for this long [s] ends."""


def main(channel: int, lifeline: int, memory: int) -> None:
    """Serve calls until the parent closes the channel.

    Args:
        channel: File descriptor of a socket to the parent.
        lifeline: File descriptor of a pipe whose other end only the parent holds.
        memory: Largest data segment [bytes]; an allocation beyond it fails.
    """
    _die_with_parent(lifeline)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    faulthandler.enable(sys.stderr)
    connection = Connection(channel)
    connection.send_bytes(b"ready")
    tasks: dict[str, Task] = {}
    while connection.poll(IDLE):
        try:
            message = pickle.loads(connection.recv_bytes())  # noqa: S301 - from our own parent
        except EOFError:
            return
        connection.send_bytes(pickle.dumps(answer(tasks, message), protocol=5))


def answer(tasks: dict[str, Task], message: tuple[str, bytes, bytes]) -> tuple[Any, ...]:
    """Run one call.

    Args:
        tasks: Tasks unpickled so far, by digest.
        message: Digest of the task, the pickled and compressed task (empty when it is known), the pickled call.

    Returns:
        ``("returned", pickled result, wall seconds, CPU seconds, resident bytes)`` or
        ``("raised", pickled exception, wall seconds, CPU seconds, resident bytes)``.
    """
    digest, packed, call = message
    wall, cpu = time.perf_counter(), _cpu()
    try:
        if packed:
            tasks[digest] = pickle.loads(zlib.decompress(packed))  # noqa: S301 - from our own parent
        kind, payload = "returned", pickle.dumps(_run(tasks[digest], call), protocol=5)
    except Exception as error:  # whatever a task raises is its answer
        traceback.print_exc()
        kind, payload = "raised", pickle.dumps(_portable(error))
    return kind, payload, time.perf_counter() - wall, _cpu() - cpu, _resident()


def _run(task: Task, call: bytes) -> Any:  # noqa: ANN401 - whatever the task returns
    theta, seed, index = pickle.loads(call)  # noqa: S301 - from our own parent
    result = task(theta, seed, index)
    check(result, task.lost(theta, index, Status.CRASHED))
    return result


def _portable(error: Exception) -> HHFitError:
    if isinstance(error, HHFitError):
        return type(error)(str(error))
    return SimulationError(f"{type(error).__name__}: {error}")


def _die_with_parent(lifeline: int) -> None:
    # The kernel sends the signal when the last writer closes, whatever this process is doing then.
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
    try:
        ended = os.read(lifeline, 1) == b""
    except BlockingIOError:
        return
    if ended:
        sys.exit()


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
