"""``fit``: the only code that knows every stage, from a recording to a posterior."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import diagnostics, example, inference, report
from hhfit import model as models
from hhfit.arrays import Array
from hhfit.discrepancy import Discrepancy
from hhfit.errors import InputError
from hhfit.extractors.spikes import spike_counts
from hhfit.model import Model
from hhfit.planning import Fit, Settings, from_table, plan, to_table, versions
from hhfit.posterior import Amortized, Posterior
from hhfit.preparation import Corrections
from hhfit.recording import Recording
from hhfit.result import FitResult, Predictive, Validation
from hhfit.run import RunDirectory
from hhfit.run import earlier as simulations_of
from hhfit.run import network as network_of
from hhfit.simulations import Simulations, join
from hhfit.task import Predicted, Prediction
from hhfit.workers import Workers

PREDICTION_INDEX = 2**40
"""Posterior predictions are numbered from here on, so that their noise is never that of a simulation."""

CHECK_INDEX = 2**41
"""Simulations that only checks use are numbered from here on."""

KNOWN = 1000
"""Simulations with known parameters that calibration is measured on: 0.0095 standard error of the 90 % coverage."""

Progress = Callable[[str, float, float, str], None]


def ignore(stage: str, done: float, total: float, note: str) -> None:
    """Show no progress."""


class Stopwatch:
    """Wall and CPU seconds per stage of this process."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            total = self.stages.setdefault(name, {"wall_s": 0.0, "cpu_s": 0.0})
            total["wall_s"] += time.perf_counter() - wall
            total["cpu_s"] += time.process_time() - cpu


def fit(  # noqa: PLR0913 - what to fit, and where and how to do it
    recording: Recording,
    model: Model,
    settings: Settings = Settings(),  # noqa: B008 - frozen
    corrections: Corrections = Corrections(),  # noqa: B008 - frozen
    *,
    out: str | Path,
    overwrite: bool = False,
    earlier: str = "",
    workers: int = 0,
    scheduler: str = "",
    progress: Progress = ignore,
) -> FitResult:
    """Fit a model to a recording and write a run directory with a report.

    Args:
        recording: Recording as it was read.
        model: The neuron, with priors on what is to be fitted.
        settings: What to do.
        corrections: What the experimenter knows and the file does not.
        out: Run directory to write.
        overwrite: Replace a run that is already there.
        earlier: Run directory whose simulations from the prior begin this fit; none when empty.
        workers: Worker processes; 0 for one per core.
        scheduler: Address of a running Dask scheduler; none when empty.
        progress: Called as ``progress(stage, done, total, note)``.

    Returns:
        The posterior, and all that repeats the fit.

    Raises:
        InputError: If anything given is wrong; nothing is written then.
    """
    if settings.network and earlier:
        raise InputError("--from and --network exclude each other: a trained network needs no simulations")
    planned = plan(recording, model, settings, corrections, {})
    pool = workforce(workers, scheduler)
    return start(planned, out, overwrite=overwrite, earlier=earlier, pool=pool, progress=progress)


def demo(
    *, simulations: int, seed: int, out: str | Path, overwrite: bool, workers: int, progress: Progress = ignore
) -> FitResult:
    """Fit the bundled synthetic recording, whose true parameters go into the report.

    Args:
        simulations: Simulations in all.
        seed: Same seed, same result.
        out: Run directory to write.
        overwrite: Replace a run that is already there.
        workers: Worker processes; 0 for one per core.
        progress: Called as ``progress(stage, done, total, note)``.
    """
    recipe = example.recipe()
    settings = Settings(simulations=simulations, rounds=3, seed=seed)
    corrections = Corrections(ljp=0.0, area=recipe["values"]["area"])
    planned = plan(example.load(), models.load(recipe["model"]), settings, corrections, example.truth())
    pool = workforce(workers, "")
    return start(planned, out, overwrite=overwrite, earlier="", pool=pool, progress=progress)


def workforce(workers: int, scheduler: str) -> Workers:
    """Worker processes, one per core for 0, or those of a Dask scheduler; they start when they are needed."""
    return Workers(workers or len(os.sched_getaffinity(0)), scheduler)


def start(
    planned: Fit, out: str | Path, *, overwrite: bool, earlier: str, pool: Workers, progress: Progress
) -> FitResult:
    """Carry out a planned fit in a new run directory."""
    if planned.settings.network and Path(out).resolve() == Path(planned.settings.network):
        raise InputError(f"{out}: is the run that the network comes from; choose another --out")
    table = to_table(planned)
    recording, validation = planned.prepared.recording, planned.prepared.validation
    adopted = [simulations_of(earlier, table, recording.protocol)] if earlier else []
    with RunDirectory.create(
        out, table, recording, overwrite=overwrite, listener=progress, validation=validation
    ) as run:
        for rows in adopted:
            run.adopt(rows)
        return _carry_out(planned, run, pool)


