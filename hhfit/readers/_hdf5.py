"""Reading HDF5 where it can do no harm: some damages make the library loop, crash or ask for all memory."""

import faulthandler
import os
import pickle
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hhfit.errors import DependencyError, InputError, UnsupportedError

PATIENCE = 4
"""Seconds of processor time that reading a small file may take."""

BYTES_PER_SECOND = 2**26
"""A larger file may take a second more for each of these."""

SLOWEST = 60.0
"""Seconds after which a reading that does not even compute is given up."""

MEMORY = 2**29
"""Bytes that reading may take, beside twelve times the size of the file."""

_SENT = (InputError, UnsupportedError, DependencyError, OSError, ValueError, KeyError)
"""Errors that are sent as they are."""

T = TypeVar("T")


def apart(path: Path, read: Callable[[], T]) -> T:
    """What ``read`` returns or raises, found out in a process forked for it; where there is no fork, in this one.

    Args:
        path: The file that it reads.
        read: Returns something that can be pickled.

    Raises:
        InputError: If the process does not come to an end by itself.
    """
    if os.name != "posix":
        return read()
    import h5py  # noqa: F401 - before the fork, so that it is loaded once

    receiver, sender = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child only reads, whatever threads run here
        pid = os.fork()
    if pid == 0:
        os.close(receiver)
        _limit(PATIENCE + path.stat().st_size // BYTES_PER_SECOND, MEMORY + 12 * path.stat().st_size)
        _answer(read, sender)
    os.close(sender)
    content = _received(receiver, pid)
    if os.waitstatus_to_exitcode(_ended(pid)) != 0 or not content:
        raise InputError(
            f"{path.name}: the HDF5 library does not come to an end on it; the file is damaged, so copy it again"
        )
    kind, value = pickle.loads(content)  # noqa: S301 - written by this very program
    if kind == "raised":
        raise value
    return value


def _answer(read: Callable[[], Any], sender: int) -> None:
    """Send what ``read`` returns or raises, and end this process."""
    try:
        try:
            answer = ("returned", read())
        except MemoryError as error:
            answer = ("raised", MemoryError(str(error)))
        except Exception as error:
            answer = ("raised", error if type(error) in _SENT else OSError(f"{type(error).__name__}: {error}"))
        with os.fdopen(sender, "wb") as stream:
            pickle.dump(answer, stream, protocol=pickle.HIGHEST_PROTOCOL)
    except BaseException:
        os._exit(1)
    os._exit(0)


def _received(receiver: int, pid: int) -> bytes:
    """All that a process sends until it ends; it is killed if it takes too long."""
    import select

    last, parts = time.monotonic() + SLOWEST, []
    with os.fdopen(receiver, "rb", buffering=0) as stream:
        while True:
            ready, _, _ = select.select([stream], [], [], max(last - time.monotonic(), 0.0))
            part = stream.read(2**20) if ready else b""
            if not ready:
                os.kill(pid, signal.SIGKILL)
            if not part:
                return b"".join(parts)
            parts.append(part)


def _limit(seconds: int, memory: int) -> None:
    """End this process after so much processor time or further memory [bytes], without a core file."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    faulthandler.disable()
    held = Path("/proc/self/statm")
    if held.is_file():
        most = int(held.read_text().split()[0]) * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _ended(pid: int) -> int:
    """How a process ended; killed if it takes too long."""
    last = time.monotonic() + SLOWEST
    pause = 0.0005
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > last:
            os.kill(pid, signal.SIGKILL)
            return os.waitpid(pid, 0)[1]
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
