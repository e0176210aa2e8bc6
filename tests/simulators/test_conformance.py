"""Every rule that holds for every simulator."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from hhfit import model, plugins, protocol
from hhfit.errors import InputError, UnsupportedError
from hhfit.prior import Marginal
from hhfit.protocol import Protocol
from hhfit.traces import Status

TRUTH = np.array([50.0, 5.0, 0.1, 0.07, 600.0, -60.0, 0.1, -70.0])
STEPS = protocol.step(np.array([500.0, 0.0]), on=10.0, off=50.0, duration=60.0, dt=0.05)


@pytest.fixture(params=plugins.names("simulators"))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def neuron():
    return model.load("pospischil")


@pytest.fixture(scope="module")
def theta(neuron):
    return np.vstack([TRUTH, neuron.prior.sample(49, seed=3)])


def passive(g_leak=0.1, e_leak=-70.0, v_init=-80.0, noise=0.0):
    """A leak: the other channels conduct next to nothing, and are there so that all tests take one build."""
    cell = model.load("pospischil").with_priors(dict.fromkeys(model.load("pospischil").free))
    values = {"g_leak": g_leak, "e_leak": e_leak, "v_init": v_init, "noise": noise}
    priors = {"capacitance": Marginal("uniform", 0.5, 4.0), "area": Marginal("uniform", 1000.0, 20000.0)}
    return cell.with_values(values | dict.fromkeys(("g_na", "g_kd", "g_m"), 1e-30)).with_priors(priors)


def spikes(trace):
    return int((np.diff((trace > 0.0).astype(int)) > 0).sum())


def first_spike(trace):
    """First upward crossing of -20 mV [samples], interpolated."""
    n = int(np.argmax(trace > -20.0))
    return n - 1 + (-20.0 - trace[n - 1]) / (trace[n] - trace[n - 1])


def test_importing_a_simulator_does_not_import_its_backend(name):
    code = f"import sys, hhfit.simulators.{name}; print(*{{m.split('.')[0] for m in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"neuron", "brian2", "numba", "llvmlite"} & set(loaded)


def test_response_has_the_shape_of_the_protocol(get, name, neuron, theta):
    traces = get(name, neuron, STEPS)(theta[:3], seed=1)
    assert traces.response.shape == (3, 2, STEPS.n_times)
    assert traces.response.dtype == float
    assert not traces.failed.any()


def test_first_sample_is_the_initial_potential(get, name, neuron, theta):
    traces = get(name, neuron.with_values({"v_init": -65.5}), STEPS)(theta[:3], seed=1)
    assert (traces.response[:, :, 0] == -65.5).all()


def test_known_parameters_give_about_five_spikes(get, name, neuron):
    long = protocol.step(np.array([500.0]), on=10.0, off=110.0, duration=120.0, dt=0.05)
    traces = get(name, neuron, long, step=0.01)(TRUTH[None], seed=1)
    assert 4 <= spikes(traces.response[0, 0]) <= 6


def test_passive_cell_follows_the_closed_form(get, name):
    cell = passive()
    area, capacitance = 5000.0, 1.5
    traces = get(name, cell, STEPS, step=0.0125)(np.array([[capacitance, area]]), seed=0)
    tau, time = capacitance / 0.1, STEPS.time
    steady = STEPS.command[0, 300] * 100.0 / area / 0.1
    free = -70.0 - 10.0 * np.exp(-time / tau)
    rise = np.where(time > 10.0, 1.0 - np.exp(-np.clip(time - 10.0, 0, 40.0) / tau), 0.0)
    rise = np.where(time > 50.0, rise * np.exp(-(time - 50.0) / tau), rise)
    assert np.abs(traces.response[0, 1] - free).max() < 1e-4
    assert np.abs(traces.response[0, 0] - free - steady * rise).max() < 1e-3


def test_white_noise_gives_the_variance_of_the_closed_form(get, name):
    sigma, capacitance, g = 0.5, 1.0, 0.1
    still = Protocol(np.zeros((1, 8000)), 0.1, np.zeros(1), np.full(1, 800.0))
    cell = passive(v_init=-70.0, noise=sigma)
    theta = np.repeat([[capacitance, 10000.0]], 50, axis=0)
    response = get(name, cell, still, step=0.05)(theta, seed=4).response[:, 0, 1000:]
    # Ornstein-Uhlenbeck: sigma^2 / (2 g C); 50 rows x 35 time constants give it to 3.4 % (one sd).
    assert response.var() == pytest.approx(sigma**2 / (2 * g * capacitance), rel=0.17)
    assert response.mean() == pytest.approx(-70.0, abs=0.2)


def test_same_seed_gives_the_same_rows_and_another_does_not(get, name, neuron, theta):
    run = get(name, neuron, STEPS)
    one, again, other = (run(theta[:2], seed=seed).response for seed in (5, 5, 6))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_sweeps_and_rows_have_their_own_noise(get, name):
    still = Protocol(np.zeros((2, 400)), 0.1, np.zeros(2), np.full(2, 40.0))
    response = get(name, passive(noise=0.5), still)(np.repeat([[1.0, 1e4]], 2, axis=0), seed=4).response
    flat = response.reshape(4, -1)
    assert len(np.unique(flat[:, 5])) == 4


@pytest.mark.parametrize("size", [1, 7])
def test_batch_size_does_not_change_a_bit(get, name, neuron, theta, size):
    run = get(name, neuron, STEPS)
    whole = run(theta, seed=2).response
    rows = np.arange(14, 14 + 2 * size)
    parts = [run(theta[part], seed=2, index=part).response for part in (rows[:size], rows[size:])]
    assert np.array_equal(np.concatenate(parts), whole[rows])


@pytest.mark.parametrize("bad", [[1e308, 1e308, 1e308], [1e9, 1e9, 1e9], [np.nan, 1.0, 1.0]], ids=["inf", "1e9", "nan"])
def test_a_bad_row_leaves_the_others_bit_identical(get, name, neuron, theta, bad):
    run = get(name, neuron, STEPS)
    spoilt = theta[:5].copy()
    spoilt[2, :3] = bad
    good, mixed = run(theta[:5], seed=2), run(spoilt, seed=2)
    others = [0, 1, 3, 4]
    assert np.array_equal(mixed.response[others], good.response[others])
    assert not mixed.failed[others].any()
    assert not np.array_equal(mixed.response[2], good.response[2])
    if not np.isfinite(bad).all():
        assert mixed.status[2] == Status.NOT_FINITE


def test_an_impossible_row_is_nan_and_says_so(get, name, neuron, theta):
    spoilt = theta[:2].copy()
    spoilt[1, 0] = -1.0
    traces = get(name, neuron, STEPS)(spoilt, seed=2)
    assert np.isnan(traces.response[1]).all()
    assert list(traces.status) == [Status.OK, Status.NOT_FINITE]


def test_no_rows_give_no_rows(get, name, neuron):
    traces = get(name, neuron, STEPS)(np.empty((0, 8)), seed=0)
    assert traces.response.shape == (0, 2, STEPS.n_times)


def test_two_models_run_side_by_side(get, name, neuron, theta):
    other = neuron.with_values({"e_na": 40.0})
    first = get(name, neuron, STEPS)(theta[:1], seed=1).response
    second = get(name, other, STEPS)(theta[:1], seed=1).response
    assert second[0, 0].max() < first[0, 0].max() - 3.0
    assert np.array_equal(get(name, neuron, STEPS)(theta[:1], seed=1).response, first)


def test_smaller_steps_converge(get, name, neuron):
    quiet = neuron.with_values({"noise": 0.0}).with_priors({"noise": None})
    rows = np.delete(TRUTH, 6)[None]
    coarse, fine, finest = (
        first_spike(get(name, quiet, STEPS, step=step)(rows, seed=0).response[0, 0]) for step in (0.05, 0.025, 0.003125)
    )
    assert abs(fine - finest) < 0.5 * abs(coarse - finest)


def test_voltage_clamp_is_refused(get, name, neuron):
    with pytest.raises(UnsupportedError, match="current-clamp"):
        get(name, neuron, replace(STEPS, clamp="voltage"))


def test_a_step_that_is_not_positive_is_refused(get, name, neuron):
    with pytest.raises(InputError, match="step is 0 ms"):
        get(name, neuron, STEPS, step=0)


def test_theta_of_the_wrong_shape_is_refused(get, name, neuron):
    with pytest.raises(InputError, match="theta has shape"):
        get(name, neuron, STEPS)(np.ones((2, 3)), seed=0)
