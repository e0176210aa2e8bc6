"""Where a run stands, in one small file that is always whole."""

import time
from pathlib import Path
from typing import Any

from hhfit.errors import InputError
from hhfit.run import _files

EVERY = 0.5
"""Within a stage the file is written at most this often [s]."""


class State:
    """Where a run stands.

    Args:
        path: Its file.
        now: What it says first.
    """

    def __init__(self, path: Path, now: dict[str, Any]) -> None:
        self._path, self._now, self._written = path, now, -EVERY

    @property
    def sentence(self) -> str:
        """Such as ``"stopped in round 2: 1400 of 2000 simulations"``."""
        return sentence(self._now)

    def step(self, stage: str, done: float, total: float) -> bool:
        """Say how far a stage has come; returns whether it has just begun or ended."""
        fresh = self._now.get("status") != "running" or self._now["stage"] != stage or done >= total
        self._now = {"status": "running", "stage": stage, "done": done, "total": total}
        if fresh or time.monotonic() - self._written >= EVERY:
            self._write()
        return fresh

    def end(self, status: str, reason: str) -> None:
        """Say that the run is ``"done"``, ``"stopped"`` or ``"failed"``, and why."""
        self._now = {**self._now, "status": status, "reason": reason}
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        _files.write(self._path, _files.to_json({**self._now, "sentence": self.sentence}).encode(), durable=False)


def sentence(now: dict[str, Any]) -> str:
    """Where a run stands, in words.

    Example:
        >>> sentence({"status": "stopped", "stage": "round 2", "done": 1400, "total": 2000})
        'stopped in round 2: 1400 of 2000'
    """
    if now["status"] == "done":
        return "done"
    words = {"running": "in", "stopped": "stopped in", "failed": "failed in"}
    where = f"{words.get(now['status'], now['status'])} {now['stage']}"
    if now.get("total"):
        where += f": {now['done']:g} of {now['total']:g}"
    return where + (f" ({now['reason']})" if now.get("reason") else "")


def last(path: Path) -> str:
    """Where a run that nobody works on stands, in words.

    A run that was killed could not say so: its file still says that it runs.
    """
    try:
        now = _files.from_json(path)
        return sentence({**now, "status": "stopped" if now["status"] == "running" else now["status"]})
    except (InputError, KeyError, TypeError, ValueError):
        return "new" if not path.exists() else "stopped in an unknown stage"
