"""The NEURON simulator: what it generates, builds and guards."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hhfit import model, protocol, simulators
from hhfit.errors import DependencyError, SimulationError
from hhfit.protocol import Protocol
from hhfit.simulators import _cells, _nmodl, _nrnivmodl, neuron
from hhfit.traces import Status

STEPS = protocol.step(np.array([300.0]), on=5.0, off=25.0, duration=30.0, dt=0.05)


@pytest.fixture(scope="module")
def cell():
    return model.load("pospischil")


@pytest.fixture(scope="module")
def mechanism(cell):
    """A section that holds the generated mechanism, and the interpreter."""
    h = _cells.interpreter(simulators.get("neuron", cell, STEPS))
    section = h.Section(name="bare")
    section.insert(_nmodl.suffix(cell))
    inserted = getattr(section(0.5), _nmodl.suffix(cell))
    for name in _nmodl.used(cell):
        setattr(inserted, _nmodl.quantity(name), cell.quantities[name].value)
    return h, section, inserted


@pytest.mark.parametrize("v", [-100.0, -71.3, -47.0, -45.0, -20.0, 0.0, 40.0])
def test_initial_gates_are_the_steady_state_of_the_expressions(cell, mechanism, v):
    h, section, inserted = mechanism
    section.v = v
    h.finitialize()
    values = {name: q.value for name, q in cell.quantities.items()} | {"v": v}
    for channel in cell.channels:
        for gate in channel.gates:
            state = getattr(inserted, f"s_{channel.name}_{gate.name}")
            assert state == pytest.approx(float(gate.inf.evaluate(values)), rel=1e-6)


@pytest.mark.parametrize("v", [-80.0, -47.0, -10.0])
def test_a_gate_at_frozen_potential_relaxes_exponentially(cell, mechanism, v):
    h, section, inserted = mechanism
    _cells.fixed_step(h, 0.02)
    section.v = v
    h.finitialize()
    section.cm = 1e12
    inserted.s_na_h = inserted.s_m_p = 0.9
    h.ParallelContext().psolve(1.0)
    section.cm = 1.0
    values = {name: q.value for name, q in cell.quantities.items()} | {"v": v}
    gates = {f"{c.name}_{g.name}": g for c in cell.channels for g in c.gates}
    for name in ("na_h", "m_p"):
        inf, tau = (float(rate.evaluate(values)) for rate in (gates[name].inf, gates[name].tau))
        assert getattr(inserted, f"s_{name}") == pytest.approx(inf + (0.9 - inf) * np.exp(-h.t / tau), rel=1e-6)


def test_settings_that_another_run_left_behind_do_no_harm(cell):
    run = simulators.get("neuron", cell, STEPS)
    theta = cell.reference[None]
    clean = run(theta, seed=1).response
    h = _cells.interpreter(run)
    h.CVode().active(1)
    h.CVode().active(0)
    h.dt, h.secondorder, h.celsius, h.t = 0.7, 0, 36.0, 99.0
    assert np.array_equal(run(theta, seed=1).response, clean)
    h.CVode().active(1)
    assert np.array_equal(run(theta, seed=1).response, clean)


def test_a_run_that_stops_early_is_marked(cell, monkeypatch):
    """psolve stops silently when the integrator fails: here its end is moved."""

    class Early:
        def psolve(self, t):
            h.ParallelContext().psolve(t / 2)

    run = simulators.get("neuron", cell, STEPS)
    h = _cells.interpreter(run)
    prepare = _cells.fixed_step
    monkeypatch.setattr(_cells, "fixed_step", lambda h, dt: prepare(h, dt) and Early())
    traces = run(cell.reference[None], seed=1)
    assert list(traces.status) == [Status.SOLVER]
    assert np.isnan(traces.response).all()


@pytest.mark.parametrize("dt", [0.01, 0.02, 0.025, 0.0333, 0.05, 0.1, 1 / 30])
def test_the_record_has_one_sample_per_step_whatever_the_rounding(cell, dt):
    for duration in (12.0, 29.97, 33.3):
        steps = protocol.step(np.array([300.0]), on=5.0, off=10.0, duration=duration, dt=dt)
        traces = simulators.get("neuron", cell, steps)(cell.reference[None], seed=1)
        assert not traces.failed.any()


def test_another_channel_gives_another_mechanism_and_another_value_does_not(cell):
    assert _nmodl.suffix(cell) == _nmodl.suffix(cell.with_values({"area": 500.0, "e_na": 60.0}))
    changed = model.dump(cell)
    changed["channels"]["na"]["gates"]["m"]["power"] = 2
    assert _nmodl.suffix(model.build(changed, "pospischil")) != _nmodl.suffix(cell)


def test_without_a_compiler_the_message_says_what_to_install(cell, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DependencyError, match="apt-get install g"):
        _nrnivmodl.compiled("x", _nmodl.mechanism(cell))


def test_a_half_written_build_is_built_again(cell, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = []
    monkeypatch.setattr(_nrnivmodl, "_build", lambda texts, target: built.append(_fake(target)))
    _nrnivmodl.compiled("abc", "text")
    _nrnivmodl.compiled("abc", "text")
    assert len(built) == 1
    next(Path(tmp_path).rglob("libnrnmech.so")).unlink()
    _nrnivmodl.compiled("abc", "text")
    assert len(built) == 2


def _fake(target):
    (target / "x86_64").mkdir(parents=True, exist_ok=True)
    (target / "x86_64" / "libnrnmech.so").write_text("")


def test_two_processes_that_build_at_once_agree(tmp_path):
    code = (
        "import numpy as np\nfrom hhfit import model, protocol, simulators\n"
        "m = model.load('pospischil')\np = protocol.step(np.array([300.]), on=5., off=9., duration=10., dt=0.1)\n"
        "print(repr(float(simulators.get('neuron', m, p)(m.reference[None], seed=1).response.sum())))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    sums = [run.communicate(timeout=100)[0].split()[-1] for run in runs]
    assert sums[0] == sums[1]
    assert len(list(tmp_path.rglob("libnrnmech.so"))) == 1


def test_a_run_under_variable_steps_is_never_taken_for_a_result(cell, monkeypatch):
    """psolve under CVODE returns without a word where the integrator gives up, and records its own steps."""
    run = simulators.get("neuron", cell, STEPS)
    theta = np.vstack([cell.reference, cell.reference])
    prepare = _cells.fixed_step

    def variable(h, dt):
        parallel = prepare(h, dt)
        h.CVode().active(1)
        return parallel

    with monkeypatch.context() as patch:
        patch.setattr(_cells, "fixed_step", variable)
        assert list(run(theta, seed=1).status) == [Status.SOLVER, Status.SOLVER]
    assert list(run(theta, seed=1).status) == [Status.OK, Status.OK]


def test_a_loaded_mechanism_is_neither_built_nor_loaded_again(cell, tmp_path, monkeypatch):
    """NEURON raises when a name is loaded twice, even from another file."""
    run = simulators.get("neuron", cell, STEPS)
    before = run(cell.reference[None], seed=1).response
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_nrnivmodl, "_build", lambda *_: pytest.fail("built again"))
    assert np.array_equal(simulators.get("neuron", cell, STEPS)(cell.reference[None], seed=1).response, before)


def test_a_missing_library_is_named(cell, monkeypatch):
    """``nrn_load_dll`` returns 0 for a missing file and says nothing."""
    monkeypatch.setattr(_nrnivmodl, "compiled", lambda *_: "/nowhere/libnrnmech.so")
    changed = model.dump(cell)
    changed["channels"]["na"]["gates"]["m"]["power"] = 7
    other = model.build(changed, "pospischil")
    with pytest.raises(SimulationError, match=r"NEURON did not load /nowhere/libnrnmech.so; delete it and try again"):
        simulators.get("neuron", other, STEPS)(other.reference[None], seed=1)


def test_a_run_that_goes_too_far_is_marked(cell, monkeypatch):
    """Its records are longer than the protocol."""
    run = simulators.get("neuron", cell, STEPS)
    h = _cells.interpreter(run)
    prepare = _cells.fixed_step

    class Longer:
        def psolve(self, t):
            h.ParallelContext().psolve(t + 2 * run.dt)

    monkeypatch.setattr(_cells, "fixed_step", lambda h, dt: prepare(h, dt) and Longer())
    traces = run(cell.reference[None], seed=1)
    assert list(traces.status) == [Status.SOLVER]


def test_the_step_is_set_for_every_run(cell):
    """CVODE leaves ``h.dt`` changed: a run of another step in between must not be inherited."""
    theta = cell.reference[None]
    fine = simulators.get("neuron", cell, STEPS, step=0.0125)
    first = fine(theta, seed=1).response
    coarse = simulators.get("neuron", cell, STEPS, step=0.05)(theta, seed=1).response
    h = _cells.interpreter(fine)
    h.CVode().active(1)
    h.CVode().solve(1.0)
    h.CVode().active(0)
    assert h.dt != 0.0125
    assert np.array_equal(fine(theta, seed=1).response, first)
    assert not np.array_equal(coarse, first)


@pytest.mark.parametrize("step", [0.05, 0.0125])
def test_a_command_played_as_a_line_gives_the_bits_of_one_played_step_by_step(cell, monkeypatch, step):
    """Levels of one, two and many samples; the line has fewer events, which is what makes it cheap."""
    quiet = cell.with_values({"noise": 0.0}).with_priors({"noise": None})
    levels = np.random.default_rng(3).normal(0.0, 200.0, 40)
    held = np.repeat(levels, np.tile([1, 2, 30, 3], 10))[None]
    uneven = Protocol(held, STEPS.dt, np.zeros(1), np.full(1, held.size * STEPS.dt))
    run = simulators.get("neuron", quiet, uneven, step=step)
    theta = quiet.prior.sample(2, seed=5)
    traces = {}
    for dense in (-1.0, 2.0):
        monkeypatch.setattr(neuron, "DENSE", dense)
        traces[dense] = run(theta, 0).response
    assert np.abs(traces[-1.0] - traces[2.0]).max() < 1e-9
    if run.substeps > 1:
        assert np.array_equal(traces[-1.0], traces[2.0])
