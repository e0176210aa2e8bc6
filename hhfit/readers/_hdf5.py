"""Whether HDF5 can walk through a file at all, found out where it can do no harm."""

import faulthandler
import os
import signal
import time
from pathlib import Path

from hhfit.errors import InputError

PATIENCE = 4
"""Seconds of processor time that walking through a small file may take."""

BYTES_PER_SECOND = 2**26
"""A larger file may take a second more for each of these."""

SLOWEST = 60.0
"""Seconds after which a walk that does not even compute is given up."""

_WHOLE = 2**20


def check(path: Path) -> None:
    """Raise if the HDF5 library loops or crashes on a file.

    Some damages hold it in a loop that no signal reaches, or end the process. So a process forked for the
    purpose walks first; where processes cannot be forked, nothing is checked.

    Args:
        path: The file.

    Raises:
        InputError: If the walk does not end by itself.
    """
    if os.name != "posix":
        return
    import h5py  # noqa: F401 - before the fork, so that it is loaded once

    pid = os.fork()
    if pid == 0:
        _limit(PATIENCE + path.stat().st_size // BYTES_PER_SECOND)
        try:
            walk(path)
        except BaseException:
            pass
        finally:
            os._exit(0)
    if os.waitstatus_to_exitcode(_ended(pid)) != 0:
        raise InputError(
            f"{path.name}: the HDF5 library does not come to an end on it; the file is damaged, so copy it again"
        )


def walk(path: Path) -> None:
    """Look at everything that a reader would: groups, attributes and the ends of large arrays."""
    import h5py

    def look(_: str, one: object) -> None:
        if isinstance(one, h5py.Dataset) and one.shape:
            if one.nbytes <= _WHOLE:
                one[()]
            else:
                one[0], one[-1]
        dict(one.attrs)

    with h5py.File(path, "r") as file:
        dict(file.attrs)
        file.visititems(look)


def _limit(seconds: int) -> None:
    """End this process after so much processor time, without a core file."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    faulthandler.disable()


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
