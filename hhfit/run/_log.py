"""The log of a run: every line is on its way to the disk at once, and a full disk stops nothing."""

import contextlib
import logging
from pathlib import Path

_FORMAT = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")


class FileLog(logging.Handler):
    """Writes all that ``hhfit`` logs to a file.

    Args:
        path: The file; lines are added at its end.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(logging.DEBUG)
        self._path = path
        self.setFormatter(_FORMAT)

    def start(self) -> None:
        """Listen from now on."""
        root = logging.getLogger("hhfit")
        self._level = root.level
        root.setLevel(logging.DEBUG)
        root.addHandler(self)

    def stop(self) -> None:
        """Listen no more."""
        root = logging.getLogger("hhfit")
        root.removeHandler(self)
        root.setLevel(self._level)
        self.close()

    def say(self, text: str) -> None:
        """Add one line that is for the file alone."""
        self.handle(logging.LogRecord("hhfit.run", logging.INFO, "", 0, text, None, None))

    def emit(self, record: logging.LogRecord) -> None:
        """Add one line."""
        with contextlib.suppress(OSError), open(self._path, "a", encoding="utf-8") as file:
            file.write(self.format(record) + "\n")
