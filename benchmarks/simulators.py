"""Measure the simulators: speed, accuracy, memory, against hand-written NEURON, Brian2, C and Jaxley.

    python benchmarks/simulators.py [--quick] [--only ROW] [--json] [--seed N]

The 8-parameter model without noise, 120 ms, a step from 10 to 60 ms, trace kept, one core. Times are CPU seconds of
this process; in a ratio the engines take turns, and the ratio is the median over rounds.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache

os.environ.setdefault("OMP_NUM_THREADS", "1")

import _simulators_peers as peers
import numpy as np

from hhfit import model, protocol, simulators
from hhfit.simulators import batched

POINTS = ("hh52", "lueckmann2017", "pospischil", *(f"pospischil_{kind}" for kind in ("fs", "ib", "lts", "rs")))
TREES = ("ball_and_stick", "pyramidal")


def steps_of(dt):
    return protocol.step(np.array([500.0]), on=10.0, off=60.0, duration=120.0, dt=dt)


@cache
def cell():
    return model.load("pospischil").with_values({"noise": 0.0}).with_priors({"noise": None})


def draws(n, seed):
    return cell().prior.sample(n, seed=seed)


def area():
    return cell().quantities["area"].value


def row(value, unit, bar, holds, detail=""):
    return {"value": value, "unit": unit, "bar": bar, "holds": bool(holds), "detail": detail}


def missing(why, bar):
    return {"value": None, "unit": "", "bar": bar, "holds": False, "detail": why}


def cpu(function, *arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def sequential(precision="float64", **options):
    return batched.Simulator(cell(), steps_of(0.01), 0.01, scheme="exponential-euler", precision=precision, **options)


@cache
def table(quick, seed):
    """Nanoseconds per neuron-step of every engine, each round running each once."""
    n = 256 if quick else 1024
    theta = draws(n, seed)
    by_hand = peers.neuron_cells(simulators.get("neuron", cell(), steps_of(0.01), step=0.01))
    noisy = model.load("pospischil")
    loop = peers.c_loop(steps_of(0.01), area())
    ours = simulators.get("neuron", cell(), steps_of(0.01), step=0.01)
    size = 1024
    brian, own = (
        peers.brian2_group(steps_of(0.01), size, area()),
        simulators.get("brian2", cell(), steps_of(0.01), step=0.01),
    )
    many = draws(size, seed)
    engines = {
        "batched f64": (n, lambda: sequential()(theta, seed)),
        "batched f32": (n, lambda: sequential("float32")(theta, seed)),
        "batched f64 with noise": (
            n,
            lambda: batched.Simulator(noisy, steps_of(0.01), 0.01)(noisy.prior.sample(n, seed), seed),
        ),
        "C scalar": (32, lambda: loop(theta[:32])),
        "NEURON by hand, 1 cell": (3, lambda: [by_hand(theta[k : k + 1]) for k in range(3)]),
        "NEURON by hand, 100 cells": (100, lambda: by_hand(theta[:100])),
        "neuron, 100 cells": (100, lambda: ours(theta[:100], seed)),
        "Brian2 by hand, 1024": (size, lambda: brian(many)),
        "brian2, 1024": (size, lambda: own(many, seed)),
    }
    if importlib.util.find_spec("jaxley") is not None:
        mapped = peers.jaxley_cells(steps_of(0.01), area())
        engines["Jaxley f64"] = (size, lambda: mapped(many))
    for _, run in engines.values():
        run()
    rounds = {name: [] for name in engines}
    for _ in range(2 if quick else 5):
        for name, (count, run) in engines.items():
            time.sleep(0.1)  # XLA frees its memory after it has returned: that is not the next engine's time
            rounds[name].append(cpu(run) / count / 12000 * 1e9)
    return rounds


def speed(name, bar):
    def measure(options):
        values = table(options.quick, options.seed)[name]
        value = statistics.median(values)
        holds = bar is None or value <= bar
        return row(value, "ns/neuron-step", f"<= {bar}" if bar else "", holds, f"rounds {np.round(values, 2).tolist()}")

    return measure


def ratio(slow, fast, low=None, high=None):
    def measure(options):
        rounds = table(options.quick, options.seed)
        values = [a / b for a, b in zip(rounds[slow], rounds[fast], strict=True)]
        value = statistics.median(values)
        holds = (low is None or value >= low) and (high is None or value <= high)
        bar = f">= {low}" if low else f"<= {high}"
        return row(value, "ratio", bar, holds, f"{slow} / {fast}; rounds {np.round(values, 2).tolist()}")

    return measure


def jaxley(measure, bar):
    """A row that needs Jaxley."""

    def measured(options):
        if importlib.util.find_spec("jaxley") is None:
            return missing("Jaxley is not installed; pip install 'hhfit[jaxley]'", bar)
        return measure(options)

    return measured


def crossings(trace, time_of):
    k = np.flatnonzero((trace[:-1] <= -20.0) & (trace[1:] > -20.0))
    part = (-20.0 - trace[k]) / (trace[k + 1] - trace[k])
    return time_of[k] + part * (time_of[k + 1] - time_of[k])


@cache
def reference(n, seed, dt):
    """Spike times of NEURON's CVODE at 1e-7, one cell per run, at its own steps."""
    run = peers.neuron_cells(simulators.get("neuron", cell(), steps_of(dt), step=dt))
    found = []
    for theta in draws(n, seed):
        times, (trace,) = run(theta[None], variable_step=True)
        assert times[-1] >= 119.9, "CVODE stopped early"
        found.append(crossings(trace, times))
    return found


