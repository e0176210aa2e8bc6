"""Rows of failures.py on naming: faults injected into simulated traces, and false alarms."""

from pathlib import Path

import numpy as np

from hhfit import model, protocol, readers, simulators
from hhfit.errors import HHFitError
from hhfit.outcomes import judge
from hhfit.prior import Marginal
from hhfit.traces import FAILED, Status, is_failed

GIVEN = Path(__file__).resolve().parents[1] / "../shared/recordings"
STEPS = protocol.step(np.array([150.0, 400.0]), on=50.0, off=250.0, duration=300.0, dt=0.025)
"""Two steps of 200 ms that most draws of the prior answer with spikes."""


def good_traces(simulator, n, seed):
    """Simulated responses that no fault was put into, 2 sweeps each, of the 8-parameter model."""
    neuron = model.load("pospischil")
    neuron = neuron.with_values({"area": 10_000.0})
    engine, parts, first = simulators.get(simulator, neuron, STEPS), [], 0
    while sum(map(len, parts)) < n:
        traces = engine(neuron.prior.sample(200, seed + first), seed, first + np.arange(200))
        parts.append(traces.response[np.isin(traces.status, [Status.OK])])
        first += 200
    return np.concatenate(parts)[:n].astype(float)


def outcomes_of(engine, theta, seed):
    """Outcomes of parameter sets, simulated 200 at a time."""
    parts = np.split(np.arange(len(theta)), range(200, len(theta), 200))
    return np.concatenate([engine(theta[part], seed, part).status for part in parts])


def blocked(simulator, n, seed):
    """The squid axon far above the current at which it stops firing (about 150 uA/cm2)."""
    strong = protocol.step(np.array([1000.0]), on=50.0, off=250.0, duration=300.0, dt=0.025)
    neuron = model.load("hh52").with_priors(dict.fromkeys(model.load("hh52").free))
    neuron = neuron.with_priors({"area": Marginal("uniform", 250.0, 450.0)})
    engine = simulators.get(simulator, neuron, strong)
    theta = neuron.prior.sample(n, seed)
    return outcomes_of(engine, theta, seed)


def _tails(traces, rng):
    """First spoilt sample of every row: during the stimulus, in its middle."""
    window = STEPS.samples(80.0, 200.0)
    return rng.integers(window.start, window.stop, len(traces))


def _from(traces, rng, change):
    spoilt = traces.copy()
    for row, start in enumerate(_tails(traces, rng)):
        sweep = int(rng.integers(traces.shape[1]))
        tail = np.arange(traces.shape[2] - start)
        spoilt[row, sweep, start:] = change(spoilt[row, sweep, start:], tail * STEPS.dt, rng)
    return spoilt


def growing(v, t, rng):
    """An oscillation that grows e-fold in 3 to 10 of its cycles, up to 100 to 150 mV, or does so from sample to sample.

    Its frequency is 100 to 2000 Hz; of the sort from sample to sample it is that of the samples.
    """
    size, cycles = rng.uniform(100.0, 150.0), rng.uniform(3.0, 10.0)
    kilohertz = 10 ** rng.uniform(-1.0, 0.3) if rng.random() < 0.5 else 0.5 / STEPS.dt
    wave = np.cos(2 * np.pi * kilohertz * t)
    return np.clip(v + size * np.exp(-(t[-1] - t) * kilohertz / cycles) * wave, -190.0, 190.0)


MOST_COST = 0.2
"""Largest share of a simulating call that judging may take."""

FAULTS = {
    "NaN": (lambda v, t, rng: np.full_like(v, np.nan), Status.NOT_FINITE),
    "overflow": (lambda v, t, rng: v * np.float64(10.0) ** np.minimum(np.arange(len(v)), 400), Status.NOT_FINITE),
    "runaway": (lambda v, t, rng: v + np.minimum(np.exp(t), 1e6), Status.RUNAWAY),
    "oscillation": (growing, Status.DIVERGING),
    "frozen": (lambda v, t, rng: np.full_like(v, v[0]), Status.SOLVER),
}


