"""Whatever a library raises on a damaged file becomes one sentence."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hhfit.errors import DependencyError, InputError

_LOG = logging.getLogger(__name__)

ROOM = 64
"""A file may unpack to at most this many times its size, so that a damaged length asks for no absurd memory."""

LEAST_ROOM = 2**28
"""Any file may unpack to this many bytes."""


@contextmanager
def reads(path: Path, kind: str) -> Iterator[None]:
    """Let only `InputError` out while a file is read, and put the file's name first.

    Args:
        path: The file.
        kind: What it is read as, for the message.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        text = ""
        try:
            yield
        except DependencyError:
            raise
        except InputError as error:
            text = str(error)
            text = text if text.startswith(path.name) else f"{path.name}: {text}"
        except Exception as error:
            _LOG.debug("%s", path.name, exc_info=True)
            reason = " ".join(str(error).split())[:120] or "no reason given"
            text = (
                f"{path.name}: cannot be read as {kind} ({type(error).__name__}: {reason}); "
                "check that the file is complete, or export it to CSV or NWB 2"
            )
        if text:
            raise InputError(text)


def need_room(path: Path, n_bytes: float) -> None:
    """Raise if a file claims to hold more than it can.

    Args:
        path: The file.
        n_bytes: Memory that its contents would need, unpacked.
    """
    size = path.stat().st_size
    if not 0 <= n_bytes <= max(ROOM * size, LEAST_ROOM):
        raise InputError(
            f"{path.name}: its header claims {n_bytes:.3g} bytes of data in a file of {size} bytes; "
            "the file is damaged or cut short, so copy it again"
        )
