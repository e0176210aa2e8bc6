"""CoreNEURON: the numbers of NEURON, one model per process, and what is said when it cannot be."""

import subprocess
import sys
from dataclasses import dataclass

import cloudpickle
import numpy as np
import pytest
import tomli_w

from hhfit import library, model, protocol, simulators
from hhfit.errors import DependencyError, UnsupportedError
from hhfit.protocol import Protocol
from hhfit.simulations import Simulations
from hhfit.simulators import _nrnivmodl
from hhfit.traces import Status
from hhfit.workers import Task, Workers

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a worker cannot import the test file

TOLERANCE = 1e-9
"""Largest gap to NEURON [mV]: the line that noise is played as may be read to the last digit but one."""

STEPS = protocol.step(np.array([300.0, 0.0]), on=5.0, off=35.0, duration=40.0, dt=0.05)

WARM = """\
NEURON {
    SUFFIX warm
    USEION k READ ek WRITE ik
    RANGE gbar
    THREADSAFE
}
UNITS { (mV) = (millivolt) (mA) = (milliamp) (S) = (siemens) }
PARAMETER { gbar = 0 (S/cm2) }
ASSIGNED { v (mV) celsius (degC) ek (mV) ik (mA/cm2) }
STATE { n }
INITIAL { n = 1 / (1 + exp(-(v + 40) / 5)) }
BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = gbar * n * (v - ek)
}
DERIVATIVE states {
    LOCAL rate
    rate = 0.1 * 3 ^ ((celsius - 24) / 10)
    n' = (1 / (1 + exp(-(v + 40) / 5)) - n) * rate
}
"""