def faults(simulator, options):
    """Least share of a fault's rows that are named rightly; with how many were taken for good ones."""
    n, rng = (50 if options.quick else 1000), np.random.default_rng(options.seed)
    traces, shares, accepted = good_traces(simulator, n, options.seed), {}, 0
    for name, (change, want) in FAULTS.items():
        with np.errstate(over="ignore"):
            found = judge(_from(traces, rng, change), STEPS)
        shares[name], accepted = float(np.mean(found == want)), accepted + int((found == Status.OK).sum())
    ends = STEPS.n_times - rng.integers(1, 5000, n)
    short = [judge(one[None, :, :end], STEPS)[0] for one, end in zip(traces, ends, strict=True)]
    shares["wrong length"] = float(np.mean(np.array(short) == Status.SOLVER))
    status = blocked(simulator, n, options.seed)
    shares["block"], accepted = float(np.mean(status == Status.BLOCK)), accepted + int((status == Status.OK).sum())
    detail = f"{shares}; taken for ok: {accepted} of {7 * n}"
    return min(shares.values()), min(shares.values()) >= 0.99 and accepted == 0, detail


def false_alarms(options):
    """Share of good simulations of several models that are named a failure."""
    n, failed, total, names = (100 if options.quick else 1250), 0, 0, {}
    for name in ("pospischil", "pospischil_rs", "pospischil_lts", "hh52"):
        neuron = model.load(name)
        engine = simulators.get("batched", neuron, STEPS)
        theta = neuron.prior.sample(n, options.seed)
        status = outcomes_of(engine, theta, 1)
        failed, total = failed + int(is_failed(status).sum()), total + n
        names[name] = {Status(int(s)).name.lower(): int((status == s).sum()) for s in np.unique(status)}
    return failed / total, failed / total <= 0.001, str(names)


def recordings(options):
    """Sweeps of the given current-clamp recordings that are named a failure, and which."""
    found, total = [], 0
    for path in sorted(GIVEN.rglob("*")):
        try:
            recording = readers.read(path) if path.is_file() and path.suffix not in (".json", ".md") else None
        except HHFitError:
            continue
        if recording is None or recording.protocol.clamp != "current":
            continue
        for k in range(recording.protocol.n_sweeps):
            status = judge(recording.response[None, [k]], recording.protocol.select([k]))[0]
            total += 1
            if status in FAILED:
                found.append(f"{path.name} sweep {recording.sweeps[k]}: {Status(int(status)).name.lower()}")
    if not total:
        return None, False, "no recordings are there"
    return len(found) / total, len(found) / total <= 0.001, f"{total} sweeps; {'; '.join(found) or 'none'}"


def cost(options):
    """CPU time of judging as a share of simulating 120 ms at 0.01 ms, taking turns."""
    import time

    neuron = model.load("pospischil")
    short = protocol.step(np.array([300.0]), on=10.0, off=110.0, duration=120.0, dt=0.01)
    engine, theta, ratios = simulators.get("batched", neuron, short), neuron.prior.sample(200, 1), []
    response = engine(theta, 1).response
    judge(response, short)
    for _ in range(3 if options.quick else 15):
        times = [time.process_time()]
        engine(theta, 1)
        times.append(time.process_time())
        judge(response, short)
        times.append(time.process_time())
        ratios.append((times[2] - times[1]) / (times[1] - times[0]))
    share = float(np.median(ratios))
    return share, share <= MOST_COST, "of the call that simulates and judges"


def rows():
    """Name to unit, bar and measurement."""
    table = {}
    for simulator in ("batched", "neuron", "brian2"):
        table[f"faults {simulator}"] = ("share named rightly", ">= 0.99, none ok", lambda o, s=simulator: faults(s, o))
    table["false alarms, simulations"] = ("share", "<= 0.001", false_alarms)
    table["false alarms, recordings"] = ("share", "<= 0.001", recordings)
    table["cost of judging"] = ("share", f"<= {MOST_COST} (ours)", cost)
    return table
