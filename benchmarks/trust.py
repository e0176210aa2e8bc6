"""Measure whether the verdict can be trusted: power, false alarms, the out-of-distribution test, time.

    python benchmarks/trust.py [--quick] [--only ROW] [--json] [--seed N] [--run DIR]

Fits whose posterior is known in closed form are made wrong on purpose; prior simulations of the
8-parameter neuron, altered or not, take the place of recordings.
"""

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np

from hhfit import assumptions, diagnostics, example, extractors, finished, pipeline, planning, read, simulators
from hhfit import model as models
from hhfit.diagnostics import novelty
from hhfit.preparation import Corrections
from hhfit.protocol import step
from hhfit.simulations import join
from hhfit.workers import Workers

ROOT = Path(__file__).resolve().parent.parent


@cache
def closed_form():
    """The fits that the tests use, whose posterior is exact."""
    path = ROOT / "tests" / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("closed_form", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["closed_form"] = module
    spec.loader.exec_module(module)
    return module


def row(value, unit, bar, holds, detail=""):
    return {"value": value, "unit": unit, "bar": bar, "holds": bool(holds), "detail": detail}


def words(options, **wrong):
    trials = 20 if options.quick else 100
    fits = (closed_form().build_fit(sweeps=1, seed=options.seed + k, **wrong) for k in range(trials))
    return [fit.checks["verdict"]["word"] for fit in fits]


def power(options, **wrong):
    found = words(options, **wrong)
    share = found.count("bad") / len(found)
    return row(share, "of trials", ">= 0.95", share >= 0.95, f"{len(found)} trials")


def narrowed(options):
    """Bad verdicts on posteriors that are 1.5 times too narrow."""
    return power(options, narrow=1.5)


def shifted(options):
    """Bad verdicts on posteriors shifted by 1 sd along one axis."""
    return power(options, shift=1.0)


def false_alarms(options):
    """Bad verdicts on exact posteriors."""
    found = words(options)
    share = found.count("bad") / len(found)
    return row(share, "of trials", "<= 0.05", share <= 0.05, f"{len(found)} trials, {found.count('doubtful')} doubtful")


@cache
def neuron(kind):
    """The simulator of the neuron as it is, or with all rates doubled."""
    model = models.load("pospischil")
    if kind == "rates x2":
        model = assumptions.scaled(model, 2.0)
    protocol = step(np.array([500.0]), on=10.0, off=110.0, duration=120.0, dt=0.025)
    return model, protocol, simulators.get("neuron", model, protocol)


@cache
def cells(kind, n, seed):
    """Features of ``n`` prior simulations that fire and do not fail, noise of 2 mV added if asked for."""
    model, protocol, simulate = neuron("plain" if kind == "noise 2 mV" else kind)
    rng, parts, found = np.random.default_rng(seed), [], 0
    while found < n:
        theta = model.prior.sample(1000, seed * 1000 + len(parts))
        traces = simulate(theta, seed, np.arange(1000) + 1000 * len(parts))
        response = traces.response[~traces.failed]
        if kind == "noise 2 mV":
            response = response + rng.normal(0, 2.0, response.shape)
        x = features()(response, protocol)
        parts.append(x[x[:, 0] > 0] if kind != "all" else x)
        found += len(parts[-1])
    return np.concatenate(parts)[:n]


@cache
def features():
    return extractors.load("goncalves2020")


def flagged(options, kind):
    reference = cells("plain", 1500 if options.quick else 6000, options.seed)
    observed = cells(kind, 100 if options.quick else 1000 if kind == "plain" else 300, options.seed + 1)
    names = [f.name for f in features().features]
    p = [novelty(reference, x_o, names=names, seed=0)["p"] for x_o in observed]
    return float(np.mean(np.array(p) < 0.05)), f"{len(observed)} cells against {len(reference)} simulations"


def novelty_size(options):
    """Share of well-specified cells with p < 0.05."""
    share, detail = flagged(options, "plain")
    return row(share, "of cells", "0.03-0.07", 0.03 <= share <= 0.07, detail)


def novelty_rates(options):
    """Share of cells with doubled rates with p < 0.05."""
    share, detail = flagged(options, "rates x2")
    return row(share, "of cells", ">= 0.55", share >= 0.55, detail)


def novelty_noise(options):
    """Share of cells with 2 mV recording noise with p < 0.05."""
    share, detail = flagged(options, "noise 2 mV")
    return row(share, "of cells", ">= 0.45", share >= 0.45, detail)


def check_time(options):
    """CPU seconds of all checks of a closed-form fit; the network's own cost comes on top."""
    fit = closed_form().build_fit(checked=False, seed=options.seed)
    start = time.process_time()
    diagnostics.check(fit, seed=0)
    seconds = time.process_time() - start
    return row(seconds, "CPU s", "<= 10", seconds <= 10, "4 sweeps, 4000 simulations, 400 held out")


PUBLISHED = {"509881736": 0.0153 / 184, "518290966": 0.0234 / 126, "569469018": 0.033 / 403}
"""Membrane area [cm2] of each cell in Goncalves et al. 2020: time constant [s] over input resistance [MOhm]."""


def novelty_allen(options):
    """Real cells that are flagged before the first round, with the published area and with hhfit's own; the fewer."""
    folder = Path(os.environ.get("HHFIT_RECORDINGS", ROOT.parent / "shared" / "recordings")) / "pkl"
    paths = {path.stem.split("_")[2]: path for path in sorted(folder.glob("ephys_cell_*.pkl"))}
    if not set(paths) >= set(PUBLISHED):
        return row(None, "of cells", ">= 2 of 3", False, f"no recordings at {folder}; set HHFIT_RECORDINGS")
    counts, said = [], []
    for kind in ("published", "own"):
        areas = {cell: 1e8 * area if kind == "published" else np.nan for cell, area in PUBLISHED.items()}
        found = {cell: allen_p(options, paths[cell], area) for cell, area in areas.items()}
        counts.append(sum(p is not None and p < 0.05 for p in found.values()))
        told = [f"{cell} p {p if p is None else round(p, 3)}" for cell, p in found.items()]
        said.append(f"{kind} area: {', '.join(told)}")
    return row(min(counts), f"of {len(PUBLISHED)}", ">= 2 of 3", min(counts) >= 2, "; ".join(said))


def allen_p(options, path, area):
    """Out-of-distribution p of one cell among simulations of the prior with its own command."""
    settings = planning.Settings(features="goncalves2020")
    planned = planning.plan(read(path), models.load("pospischil"), settings, Corrections(ljp=-14.0, area=area), {})
    n = 1000 if options.quick else 6000
    theta = planned.prepared.model.prior.sample(n, options.seed)
    with Workers(1) as pool:
        rows = join(list(pool.map(planned.task, theta, options.seed, np.arange(n))))
    names = planned.features.names(planned.prepared.recording.protocol)
    return novelty(rows.x[rows.usable], planned.x_o, names=names, seed=0)["p"]


def junction(options):
    """Largest error of the shift that the report names for +-10 mV of junction potential, against whole refits."""
    recipe = example.recipe()
    settings = planning.Settings(simulations=3000 if options.quick else 10_000, rounds=3, seed=options.seed)
    corrections = Corrections(ljp=0.0, area=recipe["values"]["area"])
    planned = planning.plan(example.load(), models.load(recipe["model"]), settings, corrections, example.truth())
    changes = [each for each in diagnostics.DESIGN if each.name == "ljp"]
    with Workers(0) as pool:
        whole = [finished.refit(planned, each, pool, settings.simulations, members=3) for each in (None, *changes)]
        reference = finished.refit(planned, None, pool, finished.REFITS)
        rows = diagnostics.sensitivity(
            whole[0],
            planned.prepared.model.free,
            lambda each: finished.refit(planned, each, pool, finished.REFITS),
            changes,
            reference=reference,
        )
    errors, said = [], []
    for found, moved in zip(rows, whole[1:], strict=True):
        k = planned.prepared.model.free.index(found["largest"])
        true, named = float((moved - whole[0].mean(axis=0)).mean(axis=0)[k]), found["shift"][found["largest"]]
        errors.append(abs(named / true - 1))
        said.append(f"{found['assumption']}: {found['largest']} {named:+.2f}, true {true:+.2f}")
    detail = f"{'; '.join(said)}; {finished.REFITS} against {settings.simulations} simulations"
    return row(max(errors), "relative", "<= 0.20", max(errors) <= 0.2, detail)


def check_share(options):
    """CPU of the checks of a real fit against all the rest; of the bundled example, or of the run in --run."""
    if options.run:
        summary = json.loads((Path(options.run) / "summary.json").read_text())
    else:
        with tempfile.TemporaryDirectory() as folder:
            n = 600 if options.quick else 10_000
            pipeline.demo(simulations=n, seed=options.seed, out=Path(folder) / "run", overwrite=True, workers=1)
            summary = json.loads((Path(folder) / "run" / "summary.json").read_text())
    cpu = {stage: seconds["cpu_s"] for stage, seconds in summary["seconds"].items()}
    checks = cpu.pop("checks")
    share = checks / sum(cpu.values())
    detail = f"checks {checks:.1f} of {sum(cpu.values()):.0f} CPU s, {summary['simulations_used']} simulations"
    return row(share, "of the fit", "<= 0.25", share <= 0.25, detail)


ROWS = {
    function.__name__: function
    for function in (
        narrowed,
        shifted,
        false_alarms,
        novelty_size,
        novelty_rates,
        novelty_noise,
        novelty_allen,
        junction,
        check_time,
        check_share,
    )
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and less certain")
    parser.add_argument("--only", choices=ROWS, help="measure one row")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", default="", help="a finished run directory, for check_share")
    options = parser.parse_args()
    rows = []
    for name, measure in ROWS.items():
        if options.only in (None, name):
            start = time.perf_counter()
            rows.append({"name": name, **measure(options), "seconds": round(time.perf_counter() - start, 1)})
            if not options.json:
                print(
                    "{name:16} {value!s:8.8} {unit:10} bar {bar:10} {holds!s:6} {seconds:7} s  {detail}".format(
                        **rows[-1]
                    )
                )
    if options.json:
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        print(json.dumps({"benchmark": "trust", "machine": machine, "rows": rows}, indent=2))
    return 0 if all(r["holds"] for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
