"""The run directory: all that a fit must not lose, whole at any moment.

    with RunDirectory.create(path, settings, recording, overwrite=False, listener=show) as run:
        run.progress("round 1: simulating", 0, 2000, "")
        found, missing = run.stored(theta, first, round_number=1)  # list of 0 or 1 Simulations, row numbers
        for rows in workers.map(task, theta[missing], seed, first + missing):
            run.save(rows, round_number=1)                      # on the disk when it returns
        simulations = join([*found, *all those rows])
        run.record("round-01", arrays, log)                     # a finished round
        run.write_samples(names, samples)
        run.write_summary(summary)
        run.finish()

    with RunDirectory.open(path, listener=show) as run:         # hhfit resume: the same calls again
        run.settings, run.recording, run.validation, run.state

``earlier(DIR, settings, protocol)`` gives what an earlier run drew from the prior (``--from``), or
refuses it. ``run.adopt(rows)``, once, right after ``create``, takes it over; ``theta =
run.adopted(theta, first)`` before the first ``run.stored`` puts it in its place.

``network(DIR, settings, protocol)`` gives the trained network of an earlier npe run (``--network``), or
refuses it; ``run.adopt_network(found)`` takes it over with what it learned from, unless
``run.has_network``. ``settings_of(DIR)`` is what the ``fit.toml`` of a run says.

``run.recall("round-01")`` gives the arrays back, or ``None``. Leaving the ``with`` block by an
exception, Ctrl-C included, writes where and why it stopped to ``state.json``; after a kill -9
the file says where it was. One process at a time can hold a run directory. ``run.folder`` is
its path, for the report. Loggers of ``hhfit`` also write to ``log.txt``.

Raises ``InputError`` when a folder is no run, holds one already, is in use, or is of another
schema; ``HHFitError`` when the disk refuses to write. Nothing is ever left half-written.
"""

import csv
import io
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import tomli_w

from hhfit import __version__
from hhfit.arrays import Array, need_shape
from hhfit.errors import HHFitError, InputError
from hhfit.journal import Arrays, Journal
from hhfit.recording import Recording
from hhfit.run import _files, _folder, _recording, _state
from hhfit.run._decisions import decisions
from hhfit.run._earlier import FIRST, Network, earlier, network
from hhfit.run._folder import settings as settings_of
from hhfit.run._log import FileLog
from hhfit.run._parts import LAST, Parts, select
from hhfit.run._state import State
from hhfit.simulations import Simulations

__all__ = ["Network", "RunDirectory", "earlier", "network", "settings_of"]

logger = logging.getLogger(__name__)

KEPT = "validation.npz"
"""Sweeps kept back to be predicted; absent when all are fitted."""

ADOPTED = "simulations/adopted.npz"
"""Parameters of simulations taken over from an earlier run."""

Listener = Callable[[str, float, float, str], None]
"""Hears ``(stage, done, total, note)``: a progress bar."""

_KEY = re.compile(r"[a-z0-9][a-z0-9-]*")