def accuracy(simulator, dt, median_us, share):
    def measure(options):
        n = 60 if options.quick else 200
        want = reference(n, options.seed, dt)
        run = simulator()
        traces = run(draws(n, options.seed), 0).response[:, 0]
        got = [crossings(trace, run.protocol.time) for trace in traces]
        equal = np.mean([len(a) == len(b) for a, b in zip(want, got, strict=True)])
        errors = [np.abs(a - b).max() * 1e3 for a, b in zip(want, got, strict=True) if len(a) == len(b) > 0]
        value = float(np.median(errors))
        detail = (
            f"{n} draws, count equal in {equal:.1%}, p95 {np.percentile(errors, 95):.1f}, max {np.max(errors):.0f} us"
        )
        return row(value, "us", f"<= {median_us} and {share:.1%}", value <= median_us and equal >= share, detail)

    return measure


def quiet(name):
    m = model.load(name)
    return m.with_values({"noise": 0.0}).with_priors({"noise": None}) if "noise" in m.quantities else m


def parity(name, other):
    """Largest gap of spike times to another simulator at 0.0025 ms, and how it falls when the step is quartered."""

    def measure(options):
        m, n = quiet(name), 12 if options.quick else 50
        strong = {"hh52": 100.0, "ball_and_stick": 300.0, "pyramidal": 300.0}.get(name, 500.0)
        steps = protocol.step(np.array([strong]), on=10.0, off=90.0, duration=100.0, dt=0.05)
        theta, gaps = m.prior.sample(n, seed=options.seed), {}
        for step in (0.01, 0.0025):
            ours = batched.Simulator(m, steps, step, scheme="exponential-euler")(theta, 0).response[:, 0]
            theirs = simulators.get(other, m, steps, step=step)(theta, 0).response[:, 0]
            pairs = [(crossings(a, steps.time), crossings(b, steps.time)) for a, b in zip(ours, theirs, strict=True)]
            gaps[step] = [np.abs(a - b).max() for a, b in pairs if len(a) == len(b) > 0]
            equal = np.mean([len(a) == len(b) for a, b in pairs])
        value, falls = float(np.max(gaps[0.0025])), np.median(gaps[0.01]) / np.median(gaps[0.0025])
        holds = equal >= 0.98 and value <= 0.1 and falls >= 2
        detail = f"{n} draws, count equal in {equal:.1%}, {len(gaps[0.0025])} spike; gap falls {falls:.3g} times"
        return row(value, "ms", "<= 0.1, 98 %, 2x", holds, detail)

    return measure


def branched(name):
    """Cost of a cell with a morphology, and of NEURON with 100 of them in one run, taking turns."""

    def measure(options):
        m, n = model.load(name), 32 if options.quick else 100
        steps = protocol.step(np.array([300.0]), on=5.0, off=55.0, duration=60.0, dt=0.025)
        ours, theirs = (simulators.get(other, m, steps, step=0.025) for other in ("batched", "neuron"))
        theta = m.prior.sample(n, seed=options.seed)
        ours(theta, 0), theirs(theta, 0)
        pairs = [(cpu(ours, theta, 0), cpu(theirs, theta, 0)) for _ in range(2 if options.quick else 5)]
        value = statistics.median(b / a for a, b in pairs)
        spent = statistics.median(a for a, _ in pairs) / n
        count = len(ours.kernel.compartments.nodes)
        detail = (
            f"{count} nodes, {spent / count / (steps.n_times - 1) * 1e9:.2f} ns each per step, {spent * 1e6:.0f} us"
        )
        return row(value, "ratio to neuron", "", True, detail)

    return measure


