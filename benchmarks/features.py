"""Measure features: equality with eFEL, and their cost beside eFEL's and the simulation's.

    python benchmarks/features.py [--quick] [--only ROW] [--json] [--seed N] [--recordings FOLDER]

Times are CPU seconds of one core; engines take turns and ratios are medians over the turns.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import _features_learned as learned
import numpy as np

import hhfit
from hhfit import library, plugins
from hhfit.errors import HHFitError
from hhfit.extractors import Feature, efel, spikes
from hhfit.protocol import step

# Where eFEL gives a number that means nothing (negative widths, a read past the end of the trace)
# and hhfit says undefined; each is shown in tests/extractors/test_spikes_equal_efel.py.
EXCEPTIONS = {"sag_time_constant", "AP_duration_half_width", "AP_duration_half_width_change", "AP_begin_width"}
EXCEPTIONS |= {"AP1_begin_width", "AP2_begin_width", "AP2_AP1_begin_width_diff"}

TEN = ["spike_count", "time_to_first_spike", "all_ISI_values", "AP_amplitude", "AP_begin_voltage", "spike_half_width"]
TEN += ["AHP_depth_abs", "voltage_base", "steady_state_voltage_stimend", "adaptation_index2"]

LENGTHS = {"120_ms": (120.0, 0.01), "1_s": (1000.0, 0.025)}
"""Duration and sampling step [ms] of the traces that are timed."""

EFEL_RULE = {"spike_prominence": 0.0, "coarsest_step": 1.0}


def row(value, unit, bar, holds, detail=""):
    return {"value": value, "unit": unit, "bar": bar, "holds": bool(holds), "detail": detail}


def features_of(names):
    units = spikes.Extractor.functions()
    return tuple(Feature(name, "spikes", name, "stimulus", "none", units[name]) for name in names)


def simulator_of(model, protocol):
    """The fastest simulator there is."""
    name = "batched" if "batched" in plugins.names("simulators") else "neuron"
    return plugins.get("simulators", name).Simulator(model, protocol), name


def responses(rows, protocol, seed):
    """Simulated responses of every bundled model that can be simulated, rows that failed left out."""
    parts, names = [], []
    models = [hhfit.load_model(name) for name in library.names("models")]
    for model in models:
        try:
            simulator, _ = simulator_of(model, protocol)
            theta = model.prior.sample(max(rows // len(models), 1), seed)
            response = simulator(theta, seed).response
        except HHFitError:
            continue
        parts.append(response[np.isfinite(response).all(axis=(1, 2))])
        names.append(f"{model.name} {len(parts[-1])}")
    return np.concatenate(parts), ", ".join(names)


def compare(response, protocol, settings):
    """Functions that differ, and how many exceptions were needed."""
    features = features_of(spikes.Extractor.functions())
    ours = spikes.Extractor({**EFEL_RULE, **settings})(response, protocol, features)
    theirs = efel.Extractor(settings)(response, protocol, features)
    wrong, excepted = set(), 0
    for column, feature in enumerate(features):
        x, y = ours[..., column], theirs[..., column]
        if feature.name.partition(":")[0] in EXCEPTIONS:
            meaningless = np.isnan(x) & ~np.isnan(y)
            excepted += int(meaningless.sum())
            y = np.where(meaningless, np.nan, y)
        if not np.allclose(x, y, rtol=1e-6, atol=1e-11, equal_nan=True):
            wrong.add(feature.name)
    return wrong, excepted


def equal_row(wrong, excepted, detail):
    offered = list(spikes.Extractor.functions())
    features = {name for name in offered if ":" not in name}
    equal = len(features - {name.partition(":")[0] for name in wrong})
    detail += f"; {excepted} values undefined where eFEL's mean nothing; differing: {sorted(wrong) or 'none'}"
    return row(equal, "features", f"all {len(features)}, at least 30", equal == len(features) >= 30, detail)


def equal_simulated(options):
    """Features equal to eFEL on simulated sweeps at several sampling and interpolation steps."""
    rows = 100 if options.quick else 1200
    wrong, excepted, done, models = set(), 0, 0, ""
    for turn, (dt, interp_step) in enumerate([(0.025, 0.1), (0.05, 0.05)]):
        protocol = step(np.array([-100.0, 300.0]), on=50.0, off=350.0, duration=450.0, dt=dt)
        response, models = responses(rows // 2, protocol, options.seed + turn)
        more, extra = compare(response, protocol, {"interp_step": interp_step})
        wrong, excepted, done = wrong | more, excepted + extra, done + response.shape[0] * response.shape[1]
    return equal_row(wrong, excepted, f"{done} sweeps ({models} per step)")


def equal_recorded(options):
    """Features equal to eFEL on every current-clamp recording that hhfit reads."""
    wrong, excepted, done = set(), 0, []
    files = sorted(path for path in options.recordings.glob("*/*") if path.is_file())
    for path in files:
        try:
            recording = hhfit.read(path)
        except HHFitError:
            continue
        if recording.protocol.clamp != "current":
            continue
        sweeps = 2 if options.quick else recording.protocol.n_sweeps
        recording = recording.select(recording.sweeps[:sweeps].tolist())
        more, extra = compare(recording.response[None], recording.protocol, {})
        wrong, excepted = wrong | more, excepted + extra
        done.append(f"{path.name} {sweeps}")
    if not done:
        return row(None, "features", "all, at least 30", False, f"no current-clamp recording in {options.recordings}")
    return equal_row(wrong, excepted, f"{len(done)} files, sweeps each: {', '.join(done)}")


def block(options, length):
    """A protocol of one sweep and a block of responses to it, with the seconds it took."""
    duration, dt = LENGTHS[length]
    protocol = step(np.array([300.0]), on=10.0, off=duration - 10.0, duration=duration, dt=dt)
    model = hhfit.load_model("pospischil")
    simulator, name = simulator_of(model, protocol)
    theta = model.prior.sample(20 if options.quick else 100, options.seed)
    simulator(theta[:2], options.seed)
    seconds, traces = cpu(lambda: simulator(theta, options.seed))
    return protocol, simulator, theta, traces.response, seconds, name


def cpu(work):
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def speed(options, length):
    """Times faster than eFEL at the same ten features, one core."""
    protocol, _, _, response, _, _ = block(options, length)
    response = np.ascontiguousarray(response[np.isfinite(response).all(axis=(1, 2))])
    features = features_of(TEN)
    ours, theirs = spikes.Extractor(EFEL_RULE), efel.Extractor({})
    ours(response, protocol, features)
    ratios, each = [], []
    for _ in range(3 if options.quick else 7):
        fast = cpu(lambda: [ours(response, protocol, features) for _ in range(5)])[0] / 5
        slow = cpu(lambda: theirs(response, protocol, features))[0]
        ratios.append(slow / fast)
        each.append((fast / len(response) * 1e6, slow / len(response) * 1e6))
    ratio = statistics.median(ratios)
    fast, slow = (statistics.median(column) for column in zip(*each, strict=True))
    detail = f"{fast:.0f} us against {slow:.0f} us per trace of {protocol.n_times} points"
    return row(round(ratio, 1), "ratio", ">= 25", ratio >= 25, f"{detail}; turns {np.round(ratios, 1).tolist()}")


def share(options, length):
    """Cost of all features of a block beside that of simulating it."""
    protocol, simulator, theta, _, _, name = block(options, length)
    if name != "batched":
        return row(None, "ratio", "<= 1", False, "there is no batched simulator to compare with")
    features = features_of(spikes.Extractor.functions())
    extractor = spikes.Extractor({})
    ratios = []
    for _ in range(3 if options.quick else 7):
        simulated, traces = cpu(lambda: simulator(theta, options.seed))
        response = np.where(np.isfinite(traces.response), traces.response, -70.0)
        extractor(response[:2], protocol, features)
        extracted = cpu(lambda response=response: extractor(response, protocol, features))[0]
        ratios.append(extracted / simulated)
    ratio = statistics.median(ratios)
    detail = f"{len(features)} values per trace; simulating took {simulated / len(theta) * 1e6:.0f} us per trace"
    return row(round(ratio, 3), "ratio", "<= 1", ratio <= 1, f"{detail}; turns {np.round(ratios, 3).tolist()}")


def of(measure, unit, bar):
    """A row of what networks learn."""

    def run(options):
        value, holds, detail = measure(options)
        return row(round(value, 4), unit, bar, holds, detail)

    return run


ROWS = {
    "equal_simulated": equal_simulated,
    "equal_recorded": equal_recorded,
    **{f"speed_{length}": lambda options, length=length: speed(options, length) for length in LENGTHS},
    **{f"share_{length}": lambda options, length=length: share(options, length) for length in LENGTHS},
    "imputation": of(learned.imputation, "nat", "<= 0.05 with all rows, dropping 3 times worse"),
    "trace_exact": of(learned.trace_exact, "C2ST", "<= 0.80"),
    "against_each": of(learned.against_each, "NLTP", "the default of fit is the best within 6 min"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and less certain")
    parser.add_argument("--only", choices=ROWS, help="measure one row")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated neurons")
    beside = Path(__file__).resolve().parents[2] / "shared" / "recordings"
    parser.add_argument("--recordings", type=Path, default=beside, help="folder of real recordings")
    options = parser.parse_args()
    rows = []
    for name, measure in ROWS.items():
        if options.only in (None, name):
            start = time.perf_counter()
            rows.append({"name": name, **measure(options), "seconds": round(time.perf_counter() - start, 1)})
            if not options.json:
                form = "{name:16} {value!s:>8} {unit:8} bar {bar:22} {holds!s:6} {seconds:7} s  {detail}"
                print(form.format(**rows[-1]))
    if options.json:
        cores = f"{os.cpu_count()} cores, Python {platform.python_version()}"
        machine = f"{platform.processor() or platform.machine()}, {cores}"
        print(json.dumps({"benchmark": "features", "machine": machine, "rows": rows}, indent=2))
    return 0 if all(entry["holds"] for entry in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
