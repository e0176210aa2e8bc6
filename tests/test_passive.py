"""Passive properties, on closed forms and on real cells."""

import numpy as np
import pytest

from hhfit import passive, readers
from hhfit.protocol import Protocol
from hhfit.recording import Recording

REST, RESISTANCE, TAU = -70.0, 150.0, 20.0


def charging(amplitudes, *, resistance=RESISTANCE, tau=TAU, sag=0.0, noise=0.0, series=0.0, dt=0.1, holding=0.0):
    """Response of an RC membrane to steps from 100 to 600 ms."""
    time = np.arange(8000) * dt
    on, off = time - 100.0, time - 600.0
    step = (on >= -dt / 2) & (off < -dt / 2)
    shape = np.where(on > 0, 1 - np.exp(-on / tau), 0.0) - np.where(off > 0, 1 - np.exp(-off / tau), 0.0)
    slow = sag * (np.where(on > 0, 1 - np.exp(-on / 120.0), 0.0) - np.where(off > 0, 1 - np.exp(-off / 120.0), 0.0))
    amplitudes = np.asarray(amplitudes, float)[:, None]
    response = REST + amplitudes * resistance / 1000.0 * (shape - slow) + amplitudes * series / 1000.0 * step
    response += np.random.default_rng(1).normal(0.0, noise, response.shape)
    command = holding + amplitudes * step
    return Recording(
        response, Protocol(command, dt, [100.0] * len(amplitudes), [600.0] * len(amplitudes)), range(len(amplitudes))
    )


@pytest.mark.parametrize("amplitudes", [[-50.0], [-75.0, -50.0, -25.0, 0.0], [20.0, 40.0]])
@pytest.mark.parametrize("holding", [0.0, -80.0])
def test_membrane_of_one_resistance_and_capacitance_is_found(amplitudes, holding):
    found = passive.properties(charging(amplitudes, holding=holding))
    assert found.rest == pytest.approx(REST)
    assert found.resistance == pytest.approx(RESISTANCE, rel=1e-3)
    assert found.tau == pytest.approx(TAU, rel=1e-3)
    assert found.capacitance == pytest.approx(1000 * TAU / RESISTANCE, rel=1e-3)
    assert found.area(1.0) == pytest.approx(TAU / RESISTANCE * 1e5, rel=1e-3)
    assert found.area(2.0) == pytest.approx(found.area(1.0) / 2)
    assert found.reason == ""


def test_noise_stays_within_the_stated_uncertainty():
    found = passive.properties(charging(np.arange(-60.0, -9.0, 10.0), noise=0.3))
    assert abs(found.resistance - RESISTANCE) < 3 * found.resistance_sd
    assert abs(found.tau - TAU) < 3 * found.tau_sd
    assert abs(found.capacitance - 1000 * TAU / RESISTANCE) < 3 * found.capacitance_sd
    assert found.tau_sd < 0.1 * TAU


def test_resistance_of_the_electrode_is_set_apart():
    found = passive.properties(charging([-50.0, -25.0], series=20.0))
    assert found.resistance == pytest.approx(RESISTANCE, rel=0.01)
    assert found.tau == pytest.approx(TAU, rel=0.01)


def test_sag_is_measured():
    recording = charging([-90.0, -70.0, -60.0], sag=0.3)
    found = passive.properties(recording)
    trace = recording.response[0] - REST
    wanted = 1 - np.median(trace[5000:6000]) / trace.min()
    assert found.sag == pytest.approx(wanted, abs=0.02)
    assert np.isnan(passive.properties(charging([30.0])).sag)


def test_hyperpolarising_steps_are_preferred():
    below, above = charging([-50.0]), charging([50.0], resistance=300.0)
    both = Recording(
        np.concatenate([below.response, above.response]),
        Protocol(np.concatenate([below.protocol.command, above.protocol.command]), 0.1, [100.0] * 2, [600.0] * 2),
        [4, 9],
    )
    found = passive.properties(both)
    assert found.sweeps == (4,)
    assert found.method == "hyperpolarising steps"
    assert found.resistance == pytest.approx(RESISTANCE, rel=1e-3)


@pytest.mark.parametrize("amplitudes", [[-1000.0], [0.0], [-2.0]])
def test_steps_that_say_nothing_give_a_reason(amplitudes):
    recording = charging([-50.0])
    command = np.zeros_like(recording.protocol.command)
    command[0, 1000:6000] = amplitudes[0]
    command[0, 7990:] = 1.0
    response = REST + (recording.response - REST) * amplitudes[0] / -50.0
    found = passive.properties(Recording(response, Protocol(command, 0.1, [100.0], [600.0]), [0]))
    assert np.isnan([found.resistance, found.tau, found.capacitance, found.area(1.0)]).all()
    assert found.reason
    assert found.sweeps == ()


PAPER = {
    "509881736_sweep_number_39": (15.3, 184.0),
    "518290966_sweep_number_57": (23.4, 126.0),
    "569469018_sweep_number_44": (33.0, 403.0),
}
"""Time constant [ms] and input resistance [MOhm] given in Goncalves et al. 2020 for the Allen cells."""


@pytest.mark.parametrize("cell", sorted(PAPER))
def test_onset_of_a_spiking_step_gives_the_capacitance_of_the_paper(recordings, cell):
    tau, resistance = PAPER[cell]
    found = passive.properties(readers.read(recordings / f"pkl/ephys_cell_{cell}.pkl"))
    assert found.method == "onset before the first spike"
    assert found.capacitance == pytest.approx(1000 * tau / resistance, rel=0.15)
    assert abs(found.resistance - resistance) < 2 * found.resistance_sd
    assert abs(found.tau - tau) < 2 * found.tau_sd


RANGES = {
    "abf/171116sh_0018.abf": (110.0, 160.0),
    "abf/18425108.abf": (80.0, 100.0),
    "abf/PYR2.abf": (110.0, 160.0),
    "nwb/LantyerEtAl2018_180817_ME_9_CC.nwb": (90.0, 160.0),
}


@pytest.mark.parametrize("name", sorted(RANGES))
def test_resistance_is_that_of_the_steady_deflection(recordings, name):
    recording = readers.read(recordings / name)
    found = passive.properties(recording)
    low, high = RANGES[name]
    assert low < found.resistance < high
    assert 3.0 < found.tau < 60.0
    assert 0 < found.tau_sd < 0.2 * found.tau
    assert 0 < found.resistance_sd < 0.2 * found.resistance
