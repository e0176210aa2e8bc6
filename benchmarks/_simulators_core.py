"""CoreNEURON beside NEURON on one model, in a process of its own since it serves one model: what both cost and differ.

python benchmarks/_simulators_core.py MODEL CELLS ROUNDS SEED
"""

import json
import sys
import time

import numpy as np

from hhfit import model, protocol, simulators

STRONG = {"hh52": 100.0, "ball_and_stick": 300.0, "pyramidal": 300.0}
"""Command [pA] that makes most draws fire; 500 pA in other models."""


def cpu(function, *arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def compare(name, n, rounds, seed):
    """CPU seconds of both, taking turns, without noise; the largest gap of their traces [mV], with it."""
    cell = model.load(name)
    steps = protocol.step(np.array([STRONG.get(name, 500.0)]), on=10.0, off=60.0, duration=120.0, dt=0.025)
    noisy = {other: simulators.get(other, cell, steps) for other in ("neuron", "coreneuron")}
    theta = cell.prior.sample(n, seed=seed)
    traces = {other: run(theta, seed) for other, run in noisy.items()}
    gap = float(np.nanmax(np.abs(traces["neuron"].response - traces["coreneuron"].response)))
    equal = bool(np.array_equal(traces["neuron"].status, traces["coreneuron"].status))
    quiet = noisy
    if "noise" in cell.quantities:
        cell = cell.with_values({"noise": 0.0}).with_priors({"noise": None})
        quiet = {other: simulators.get(other, cell, steps) for other in noisy}
        theta = cell.prior.sample(n, seed=seed)
    seconds = [{other: cpu(run, theta, seed) for other, run in quiet.items()} for _ in range(rounds)]
    return {"gap_mv": gap, "statuses_equal": equal, "seconds": seconds, "steps": n * (steps.n_times - 1)}


if __name__ == "__main__":
    name, *numbers = sys.argv[1:]
    print(json.dumps(compare(name, *map(int, numbers))))