class RunDirectory(Journal):
    """An open run directory; make one with ``create`` or ``open``.

    Args:
        folder: Its path.
        lock: File descriptor that holds its lock.
        listener: Hears of progress.
    """

    def __init__(self, folder: Path, lock: int, listener: Listener) -> None:
        self.folder = folder
        self._lock, self._listener = lock, listener
        table = _folder.settings(folder)
        self.settings: Mapping[str, Any] = {key: value for key, value in table.items() if key != "schema"}
        self.recording = _recording.load(folder / "recording.npz")
        self.validation = _recording.load(folder / KEPT) if (folder / KEPT).exists() else None
        self.state = _state.last(folder / "state.json")
        self._state = State(folder / "state.json", {"status": "running", "stage": "start", "done": 0, "total": 0})
        self._log = FileLog(folder / "log.txt")
        self._log.start()
        self._log.say(f"hhfit {__version__}, process {os.getpid()}; the run is {self.state}")

    @classmethod
    def create(
        cls,
        path: str | Path,
        settings: Mapping[str, Any],
        recording: Recording,
        *,
        overwrite: bool,
        listener: Listener,
        validation: Recording | None = None,
    ) -> Self:
        """Begin a run.

        Args:
            path: Its folder; made when it does not exist.
            settings: All that repeats the fit; entries that are ``None`` are left out.
            recording: The sweeps to fit, as they will be used.
            overwrite: Whether a run that is there may be deleted.
            listener: Hears of progress.
            validation: Sweeps to be predicted, not fitted; none when all are fitted.

        Raises:
            InputError: If the folder holds a run, is in use, or cannot be written.
        """
        folder = Path(path)
        content = tomli_w.dumps({"schema": _folder.SCHEMA, **_folder.without_none(_files.plain(settings))}).encode()
        stored = {"recording.npz": _recording.pack(recording)}
        if validation is not None:
            stored[KEPT] = _recording.pack(validation)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file, expected a folder for the run")
        if not overwrite:
            _folder.refuse_existing(folder)
        is_new = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = _folder.hold(folder)
            try:
                _folder.begin(folder, {**stored, "fit.toml": content})
                return cls(folder, lock, listener)
            except BaseException:
                os.close(lock)
                raise
        except InputError:
            raise
        except (OSError, HHFitError) as error:
            if is_new and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            reason = cause.strerror if isinstance(cause, OSError) else cause
            raise InputError(f"{folder}: no run can be written there: {reason}") from None

    @classmethod
    def open(cls, path: str | Path, *, listener: Listener) -> Self:
        """Take up a run.

        Raises:
            InputError: If the folder holds no run, is in use, of another schema, or damaged.
        """
        folder = Path(path)
        _folder.settings(folder)
        lock = _folder.hold(folder)
        try:
            return cls(folder, lock, listener)
        except BaseException:
            os.close(lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
                self._end("stopped", "on request")
            elif error is not None:
                self._end("failed", str(error) or type(error).__name__)
        finally:
            self._log.stop()
            os.close(self._lock)

    def finish(self) -> None:
        """Say that the run is done."""
        self._state.end("done", "")
        logger.info("run done")

    def progress(self, stage: str, done: float, total: float, note: str) -> None:
        """Say how far a stage has come: to the listener, and in ``state.json``."""
        if self._state.step(stage, done, total):
            self._log.say(f"{stage}: {done:g} of {total:g} {note}".rstrip())
        self._listener(stage, done, total, note)

    def record(self, key: str, arrays: Arrays, log: Mapping[str, Any]) -> None:
        """Keep a finished step in ``rounds/KEY``."""
        _check_key(key)
        place, beside = self.folder / "rounds" / key, self.folder / "rounds" / f".{key}"
        content, text = _files.pack(arrays), _files.to_json(log).encode()
        with _files.told(place):
            _folder.remove(beside)
            beside.mkdir(parents=True)
            _files.write(beside / "arrays.npz", content, durable=True)
            _files.write(beside / "log.json", text, durable=True)
            _folder.remove(place)
            beside.rename(place)
            _files.sync_folder(place.parent)
        for sentence in decisions(log):
            self._log.say(f"{key}: {sentence}")

    def recall(self, key: str) -> Arrays | None:
        """Arrays recorded under ``key``; ``None`` if there are none, or none that are whole."""
        _check_key(key)
        place = self.folder / "rounds" / key
        if not place.is_dir():
            return None
        try:
            _files.from_json(place / "log.json")
            return _files.unpack(place / "arrays.npz")
        except InputError as error:
            logger.warning("%s; this step is done again", error)
            return None

    @property
    def logs(self) -> dict[str, dict[str, Any]]:
        """What every finished step logged, in order of their keys."""
        places = sorted(path for path in (self.folder / "rounds").glob("*") if _KEY.fullmatch(path.name))
        return {place.name: _files.from_json(place / "log.json") for place in places}

    def save(self, rows: Simulations, round_number: int) -> None:
        """Keep simulations with contiguous numbers; they are on the disk when this returns."""
        self._parts(round_number).save(rows)

    def explain(self, sentence: str) -> None:
        """Say in the log, and nowhere else, what was decided and why."""
        self._log.say(sentence)

    def simulations(self, round_number: int) -> list[Simulations]:
        """Parts of a round that are whole; a damaged one is named in the log and set aside."""
        return self._parts(round_number).load(0, LAST)

    def stored(self, theta: Array, first: int, round_number: int) -> tuple[list[Simulations], Array]:
        """What is already there of a request, and which of its rows are not.

        Args:
            theta: Parameters asked for, shape ``(N, P)``.
            first: Simulation number of the first row.
            round_number: Round that they belong to.

        Returns:
            A list of no or one ``Simulations``, and the numbers (from 0) of the missing rows.

        Raises:
            InputError: If a stored simulation has other parameters.
        """
        return select(self._parts(round_number).load(first, first + len(theta) - 1), theta, first)

    def adopt(self, rows: Simulations) -> None:
        """Take over simulations of an earlier run, numbered from 0, as the first of round 1."""
        self.save(rows, round_number=1)
        _files.write(self.folder / ADOPTED, _files.pack({"theta": rows.theta}), durable=True)
        self._log.say(f"{len(rows)} simulations of an earlier run taken over")

    @property
    def has_network(self) -> bool:
        """Whether a network was taken over, and is whole."""
        return (self.folder / ADOPTED).exists() and self.recall(FIRST) is not None

    def adopt_network(self, found: Network) -> None:
        """Take over the network of an earlier run as round 1, with the simulations that it learned from."""
        self.adopt(found.simulations)
        self.record(FIRST, found.arrays, found.log)

    def adopted(self, theta: Array, first: int) -> Array:
        """Parameters asked for, shape ``(N, P)``, with those of simulations taken over in their places."""
        path = self.folder / ADOPTED
        if not path.exists():
            return theta
        known = _files.unpack(path)["theta"][first : first + len(theta)]
        return np.concatenate([known, theta[len(known) :]])

    def write_samples(self, names: Sequence[str], samples: Array, *, robust: bool = False) -> None:
        """Write draws from the posterior, or the robust one, shape ``(n, P)``; every digit is kept."""
        need_shape("samples", samples, (None, len(names)))
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(names)
        table.writerows(samples.tolist())
        _files.write(
            self.folder / ("samples_robust.csv" if robust else "samples.csv"), text.getvalue().encode(), durable=True
        )

    def read_samples(self) -> tuple[list[str], Array]:
        """Parameter names, and draws from the posterior, shape ``(n, P)``."""
        with open(self.folder / "samples.csv", newline="", encoding="utf-8") as file:
            names, *rows = csv.reader(file)
        return names, np.array(rows, float).reshape(-1, len(names))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write ``summary.json``."""
        _files.write(self.folder / "summary.json", _files.to_json(summary).encode(), durable=True)

    def read_summary(self) -> dict[str, Any]:
        """What ``summary.json`` says."""
        return _files.from_json(self.folder / "summary.json")

    def _parts(self, round_number: int) -> Parts:
        return Parts(self.folder / "simulations" / f"round-{round_number:02d}")

    def _end(self, status: str, reason: str) -> None:
        try:
            self._state.end(status, reason)
        except HHFitError as error:
            logger.warning("%s", error)
        self._log.say(f"{self._state.sentence}; go on with: hhfit resume {self.folder}")


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise InputError(f"key {key!r} must be made of small letters, digits and '-'")