def rk4_cost(options):
    run = batched.Simulator(cell(), steps_of(0.025), 0.025, scheme="rk4")
    theta = draws(512, options.seed)
    run(theta, 0)
    values = [cpu(run, theta, 0) / len(theta) * 1e6 for _ in range(5)]
    value = statistics.median(values)
    return row(value, "us/simulation", "<= 80", value <= 80, f"rounds {np.round(values, 1).tolist()}")


def both_cores(options):
    """Wall time of one thread over two, taking turns; the machine must be idle for this one."""
    theta = draws(1024, options.seed)
    one, two = sequential(), sequential(threads=2)
    two(theta, 0)
    values = []
    for _ in range(7):
        start = time.perf_counter()
        one(theta, 0)
        middle = time.perf_counter()
        two(theta, 0)
        values.append((middle - start) / (time.perf_counter() - middle))
    value = statistics.median(values)
    return row(
        value, "ratio", ">= 1.8", value >= 1.8, f"{os.getloadavg()[0]:.1f} load; rounds {np.round(values, 2).tolist()}"
    )


def identical(options):
    """Rows that differ between batches of 1, 7 and 1000, and 1, 2 and 4 threads."""
    noisy = model.load("pospischil")
    theta = noisy.prior.sample(1000, seed=options.seed)
    short = protocol.step(np.array([500.0]), on=5.0, off=15.0, duration=20.0, dt=0.05)
    whole = batched.Simulator(noisy, short)(theta, 3).response
    differ = 0
    for size in (1, 7):
        for start in range(0, 70, size):
            index = np.arange(start, start + size)
            differ += int((batched.Simulator(noisy, short)(theta[index], 3, index).response != whole[index]).any())
    for threads in (2, 4):
        differ += int((batched.Simulator(noisy, short, threads=threads)(theta, 3).response != whole).any())
    return row(differ, "batches", "0", differ == 0, "82 batches")


def first_call(options):
    """Import, generate, compile and run once, with an empty cache, in a fresh interpreter."""
    code = (
        "import time; s = time.process_time()\nimport numpy as np\nfrom hhfit import model, protocol, simulators\n"
        "m = model.load('pospischil')\np = protocol.step(np.array([300.]), on=5., off=9., duration=10., dt=0.1)\n"
        "simulators.get('batched', m, p)(m.reference[None], seed=1)\nprint(time.process_time() - s)"
    )
    took = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            environment = {**os.environ, "XDG_CACHE_HOME": folder}
            done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
            took.append(float(done.stdout))
    return row(took[0], "s", "<= 5", took[0] <= 5, f"CPU; second process {took[1]:.2f} s")


def memory(options):
    """Peak memory of 10^5 simulations over that of 10^4, features kept, traces dropped block by block."""
    sizes = (2_000, 20_000) if options.quick else (10_000, 100_000)
    code = (
        "import sys, numpy as np\nfrom hhfit import model, protocol, simulators\n"
        "m = model.load('pospischil')\np = protocol.step(np.array([500.]), on=10., off=60., duration=120., dt=0.01)\n"
        "s = simulators.get('batched', m, p)\nn = int(sys.argv[1])\n"
        "theta = m.prior.sample(n, seed=1)\nx = np.empty(n)\n"
        "for k in range(0, n, 256):\n"
        "    v = s(theta[k:k + 256], 1, np.arange(k, min(k + 256, n))).response[:, 0]\n"
        "    x[k:k + 256] = ((v[:, :-1] <= 0) & (v[:, 1:] > 0)).sum(axis=1)\n"
        "print(int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024)"
    )
    peaks = [
        float(subprocess.run([sys.executable, "-c", code, str(n)], capture_output=True, check=True).stdout)
        for n in sizes
    ]
    value = peaks[1] / peaks[0]
    return row(
        value, "ratio", "<= 1.2", value <= 1.2, f"{peaks[0]:.0f} MB at {sizes[0]}, {peaks[1]:.0f} MB at {sizes[1]}"
    )


def scaling(n):
    def measure(options):
        theta, run = draws(n, options.seed), sequential()
        parts = [theta[k : k + 1024] for k in range(0, n, 1024)]
        run(parts[0], 0)
        spent = sum(cpu(run, part, 0) for part in parts)
        return row(spent / n / 12000 * 1e9, "ns/neuron-step", "", True, f"{spent / n * 1e6:.1f} us per simulation")

    return measure


