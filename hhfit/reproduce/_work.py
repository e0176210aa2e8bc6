"""What every figure works with: its budget and seed, parts that survive an interruption, and a count of simulations."""

import json
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import inference
from hhfit.arrays import Array
from hhfit.inference import Budget
from hhfit.journal import Arrays, Journal
from hhfit.posterior import Posterior
from hhfit.prior import Prior
from hhfit.simulations import Simulate, Simulations

AS_PUBLISHED: dict[str, dict[str, Any]] = {
    "snpe_b": {"space": "natural", "accumulate": False, "kernel": "none", "hidden": (50,), "epochs": 300},
}
"""Settings by which a method is that of the papers' scripts, where hhfit's defaults are not."""

Progress = Callable[[str, float, float, str], None]
Parts = dict[str, Array]


def ignore(stage: str, done: float, total: float, note: str) -> None:
    """Show no progress."""


def cpu_seconds() -> float:
    """CPU seconds of this process and of those it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


class Heard(Journal):
    """A journal in memory that passes progress on."""

    def __init__(self, stage: str, progress: Progress) -> None:
        self.logs: dict[str, Mapping[str, Any]] = {}
        self.arrays: dict[str, Arrays] = {}
        self._stage, self._progress = stage, progress

    def progress(self, stage: str, done: float, total: float, note: str) -> None:
        """Say how far a stage has come."""
        self._progress(f"{self._stage}, {stage}" if stage else self._stage, done, total, note)

    def record(self, key: str, arrays: Arrays, log: Mapping[str, Any]) -> None:
        """Keep a finished step."""
        self.arrays[key], self.logs[key] = arrays, log

    def recall(self, key: str) -> Arrays | None:
        """Arrays recorded under ``key``, or ``None``."""
        return self.arrays.get(key)


@dataclass(frozen=True, eq=False)
class Fitted:
    """What an inference method returned.

    Args:
        posterior: The posterior.
        journal: What it recorded on the way.
    """

    posterior: Posterior
    journal: Heard

    def log(self, name: str) -> Array:
        """One number of every round's log; NaN where a round lacks it."""
        return np.array([float(log.get(name, np.nan)) for log in self.journal.logs.values()])


class Work:
    """The bench of one figure.

    Args:
        folder: Where parts are kept.
        quick: Whether the small budget is asked for.
        seed: Added to every seed of the figure.
        progress: Called as ``progress(stage, done, total, note)``.
        recordings: Folder of real recordings, for the figures that need one.
    """

    def __init__(
        self, folder: Path, quick: bool, seed: int, progress: Progress = ignore, recordings: Path = Path()
    ) -> None:
        self.quick, self.seed, self.progress, self.recordings = quick, seed, progress, recordings
        self.simulations, self.cpu_s = 0, 0.0
        self._folder, self._counted = folder, 0

    def size(self, quick: int, full: int) -> int:
        """The number that goes with the budget."""
        return quick if self.quick else full

    def part(self, name: str, compute: Callable[[], Parts]) -> Parts:
        """Arrays that ``compute`` returns, or those that it returned before an interruption.

        Args:
            name: Name of the part within the figure.
            compute: Makes the arrays; its simulations and CPU seconds are counted and kept with them.
        """
        path = self._folder / f"{name}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                arrays = {key: stored[key] for key in stored.files}
        else:
            self._counted, started = 0, cpu_seconds()
            arrays = {key: np.asarray(value) for key, value in compute().items()}
            arrays |= {"part.simulations": np.array(self._counted), "part.cpu_s": np.array(cpu_seconds() - started)}
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".tmp.npz")
            np.savez_compressed(unfinished, **arrays)
            unfinished.replace(path)
        self.simulations += int(arrays.pop("part.simulations"))
        self.cpu_s += float(arrays.pop("part.cpu_s"))
        return arrays

    def counted(self, simulate: Simulate) -> Simulate:
        """A simulator whose simulations count for the figure."""

        def wrapper(theta: Array, first: int) -> Simulations:
            self._counted += len(theta)
            return simulate(theta, first)

        return wrapper

    def count(self, n: int) -> None:
        """Count simulations that were made otherwise."""
        self._counted += n

    def fit(
        self,
        stage: str,
        method: str,
        prior: Prior,
        simulate: Simulate,
        x_o: Array,
        budget: Budget,
        *,
        seed: int = 0,
        **settings: Any,  # noqa: ANN401 - each method has its own
    ) -> Fitted:
        """Run an inference method.

        Args:
            stage: Begins what progress says.
            method: Its name.
            prior: The prior.
            simulate: The simulator.
            x_o: The observation.
            budget: Rounds and simulations.
            seed: Added to the figure's seed.
            settings: Settings of the method.
        """
        journal = Heard(stage, self.progress)
        algorithm = inference.get(method, budget, **AS_PUBLISHED.get(method, {}) | settings)
        return Fitted(algorithm.fit(prior, self.counted(simulate), x_o, self.seed + seed, journal), journal)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)