@pytest.fixture(scope="module")
def cell():
    return model.load("pospischil")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A cell from an SWC file with a calcium pool, a region of its own and a channel in NMODL that reads celsius."""
    folder = tmp_path_factory.mktemp("tree")
    (folder / "warm.mod").write_text(WARM)
    (folder / "cell.swc").write_text((library.folder("models") / "pyramidal.swc").read_text())
    table = model.dump(model.load("pospischil_lts"))
    table["quantities"]["ra"] = {"value": 150.0, "unit": "ohm*cm"}
    table["channels"]["warm"] = {"mod": "warm.mod", "parameters": {"gbar": "1e-4 * g_kd"}, "reversals": {"k": "e_k"}}
    table["morphology"] = {
        "swc": "cell.swc",
        "axial_resistance": "ra",
        "regions": {"dendrite": {"channels": {"ca": "0.1 * g_ca", "m": 0}}},
    }
    table["quantities"].pop("area", None)
    (folder / "cell.toml").write_text(tomli_w.dumps(table))
    return model.load(str(folder / "cell.toml"))


@pytest.mark.parametrize("noisy", [False, True])
def test_a_point_cell_has_the_trace_that_neuron_gives(get, cell, noisy):
    run = cell if noisy else cell.with_values({"noise": 0.0}).with_priors({"noise": None})
    theta = run.prior.sample(130, seed=1)
    ours, theirs = (get(name, run, STEPS, step=0.025)(theta, 3) for name in ("coreneuron", "neuron"))
    assert np.nanmax(np.abs(ours.response - theirs.response)) <= (TOLERANCE if noisy else 0.0)
    assert np.array_equal(ours.status, theirs.status)
    assert (ours.status == Status.OK).sum() > 20


@pytest.mark.slow
def test_a_tree_with_a_calcium_pool_and_own_channels_has_the_trace_that_neuron_gives(get, tree):
    theta = np.vstack([tree.reference, tree.prior.sample(3, seed=2)])
    ours, theirs = (get(name, tree, STEPS)(theta, 3).response for name in ("coreneuron", "neuron"))
    assert np.abs(ours - theirs).max() <= TOLERANCE
    assert np.ptp(ours[:, 0], axis=1).min() > 5.0


@pytest.mark.slow
def test_temperature_reaches_channels_in_nmodl(get, tree):
    warm, cold = (tree.with_values({"temperature": celsius}) for celsius in (36.0, 26.0))
    one, two, again = (get("coreneuron", m, STEPS)(m.reference[None], 0).response for m in (warm, cold, warm))
    assert np.abs(one - two).max() > 0.1
    assert np.array_equal(one, again)


def test_a_long_sweep_of_many_steps_reaches_its_end(get, cell):
    """CoreNEURON is told the end with six digits: 479999.25 steps of 0.0025 ms would be one too many."""
    long = Protocol(np.zeros((1, 12_000)), 0.1, np.zeros(1), np.full(1, 1200.0))
    quiet = cell.with_values({"noise": 0.0}).with_priors({"noise": None})
    traces = get("coreneuron", quiet, long, step=0.0025)(quiet.reference[None], 0)
    assert not traces.failed.any()


def test_a_process_that_has_run_another_model_says_so(get, cell, tmp_path):
    """CoreNEURON keeps its first library; what it has run, it runs on, whatever NEURON has loaded since."""
    get("coreneuron", cell, STEPS)(cell.reference[None], 0)  # skips this test where it cannot be built
    other = model.load("pospischil_rs")
    (tmp_path / "models").write_bytes(cloudpickle.dumps((cell, other, STEPS)))
    code = (
        "import pickle, sys\nfrom hhfit import model, simulators\nfrom hhfit.errors import UnsupportedError\n"
        "one, two, steps = pickle.load(open(sys.argv[1], 'rb'))\n"
        "def run(name, m):\n"
        "    try:\n        traces = simulators.get(name, m, steps)(m.reference[None], 0)\n"
        "        print(traces.failed[0], repr(float(traces.response.sum())))\n"
        "    except UnsupportedError as error:\n        print(error)\n"
        "for name, m in [('coreneuron', one), ('coreneuron', two), ('coreneuron', one), ('neuron', two), "
        "('coreneuron', one)]:\n    run(name, m)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "models")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second, *rest = done.stdout.splitlines()
    assert second == (
        "pospischil_rs: CoreNEURON runs the mechanisms of one model per process, and this process has run others; "
        "start a new process, or take --simulator neuron"
    )
    assert first.startswith("False ")
    assert rest == [first, rest[1], first]
    assert rest[1].startswith("False ")


def test_a_library_that_cannot_be_built_is_one_sentence_that_names_neuron(cell, monkeypatch, tmp_path):
    said = (
        "[NMODL] [warning] :: SemanticAnalysisVisitor :: FUNCTION initps does not\n"
        "[NMODL] [error] :: Code incompatibility detected\n"
        '[NMODL] [error] :: Code Incompatibility :: "tau" should be defined as a RANGE variable instead of GLOBAL\n'
        "make: *** [x.cpp] Error 1\n"
    )

    def broken(*_):
        raise _nrnivmodl._BrokenError(said)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(_nrnivmodl, "_build", broken)
    with pytest.raises(UnsupportedError) as caught:
        _nrnivmodl.core({"hhx": "text"}, cell.name)
    assert str(caught.value) == (
        'pospischil: CoreNEURON cannot be built (Code Incompatibility :: "tau" should be defined as a RANGE variable '
        "instead of GLOBAL); take --simulator neuron"
    )


def test_without_a_compiler_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DependencyError, match="apt-get install g"):
        _nrnivmodl.core({"hhx": "text"}, "pospischil")


@dataclass(frozen=True)
class Aborting(Task):
    """Simulates; CoreNEURON ends the process of a row with a negative sodium conductance."""

    model: model.Model
    row_bytes: int = 100_000

    def __call__(self, theta, seed, index):
        from hhfit.simulators import coreneuron, neuron

        if (theta[:, 0] < 0).any():
            # What CoreNEURON cannot be given: a vector that is played step by step.
            coreneuron._CoreNeuron.play = neuron._Neuron.play
            coreneuron.corners = neuron.corners = lambda density, dt: (np.zeros(len(density)), density)
        traces = simulators.get("coreneuron", self.model, STEPS)(np.abs(theta), seed, index)
        return Simulations(theta, traces.response[:, 0, ::100], traces.status, index)

    def lost(self, theta, index, status):
        columns = len(range(0, STEPS.n_times, 100))
        return Simulations(theta, np.full((len(theta), columns), np.nan), np.full(len(theta), status), index)


def test_a_row_that_makes_coreneuron_abort_is_marked_and_costs_no_other(get, cell):
    get("coreneuron", cell, STEPS)(cell.reference[None], 0)  # skips this test where it cannot be built
    theta = cell.prior.sample(12, seed=4)
    with Workers(1) as workers:
        (clean,) = workers.map(Aborting(cell), theta, 1, np.arange(12))
    theta[7, 0] *= -1
    with Workers(1) as workers:
        parts = list(workers.map(Aborting(cell), theta, 1, np.arange(12)))
    assert len(parts) == 1
    assert workers.usage.lost == 1
    others = np.delete(np.arange(12), 7)
    assert parts[0].status[7] == Status.CRASHED
    assert np.array_equal(parts[0].x[others], clean.x[others], equal_nan=True)
