"""Every model of the library: published numbers, and agreement between simulators."""

import numpy as np
import pytest

from hhfit import library, model, protocol, simulators
from hhfit.simulators import _cells, batched

MODELS = [name for name in library.names("models") if model.load(name).morphology is None]


def crossings(trace, dt, level=0.0):
    k = np.flatnonzero((trace[:-1] < level) & (trace[1:] >= level))
    return (k + (level - trace[k]) / (trace[k + 1] - trace[k])) * dt


# Spike times [ms] of the ModelDB code (entry 123623) as stored by the Open Source Brain for its conversion of it.
PUBLISHED = {
    "pospischil_rs": ((750.0, 300.0, 700.0, 1000.0), [320.554, 348.522, 387.944, 456.69, 592.105], 0.4),
    "pospischil_fs": ((500.0, 300.0, 700.0, 1000.0), [317.023 + 20.1724 * n for n in range(20)], 0.1),
    "pospischil_ib": (
        (150.0, 500.0, 2500.0, 3000.0),
        [
            617.724,
            624.631,
            631.1,
            637.785,
            644.908,
            652.67,
            661.419,
            672.084,
            1157.215,
            1487.096,
            1807.4,
            2121.216,
            2432.682,
        ],
        0.8,
    ),
    "pospischil_lts": ((150.0, 400.0, 800.0, 1000.0), [431.422, 445.188, 517.236, 720.421], 0.25),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_cortical_cells_spike_when_the_published_code_does(name):
    """That code tabulates the M current and stores 0.1 ms steps, hence tolerances of 0.1 to 0.8 ms in seconds."""
    (amplitude, on, off, duration), times, tolerance = PUBLISHED[name]
    cell = model.load(name)
    steps = protocol.step(np.array([amplitude]), on=on, off=off, duration=duration, dt=0.025)
    response = simulators.get("batched", cell, steps, step=0.0125)(cell.reference[None], 0).response[0, 0]
    got = crossings(response, 0.025)
    assert len(got) == len(times)
    assert np.abs(got - times).max() < tolerance


@pytest.mark.parametrize("celsius", [6.3, 16.3])
def test_squid_axon_spikes_with_that_of_neuron(celsius):
    """NEURON's own ``hh`` is another writing of Hodgkin & Huxley 1952, with its own temperature factor."""
    cell = (
        model.load("hh52").with_values({"temperature": celsius}).with_priors(dict.fromkeys(("g_na", "g_k", "g_leak")))
    )
    steps = protocol.step(np.array([200.0]), on=5.0, off=55.0, duration=60.0, dt=0.025)
    ours = simulators.get("batched", cell, steps)(np.empty((1, 0)), 0).response[0, 0]
    theirs = _builtin_squid(cell, celsius)
    assert len(crossings(ours, 0.025)) == len(crossings(theirs, 0.0025)) >= 3
    assert np.abs(crossings(ours, 0.025) - crossings(theirs, 0.0025)).max() < 0.02


def _builtin_squid(cell, celsius):
    from neuron import h

    section = h.Section(name="squid")
    section.L = section.diam = float(np.sqrt(cell.quantities["area"].value / np.pi))
    section.insert("hh")
    h.usetable_hh = 0
    section(0.5).hh.el = cell.quantities["e_leak"].value
    section.ena, section.ek = cell.quantities["e_na"].value, cell.quantities["e_k"].value
    clamp = h.IClamp(section(0.5))
    clamp.delay, clamp.dur, clamp.amp = 5.0, 50.0, 0.2
    record = h.Vector().record(section(0.5)._ref_v)
    parallel = _cells.fixed_step(h, 0.0025)
    h.celsius = celsius
    h.finitialize(-65.0)
    parallel.psolve(60.0)
    return np.array(record)


def test_squid_axon_action_potential_has_the_published_height():
    """Hodgkin & Huxley 1952, Fig. 12: about 100 mV above rest at 6 degC after a shock of 15 nC/cm2."""
    cell = model.load("hh52").with_priors(dict.fromkeys(("g_na", "g_k", "g_leak")))
    shock = protocol.step(np.array([300.0]), on=2.0, off=2.5, duration=20.0, dt=0.01)
    response = simulators.get("batched", cell, shock)(np.empty((1, 0)), 0).response[0, 0]
    assert 95.0 < response.max() + 65.0 < 112.0
    assert abs(response[200] + 65.0) < 0.1


def test_lueckmann_model_fails_and_spikes_as_often_as_published():
    """2000 prior draws of the published code: none is NaN, 35 % have no spike, the median count is 2."""
    cell = model.load("lueckmann2017")
    steps = protocol.step(np.array([500.0]), on=10.0, off=110.0, duration=120.0, dt=0.01)
    traces = simulators.get("batched", cell, steps, step=0.01)(cell.prior.sample(1000, seed=3), seed=1)
    counts = np.array([len(crossings(row[0], 0.01, -10.0)) for row in traces.response])
    assert np.isfinite(traces.response).all()
    # 1000 draws: 35 +- 1.5 % (one sd).
    assert np.mean(counts == 0) == pytest.approx(0.35, abs=0.06)
    assert np.median(counts) in (1, 2, 3)


def test_lueckmann_model_runs_forward_euler_from_the_leak_reversal():
    cell = model.load("lueckmann2017")
    steps = protocol.step(np.array([500.0]), on=10.0, off=110.0, duration=120.0, dt=0.01)
    run = batched.Simulator(cell, steps, 0.01)
    assert run.kernel.source == batched.Simulator(cell, steps, 0.01, scheme="forward-euler").kernel.source
    theta = cell.reference[None].copy()
    theta[0, cell.free.index("minus_e_leak")] = 63.0
    assert run(theta, 0).response[0, 0, 0] == -63.0


def test_forward_euler_is_what_it_says():
    """Against a plain loop over the equations of Lueckmann et al. 2017, V first, then gates at the new V."""
    cell = model.load("lueckmann2017").with_values({"noise": 0.0}).with_priors({"noise": None})
    steps = protocol.step(np.array([500.0]), on=1.0, off=15.0, duration=15.0, dt=0.01)
    ours = batched.Simulator(cell, steps, 0.01)(cell.reference[None], 0).response[0, 0]
    values = {name: float(v[0]) for name, v in cell.values(cell.reference[None]).items()}
    v = values["v_init"]
    gates = {(c.name, g.name): float(g.inf.evaluate({**values, "v": v})) for c in cell.channels for g in c.gates}
    loop = [v]
    for current in steps.command[0, :-1] * 100.0 / values["area"]:
        for c in cell.channels:
            g = float(c.conductance.evaluate(values))
            for gate in c.gates:
                g *= gates[c.name, gate.name] ** gate.power
            current -= g * (loop[-1] - float(c.reversal.evaluate(values)))
        v = v + 0.01 * current
        for c in cell.channels:
            for gate in c.gates:
                inf, tau = (float(e.evaluate({**values, "v": v})) for e in (gate.inf, gate.tau))
                gates[c.name, gate.name] += 0.01 * (inf - gates[c.name, gate.name]) / tau
        loop.append(v)
    assert max(loop) > 0.0
    assert np.abs(ours - loop).max() < 1e-3


@pytest.mark.parametrize("name", ["pospischil_rs", "pospischil_ib", "pospischil_lts"])
def test_the_sequential_scheme_is_of_second_order(name):
    """Against RK4, which is exact here: instantaneous gates and calcium must not bring it down to first order."""
    cell = model.load(name)
    steps = protocol.step(np.array([500.0]), on=10.0, off=90.0, duration=100.0, dt=0.05)
    theta = cell.prior.sample(16, seed=8)
    exact = batched.Simulator(cell, steps, 0.0125, scheme="rk4")(theta, 0).response[:, 0]
    errors = {}
    for step in (0.025, 0.00625):
        rows = batched.Simulator(cell, steps, step, scheme="exponential-euler")(theta, 0).response[:, 0]
        pairs = [(crossings(a, 0.05), crossings(b, 0.05)) for a, b in zip(exact, rows, strict=True)]
        errors[step] = np.median([np.abs(a - b).max() for a, b in pairs if len(a) == len(b) > 0])
    assert errors[0.025] > 10 * errors[0.00625]
    assert errors[0.00625] < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("other", ["neuron", "brian2"])
@pytest.mark.parametrize("name", MODELS)
def test_simulators_agree_on_prior_draws(name, other):
    """50 prior draws: counts equal in 98 %, times within 0.1 ms at 0.0025 ms, gap falling as the step does."""
    cell = model.load(name)
    if "noise" in cell.quantities:
        cell = cell.with_values({"noise": 0.0}).with_priors({"noise": None})
    strong = {"hh52": 100.0}.get(name, 500.0)
    steps = protocol.step(np.array([strong]), on=10.0, off=90.0, duration=100.0, dt=0.05)
    theta = cell.prior.sample(50, seed=8)
    gaps = {}
    for step in (0.01, 0.0025):
        ours = batched.Simulator(cell, steps, step, scheme="exponential-euler")(theta, 0).response[:, 0]
        theirs = simulators.get(other, cell, steps, step=step)(theta, 0).response[:, 0]
        pairs = [(crossings(a, 0.05), crossings(b, 0.05)) for a, b in zip(ours, theirs, strict=True)]
        gaps[step] = np.array([np.abs(a - b).max() for a, b in pairs if len(a) == len(b) > 0])
        equal = np.mean([len(a) == len(b) for a, b in pairs])
    assert equal >= 0.98
    assert len(gaps[0.0025]) > 10
    assert gaps[0.0025].max() < 0.1
    assert np.median(gaps[0.0025]) < 0.5 * np.median(gaps[0.01])
