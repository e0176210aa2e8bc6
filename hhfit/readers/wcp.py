"""WinWCP, through neo."""

from pathlib import Path

from hhfit.readers import _neo
from hhfit.readers._given import NOTHING, Given
from hhfit.recording import Recording


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read potential and current of every record.

    Raises:
        InputError: If it is not such a file, or holds no potential or current.
    """
    return _neo.read(path, given, "WinWcpRawIO", "WinWCP")
