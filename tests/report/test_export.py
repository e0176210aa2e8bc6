"""Exported scripts run by themselves and repeat what the report shows."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hhfit import export, expression, simulators
from hhfit.errors import DependencyError, UnsupportedError
from hhfit.model import Pool
from hhfit.protocol import step
from hhfit.recording import Recording
from hhfit.result import Predictive
from hhfit.simulations import Simulations

SWEEPS = np.array([-100.0, 400.0, 600.0])


@pytest.fixture(scope="module")
def simulated(make_fit):
    """A fit whose predictive traces come from NEURON, current noise included."""
    fit = make_fit(sweeps=3, checked=False)
    protocol = step(SWEEPS, on=10.0, off=70.0, duration=80.0, dt=0.05)
    theta = np.tile([[50.0, 5.0, 0.1, 0.07, 600.0, -60.0, 0.1, -70.0]], (3, 1))
    index = 2**40 + np.arange(3)
    traces = simulators.get("neuron", fit.model, protocol)(theta, 0, index)
    predictive = Predictive(
        Simulations(theta, np.zeros((3, len(fit.x_o))), traces.status, index),
        traces.response,
        np.zeros((3, 3)),
        np.zeros(3),
    )
    recording = Recording(traces.response[0], protocol, np.arange(3), {"name": "cell.abf"})
    return replace(fit, recording=recording, predictive=predictive)


@pytest.fixture(scope="module")
def folder(simulated, tmp_path_factory):
    return export.write(simulated, tmp_path_factory.mktemp("export"), n=5)


def run(folder, *commands):
    for command in commands:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    return np.load(folder / "voltage.npz")["voltage"], done.stdout


def spike_times(voltage, dt=0.05):
    return [np.flatnonzero((row[:-1] < -20) & (row[1:] >= -20)) * dt for row in voltage]


def test_neuron_script_repeats_the_trace_of_the_report(folder, simulated):
    voltage, printed = run(folder / "neuron", [sys.executable, "run.py"])
    shown = simulated.predictive.response[simulated.most_probable]
    assert np.abs(voltage - shown).max() < 1e-6
    counts = [len(times) for times in spike_times(shown)]
    assert counts[2] > 3
    assert f"sweep 2: {counts[2]} upward" in printed


def test_brian2_script_gives_the_same_spikes(folder, simulated):
    voltage, _ = run(folder / "brian2", [sys.executable, "run.py"])
    shown = spike_times(simulated.predictive.response[simulated.most_probable])
    found = spike_times(voltage)
    assert [len(times) for times in found] == [len(times) for times in shown]
    assert all(np.abs(a - b).max(initial=0) < 0.5 for a, b in zip(found, shown, strict=True))  # ms; other integrator


def test_scripts_do_not_need_hhfit(folder):
    for name in ("neuron", "brian2"):
        assert "import hhfit" not in (folder / name / "run.py").read_text()


def test_representatives_begin_with_the_most_probable_and_lie_apart(fit):
    sets = export.representatives(fit, 6)
    assert np.array_equal(sets[0], fit.predictive.simulations.theta[fit.most_probable])
    u = fit.posterior.prior.to_cube(sets)
    apart = [np.linalg.norm(a - b) for k, a in enumerate(u) for b in u[:k]]
    random = fit.posterior.prior.to_cube(fit.samples[:6])
    by_chance = [np.linalg.norm(a - b) for k, a in enumerate(random) for b in random[:k]]
    assert min(apart) > min(by_chance)


def test_parameter_sets_survive_the_table(folder, simulated):
    table = np.genfromtxt(folder / "parameter_sets.csv", delimiter=",", names=True)
    assert table.dtype.names == simulated.posterior.names
    assert np.array_equal(table[0].tolist(), export.representatives(simulated, 5)[0])


def test_arviz_groups_have_one_chain(fit):
    groups = export.arviz_groups(fit)
    assert groups["posterior"]["g_na"].shape == (1, len(fit.samples))
    assert groups["observed_data"]["0:rest"] == fit.x_o[0]
    assert groups["posterior_predictive"]["0:rest"].shape == (1, len(fit.predictive.response))


def test_scripts_simulate_a_chosen_parameter_set(folder, simulated):
    voltage, _ = run(folder / "brian2", [sys.executable, "run.py", "0"])
    most_probable = spike_times(simulated.predictive.response[simulated.most_probable])
    assert [len(times) for times in spike_times(voltage)] == [len(times) for times in most_probable]
    other, _ = run(folder / "brian2", [sys.executable, "run.py", "4"])
    assert np.abs(other - voltage).max() > 1.0


def test_arviz_file_holds_every_draw_when_arviz_is_there(fit, tmp_path):
    arviz = pytest.importorskip("arviz", reason='pip install "hhfit[arviz]"')
    path = export.write_arviz(fit, tmp_path, 10)
    data = arviz.from_netcdf(str(path))
    assert np.array_equal(data.posterior["g_na"].to_numpy()[0], fit.samples[:, 0])
    assert set(data.groups()) >= {"posterior", "posterior_predictive", "observed_data"}


def test_without_arviz_the_command_to_install_it_is_said(fit, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "arviz", None)
    with pytest.raises(DependencyError, match=r"pip install"):
        export.write_arviz(fit, tmp_path, 10)


def test_brian2_script_of_a_calcium_pool_is_refused(fit, tmp_path):
    pool = Pool(("na",), *(expression.parse(text, "calcium") for text in ("1", "5", "1e-4")))
    pooled = replace(fit, model=replace(fit.model, calcium=pool))
    with pytest.raises(UnsupportedError, match="--to neuron"):
        export.write_brian2(pooled, tmp_path, 3)