def core(name, n, rounds, seed):
    """What ``_simulators_core`` finds; a sentence where CoreNEURON cannot run."""
    command = [sys.executable, peers.CORE, name, str(n), str(rounds), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def core_speed(name):
    """CPU time of neuron over that of coreneuron, 100 cells per run."""

    def measure(options):
        found = core(name, 100, 2 if options.quick else 5, options.seed)
        if isinstance(found, str):
            return missing(found, ">= 1")
        values = [spent["neuron"] / spent["coreneuron"] for spent in found["seconds"]]
        each = statistics.median(spent["coreneuron"] for spent in found["seconds"]) / found["steps"] * 1e9
        value = statistics.median(values)
        detail = f"{each:.0f} ns/neuron-step; rounds {np.round(values, 2).tolist()}"
        return row(value, "ratio to neuron", ">= 1", value >= 1, detail)

    return measure


def core_parity(name):
    """Largest gap of traces between coreneuron and neuron, noise included."""

    def measure(options):
        found = core(name, 12 if options.quick else 50, 0, options.seed)
        if isinstance(found, str):
            return missing(found, "<= 1e-09")
        holds = found["gap_mv"] <= 1e-9 and found["statuses_equal"]
        return row(found["gap_mv"], "mV", "<= 1e-09", holds, f"120 ms, statuses equal: {found['statuses_equal']}")

    return measure


def repeats(options):
    """Batches that differ between two runs of the same 100 cells in one process."""
    run = simulators.get("neuron", cell(), steps_of(0.01), step=0.01)
    theta = draws(100, options.seed)
    differ = int(not np.array_equal(run(theta, 0).response, run(theta, 0).response))
    return row(differ, "batches", "0", differ == 0)


ROWS = {
    "batched f64": speed("batched f64", 8),
    "batched f32": speed("batched f32", 6),
    "batched f64 with noise": speed("batched f64 with noise", None),
    "C scalar": speed("C scalar", None),
    "NEURON 1 cell": speed("NEURON by hand, 1 cell", None),
    "NEURON 100 cells": speed("NEURON by hand, 100 cells", None),
    "neuron 100 cells": speed("neuron, 100 cells", None),
    "brian2 1024": speed("brian2, 1024", None),
    "batched to NEURON 1 cell": ratio("NEURON by hand, 1 cell", "batched f64", low=100),
    "batched to NEURON 100 cells": ratio("NEURON by hand, 100 cells", "batched f64", low=20),
    "Jaxley f64": jaxley(speed("Jaxley f64", None), ""),
    "batched to Jaxley": jaxley(ratio("Jaxley f64", "batched f64", low=5), ">= 5"),
    "neuron to by hand": ratio("neuron, 100 cells", "NEURON by hand, 100 cells", high=1.2),
    "brian2 to by hand": ratio("brian2, 1024", "Brian2 by hand, 1024", high=1.2),
    "accuracy sequential 0.01": accuracy(sequential, 0.01, 10, 0.995),
    "accuracy sequential f32 0.01": accuracy(lambda: sequential("float32"), 0.01, 10, 0.995),
    "accuracy rk4 0.025": accuracy(
        lambda: batched.Simulator(cell(), steps_of(0.025), 0.025, scheme="rk4"), 0.025, 1, 1.0
    ),
    "accuracy brian2 0.01": accuracy(lambda: simulators.get("brian2", cell(), steps_of(0.01), step=0.01), 0.01, 5, 1.0),
    "accuracy neuron 0.01": accuracy(
        lambda: simulators.get("neuron", cell(), steps_of(0.01), step=0.01), 0.01, 20, 0.99
    ),
    **{f"parity {other} {name}": parity(name, other) for other in ("neuron", "brian2") for name in POINTS},
    **{f"parity neuron {name}": parity(name, "neuron") for name in TREES},
    **{f"batched {name}": branched(name) for name in TREES},
    **{f"coreneuron {name}": core_speed(name) for name in ("pospischil", *TREES)},
    **{f"parity coreneuron {name}": core_parity(name) for name in (*POINTS, *TREES)},
    "rk4 cost": rk4_cost,
    "both cores": both_cores,
    "identical rows": identical,
    "neuron repeats": repeats,
    "first call": first_call,
    "memory": memory,
    **{f"batched N={n}": scaling(n) for n in (1, 10, 100, 1000, 10_000, 100_000)},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = []
    for name, measure in ROWS.items():
        if not name.startswith(options.only) or (options.quick and name == "batched N=100000"):
            continue
        start = time.perf_counter()
        rows.append({"name": name, **measure(options), "seconds": round(time.perf_counter() - start, 1)})
        if not options.json:
            r = rows[-1]
            value = "-" if r["value"] is None else f"{r['value']:.3g}"
            verdict = "ok" if r["holds"] else "NO"
            print(f"{name:30s} {value:>8s} {r['unit']:15s} {r['bar']:18s} {verdict} {r['detail']}", flush=True)
    machine = (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    if options.json:
        print(json.dumps({"benchmark": "simulators", "machine": machine, "rows": rows}, indent=1))
    sys.exit(0)


if __name__ == "__main__":
    main()