def resume(out: str | Path, *, workers: int = 0, scheduler: str = "", progress: Progress = ignore) -> FitResult:
    """Continue an interrupted run; it ends in the same posterior.

    Args:
        out: Run directory.
        workers: Worker processes; 0 for one per core.
        scheduler: Address of a running Dask scheduler; none when empty.
        progress: Called as ``progress(stage, done, total, note)``.

    Raises:
        InputError: If there is no run, or its files are damaged.
    """
    with RunDirectory.open(out, listener=progress) as run:
        return _carry_out(from_table(run.settings, run.recording, run.validation), run, workforce(workers, scheduler))


def _carry_out(planned: Fit, run: RunDirectory, workers: Workers) -> FitResult:
    watch = Stopwatch()
    for sentence in planned.prepared.assumptions:
        run.explain(f"assumed: {sentence}")
    with workers as pool:
        bench = Bench(planned, pool, run, watch)
        bare = compute(planned, run, bench)
        with watch.stage("checks"):
            run.progress("checking", 0, 1, "")
            bare = replace(bare, known=bench.known(bare.posterior))
            checks = diagnostics.check(bare, planned.settings.seed)
            run.progress("checking", 1, 1, "")
        with watch.stage("attribution"):
            checks["attribution"] = attribution(planned, bare, run)
    result = replace(bare, checks=checks, timings=dict(watch.stages))
    keep(result, run)
    return result


def keep(result: FitResult, run: RunDirectory) -> None:
    """Write everything that a finished fit leaves."""
    run.write_samples(result.posterior.names, result.samples)
    run.write_summary(summarize(result))
    run.progress("report", 0, 1, "")
    report.write(result, run.folder)
    run.progress("report", 1, 1, "")
    run.finish()


def compute(planned: Fit, run: RunDirectory, bench: "Bench") -> FitResult:
    """Infer, sample and predict; what the run directory holds is not done again. Checks are still missing.

    Args:
        planned: The fit.
        run: The run directory.
        bench: Where it simulates.
    """
    settings, watch = planned.settings, bench.watch
    if settings.network and not run.has_network:
        run.adopt_network(network_of(settings.network, to_table(planned), planned.prepared.recording.protocol))
    method = planned.inference(settings.method, settings.budget)
    with watch.stage("inference"):
        posterior = method.fit(planned.prepared.model.prior, bench.simulate, planned.x_o, settings.seed, run)
    with watch.stage("sampling the posterior"):
        run.progress("sampling the posterior", 0, settings.samples, "")
        samples = posterior.sample(settings.samples, settings.seed)
        run.progress("sampling the posterior", settings.samples, settings.samples, "")
    with watch.stage("posterior prediction"):
        predictive = bench.predict(samples, planned.prepared.recording)
    with watch.stage("checks"):
        validation = bench.validate(samples)
    return FitResult(
        model=planned.prepared.model,
        recording=planned.prepared.recording,
        features=planned.features,
        x_o=planned.x_o,
        posterior=posterior,
        samples=samples,
        simulations=join(bench.done),
        predictive=predictive,
        settings=asdict(settings),
        assumptions=[*planned.prepared.assumptions, _tolerated(settings)],
        rounds=list(run.logs.values()),
        timings=watch.stages,
        truth=planned.truth,
        versions=versions(),
        validation=validation,
    )


