"""What can be done with a finished run: look again, ask what if, take it elsewhere.

result = reopen(folder)                    # the FitResult, nothing learned again
rewrite(folder)                            # report.html and figures once more
add_sensitivity(folder, simulations=3000)  # what would change if an assumption were wrong
add_robust(folder)                         # the posterior when some features cannot be met
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import assumptions, diagnostics
from hhfit.arrays import Array
from hhfit.diagnostics import Assumption
from hhfit.discrepancy import Discrepancy
from hhfit.errors import InputError
from hhfit.inference import Budget
from hhfit.journal import Memory
from hhfit.pipeline import Bench, Progress, Stopwatch, compute, ignore, keep, workforce
from hhfit.planning import Fit, from_table
from hhfit.posterior import Amortized
from hhfit.preparation import Prepared
from hhfit.result import FitResult
from hhfit.run import RunDirectory
from hhfit.simulations import Simulations, join
from hhfit.workers import Workers

REFITS = 3000
"""Simulations of each refit under another assumption."""

ROUNDS = 3
DRAWS = 4000


def reopen(out: str | Path, *, workers: int = 0, progress: Progress = ignore) -> FitResult:
    """The result of a finished run; its posterior predictions are simulated again, nothing is learned again.

    Args:
        out: Run directory.
        workers: Worker processes; 0 for one per core.
        progress: Called as ``progress(stage, done, total, note)``.

    Raises:
        InputError: If it holds no finished run.
    """
    return _with_run(out, workers, progress, lambda run, planned, pool: _result(run, planned, pool))


def rewrite(out: str | Path, *, workers: int = 0, progress: Progress = ignore) -> FitResult:
    """Write the report of a finished run once more, from what its ``summary.json`` holds."""

    def again(run: RunDirectory, planned: Fit, pool: Workers) -> FitResult:
        result = _result(run, planned, pool)
        keep(result, run)
        return result

    return _with_run(out, workers, progress, again)


def add_sensitivity(
    out: str | Path, *, simulations: int = REFITS, workers: int = 0, progress: Progress = ignore
) -> FitResult:
    """Fit again under every assumption of ``diagnostics.DESIGN``, and write the shifts into the run.

    Args:
        out: Run directory.
        simulations: Simulations of each refit.
        workers: Worker processes; 0 for one per core.
        progress: Called as ``progress(stage, done, total, note)``.

    Raises:
        InputError: If it holds no finished run.
    """

    def ask(run: RunDirectory, planned: Fit, pool: Workers) -> dict[str, Any]:
        samples = run.read_samples()[1]
        return {"sensitivity": sensitivity(planned, samples, pool, simulations=simulations, progress=run.progress)}

    return _add(out, workers, progress, ask)


def add_robust(out: str | Path, *, workers: int = 0, progress: Progress = ignore) -> FitResult:
    """Infer once more with an error model of the features, and write what it finds into the run.

    Raises:
        InputError: If it holds no finished run, its method is not amortised, or no simulations fire alike.
    """

    def ask(run: RunDirectory, planned: Fit, pool: Workers) -> dict[str, Any]:
        found = robust(_result(run, planned, pool))
        run.write_samples(planned.prepared.model.free, found.samples, robust=True)
        return {"robust": diagnostics.robust_table(found, run.read_samples()[1], planned.prepared.model.free)}

    return _add(out, workers, progress, ask)


def robust(result: FitResult) -> diagnostics.Robust:
    """The posterior under an error model of the features, from the simulations of the last round.

    Raises:
        InputError: If the method is not amortised, or too few simulations fire as the recording does.
    """
    if not isinstance(result.posterior, Amortized):
        raise InputError(
            f"method {result.settings['method']!r} gives a posterior for the recording alone; a robust one needs "
            "tsnpe or npe"
        )
    if result.features.embedding:
        raise InputError(
            f"feature set {result.features.name!r} holds samples of sweeps, whose errors are not independent; a robust "
            "posterior needs one without [embedding]"
        )
    later = diagnostics.later_rounds(result)
    rows = later[-1][1] if later else result.simulations
    n, seed = len(result.samples), int(result.settings["seed"])
    return diagnostics.robust(result.posterior, rows, result.x_o, names=result.feature_names, n=n, seed=seed)


def sensitivity(
    planned: Fit, samples: Array, pool: Workers, *, simulations: int = REFITS, progress: Progress = ignore
) -> dict[str, Any]:
    """Shift of every parameter under each assumption of the design, from small refits.

    The refits differ from one without any change, made alike, so that what a small budget costs falls out.

    Args:
        planned: The fit.
        samples: Draws from its posterior, shape ``(n, P)``: their sd is the unit of ``shift_sd``.
        pool: The workers.
        simulations: Simulations of each refit.
        progress: Called as ``progress(stage, done, total, note)``.

    Returns:
        ``rows`` as of ``diagnostics.sensitivity``, ``skipped`` with why, ``simulations`` of each refit,
        ``unchanged`` with the ``shift`` and ``shift_sd`` of a refit without any change from the fit itself, which say
        what so few simulations cost, ``sd`` of the posterior of a refit by parameter, and ``cpu_s``.
    """
    began, spent = time.process_time(), pool.usage.cpu_s
    model = planned.prepared.model
    reasons = {each.words: assumptions.obstacle(model, each) for each in diagnostics.DESIGN}
    design = [each for each in diagnostics.DESIGN if not reasons[each.words]]
    progress("sensitivity", 0, len(design) + 1, "as it is")
    reference = refit(planned, None, pool, simulations)
    done = [1]

    def again(assumption: Assumption) -> Array:
        progress("sensitivity", done[0], len(design) + 1, assumption.words)
        done[0] += 1
        return refit(planned, assumption, pool, simulations)

    rows = diagnostics.sensitivity(samples, model.free, again, design, reference=reference)
    off, spread = (
        reference.mean(axis=0) - samples.mean(axis=0),
        np.where(samples.std(axis=0) > 0, samples.std(axis=0), np.nan),
    )
    progress("sensitivity", len(design) + 1, len(design) + 1, "")
    return {
        "rows": rows,
        "skipped": {words: why for words, why in reasons.items() if why},
        "simulations": simulations,
        "unchanged": {
            "shift": dict(zip(model.free, off.tolist(), strict=True)),
            "shift_sd": dict(zip(model.free, (off / spread).tolist(), strict=True)),
        },
        "sd": dict(zip(model.free, reference.std(axis=0).tolist(), strict=True)),
        "cpu_s": time.process_time() - began + pool.usage.cpu_s - spent,
    }


def refit(planned: Fit, assumption: Assumption | None, pool: Workers, simulations: int, *, members: int = 1) -> Array:
    """Draws from the posterior of a small fit under another assumption, or none, shape ``(n, P)``.

    Truncated rounds whatever the method of the fit; one network will do, since its mean is wanted, not its width.
    """
    prepared, settings = planned.prepared, planned.settings
    if assumption is not None:
        recording, model = assumptions.changed(prepared.recording, prepared.model, assumption)
        prepared = Prepared(recording, model, (), None)
    other = Fit(prepared, planned.features, settings, {})
    first: list[Simulations] = []

    def simulate(theta: Array, start: int) -> Simulations:
        rows = join(list(pool.map(other.task, theta, settings.seed, start + np.arange(len(theta)))))
        first.append(rows)
        return Discrepancy.of(first[0], settings.tolerance, settings.seed)(rows)

    method = replace(other.inference("tsnpe", Budget(simulations, ROUNDS)), members=members)
    posterior = method.fit(prepared.model.prior, simulate, other.x_o, settings.seed, Memory())
    return posterior.sample(DRAWS, settings.seed)


def _add(
    out: str | Path, workers: int, progress: Progress, ask: Callable[[RunDirectory, Fit, Workers], dict[str, Any]]
) -> FitResult:
    """Add findings to the checks of a run, and write summary and report with them."""

    def added(run: RunDirectory, planned: Fit, pool: Workers) -> FitResult:
        result = _result(run, planned, pool)
        checks = diagnostics.with_verdict({**result.checks, **diagnostics.to_plain(ask(run, planned, pool))})
        result = replace(result, checks=checks)
        keep(result, run)
        return result

    return _with_run(out, workers, progress, added)


def _with_run(
    out: str | Path, workers: int, progress: Progress, do: Callable[[RunDirectory, Fit, Workers], FitResult]
) -> FitResult:
    path = Path(out)
    if not (path / "summary.json").is_file():
        raise InputError(f"{out}: holds no finished run; hhfit resume {out} goes on with one that stopped")
    with RunDirectory.open(path, listener=progress) as run, workforce(workers, "") as pool:
        return do(run, from_table(run.settings, run.recording, run.validation), pool)


def _result(run: RunDirectory, planned: Fit, pool: Workers) -> FitResult:
    summary = run.read_summary()
    bare = compute(planned, run, Bench(planned, pool, run, Stopwatch()))
    return replace(bare, checks=summary["checks"], timings=summary["seconds"], versions=summary["versions"])
