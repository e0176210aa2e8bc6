"""The log of a run: every line is on its way to the disk at once, and a full disk stops nothing."""

import contextlib
import logging
from pathlib import Path

_FORMAT = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")


class FileLog(logging.Handler):
    """Writes what ``hhfit`` logs, from INFO up, to a file.

    Args:
        path: The file; lines are added at its end.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(logging.INFO)
        self._path = path
        self.setFormatter(_FORMAT)

    def start(self) -> None:
        """Listen from now on."""
        root = logging.getLogger("hhfit")
        self._level = root.level
        root.setLevel(min(level for level in (root.level or logging.WARNING, logging.INFO)))
        root.addHandler(self)

    def stop(self) -> None:
        """Listen no more."""
        root = logging.getLogger("hhfit")
        root.removeHandler(self)
        root.setLevel(self._level)
        self.close()

    def emit(self, record: logging.LogRecord) -> None:
        """Add one line."""
        with contextlib.suppress(OSError), open(self._path, "a", encoding="utf-8") as file:
            file.write(self.format(record) + "\n")