class Bench:
    """Where a fit simulates: asks the run for what it holds, the workers for the rest.

    Args:
        planned: The fit.
        pool: The workers.
        run: The run directory; every chunk is saved there as it arrives.
        watch: Times the simulation.
    """

    def __init__(self, planned: Fit, pool: Workers, run: RunDirectory, watch: Stopwatch) -> None:
        self.task = planned.task
        self.done: list[Simulations] = []
        self.seen: list[Simulations] = []
        self.watch = watch
        self._planned, self._pool, self._run = planned, pool, run

    def simulate(self, theta: Array, first: int) -> Simulations:
        """Simulate parameter sets ``(N, P)``, numbered from ``first`` on."""
        call, spent = len(self.done) + 1, self._pool.usage.cpu_s
        with self.watch.stage("simulation"):
            if call == 1:
                theta = self._run.adopted(theta, first)
            parts, missing = self._run.stored(theta, first, call)
            parts = [replace(rows, fail_on=self.task.fail_on) for rows in parts]
            finished, started = len(theta) - len(missing), time.monotonic()
            if finished:
                self._run.explain(f"round {call}: {finished} of {len(theta)} simulations are there already")
            for rows in self._pool.map(self.task, theta[missing], self._planned.settings.seed, first + missing):
                self._run.save(rows, call)
                parts.append(rows)
                finished += len(rows)
                failed = sum(int((~part.usable).sum()) for part in parts) / finished
                rate = (finished - len(theta) + len(missing)) / max(time.monotonic() - started, 1e-3)
                note = f"{rate:.3g} per s, {failed:.1%} failed"
                self._run.progress(f"round {call}: simulating", finished, len(theta), note)
        self.watch.stages["simulation"]["cpu_s"] += self._pool.usage.cpu_s - spent
        self.done.append(join(parts))
        self.seen.append(self._blurred(self.done[-1]))
        return self.seen[-1]

    def _blurred(self, rows: Simulations) -> Simulations:
        settings = self._planned.settings
        return Discrepancy.of(self.done[0], settings.tolerance, settings.seed)(rows)

    def known(self, posterior: Posterior) -> Simulations | None:
        """Simulations that no training has seen, as inference sees them; more are simulated up to ``KNOWN``."""
        if not isinstance(posterior, Amortized):
            return None
        seen = join(self.seen)
        held_out = seen.rows(np.isin(seen.index, posterior.held_out))
        missing = min(KNOWN, len(seen)) - len(held_out)
        if missing <= 0:
            return held_out
        seed = self._planned.settings.seed
        theta, spent = posterior.spread(missing, seed), self._pool.usage.cpu_s
        more = list(self._pool.map(self.task, theta, seed, CHECK_INDEX + np.arange(missing)))
        self.watch.stages["checks"]["cpu_s"] += self._pool.usage.cpu_s - spent
        return join([held_out, self._blurred(join(more))])

    def validate(self, samples: Array) -> Validation | None:
        """Predict the sweeps that were kept back."""
        kept = self._planned.prepared.validation
        if kept is None:
            return None
        x_o = self._planned.features(kept.response[None], kept.protocol)[0]
        return Validation(kept, x_o, self.predict(samples, kept))

    def predict(self, samples: Array, recording: Recording) -> Predictive:
        """Simulate the first draws with a recording's command, and keep their traces."""
        planned = self._planned
        task = replace(self.task, protocol=recording.protocol)
        theta = samples[: planned.settings.predictions]
        index = PREDICTION_INDEX + np.arange(len(theta))
        parts: list[Predicted] = []
        for rows in self._pool.map(Prediction(task), theta, planned.settings.seed, index):
            parts.append(rows)
            self._run.progress("posterior prediction", sum(len(p.index) for p in parts), len(theta), "")
        parts.sort(key=lambda part: part.index[0])
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in Predicted.names()}
        recorded = spike_counts(recording.response[None], recording.protocol, planned.features.settings)[0]
        simulations = Simulations(
            *(columns[name] for name in ("theta", "x", "status", "index")), fail_on=self.task.fail_on
        )
        return Predictive(simulations, columns["response"], columns["spikes"], recorded)


def attribution(planned: Fit, bare: FitResult, run: RunDirectory) -> dict[str, Any]:
    """Which feature informs which parameter, from the simulations of the prior; a reason where there are none."""
    if not isinstance(bare.posterior, Amortized):
        return {"features": [], "reason": "this method does not simulate the prior"}
    settings, protocol = planned.settings, planned.prepared.recording.protocol
    first = diagnostics.prior_simulations(bare)
    noisy = Discrepancy.of(first, settings.tolerance, settings.seed)(first)
    groups, sampled = planned.features.groups(protocol), planned.features.sampled(protocol)
    prior = bare.posterior.prior
    return inference.attribute(noisy, prior, bare.x_o, groups, sampled=sampled, seed=settings.seed, journal=run)


def _tolerated(settings: Settings) -> str:
    if settings.tolerance == 0:
        return (
            "The model is taken to be exactly right: no discrepancy between simulated and recorded features is allowed."
        )
    return (
        f"Simulated features carry noise of {settings.tolerance:g} half interquartile ranges of their prior "
        "prediction, since no model is the neuron; a larger tolerance makes the posterior wider."
    )


def summarize(result: FitResult) -> dict[str, Any]:
    """What ``summary.json`` says: everything that is a number or a word."""
    prior = result.posterior.prior
    return {
        "recording": dict(result.recording.provenance),
        "sweeps": result.recording.sweeps.tolist(),
        "model": result.model.name,
        "features": {result.feature_names[k]: float(result.x_o[k]) for k in result.checked},
        "settings": dict(result.settings),
        "assumptions": list(result.assumptions),
        "units": dict(zip(prior.names, prior.units, strict=True)),
        "truth": dict(result.truth),
        "simulations_used": len(result.simulations),
        "checks": dict(result.checks),
        "rounds": list(result.rounds),
        "seconds": {stage: dict(seconds) for stage, seconds in result.timings.items()},
        "versions": dict(result.versions),
    }
