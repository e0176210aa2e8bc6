"""Sweeps chosen, potentials corrected, area set: and all of it said."""

import numpy as np
import pytest

from hhfit import model as models
from hhfit.errors import InputError
from hhfit.preparation import Corrections, prepare
from hhfit.protocol import Protocol, step
from hhfit.recording import Recording

NEURON = models.load("pospischil")


def cell(amplitudes, dt=0.1, spikes=False) -> Recording:
    """An RC circuit of 100 MOhm and 20 ms at -70 mV: synthetic."""
    protocol = step(np.array(amplitudes, float), on=100.0, off=400.0, duration=900.0, dt=dt)
    rise = 1 - np.exp(-np.clip(protocol.time - 100, 0, 300) / 20)
    fall = np.exp(-np.clip(protocol.time - 400, 0, None) / 20)
    response = -70 + 0.1 * protocol.amplitude[:, None] * rise * fall
    if spikes:
        response[:] = -70.0
        response[:, ::50] = 40.0
    return Recording(response, protocol, np.arange(len(amplitudes)) + 1, {"name": "rc.abf"})


def test_area_comes_from_the_passive_response():
    prepared = prepare(cell([-50.0, 50.0]), NEURON, Corrections())
    # area = tau / (R C) = 20 ms / 100 MOhm / 1 uF/cm2 = 20,000 um2
    assert prepared.model.quantities["area"].value == pytest.approx(20_000.0, rel=0.05)
    assert "estimated from the passive response" in prepared.assumptions[0]


def test_area_is_fitted_where_nothing_is_passive():
    prepared = prepare(cell([500.0], spikes=True), NEURON, Corrections())
    assert "area" in prepared.model.free
    assert "fitted as a parameter" in prepared.assumptions[0]


def test_given_area_is_used():
    prepared = prepare(cell([-50.0]), NEURON, Corrections(area=1234.0))
    assert prepared.model.quantities["area"].value == 1234.0


def test_simulations_start_where_the_recording_does():
    prepared = prepare(cell([-50.0]), NEURON, Corrections(ljp=-14.0))
    assert prepared.model.quantities["v_init"].value == pytest.approx(-84.0)


def test_sweeps_are_spread_over_the_amplitudes():
    prepared = prepare(cell(range(-100, 300, 25)), NEURON, Corrections())
    assert len(prepared.recording.sweeps) == 6
    assert prepared.recording.protocol.amplitude[[0, -1]] == pytest.approx([-100, 275])


def test_long_tail_is_cut():
    assert prepare(cell([-50.0]), NEURON, Corrections()).recording.protocol.duration == pytest.approx(500.0)


def test_fine_sampling_is_decimated_alike_for_potential_and_command():
    prepared = prepare(cell([-50.0], dt=0.01), NEURON, Corrections())
    protocol = prepared.recording.protocol
    assert protocol.dt == pytest.approx(0.04)
    assert prepared.recording.response.shape == protocol.command.shape
    assert protocol.amplitude == pytest.approx([-50.0])


def test_voltage_clamp_is_refused():
    current = cell([-50.0])
    old = current.protocol
    clamped = Recording(current.response, Protocol(old.command, old.dt, old.on, old.off, "voltage"), current.sweeps)
    with pytest.raises(InputError, match="voltage-clamp"):
        prepare(clamped, NEURON, Corrections())


@pytest.mark.parametrize("area", [0.0, -5.0])
def test_area_that_is_not_positive_is_refused(area):
    with pytest.raises(InputError, match="must be positive"):
        prepare(cell([-50.0]), NEURON, Corrections(area=area))


def test_every_assumption_is_said():
    text = " ".join(prepare(cell([-50.0]), NEURON, Corrections()).assumptions)
    for word in ("area", "junction potential is unknown", "temperature", "start at -70.0 mV", "0-500 ms"):
        assert word in text


def test_temperature_scales_a_model_that_depends_on_it():
    prepared = prepare(cell([-50.0]), models.load("hh52"), Corrections(temperature=16.3, area=1000.0))
    assert prepared.model.quantities["temperature"].value == 16.3
    assert "scaled to the recording's temperature, 16.3 degC" in " ".join(prepared.assumptions)


def test_sweeps_between_the_fitted_are_kept_back_and_corrected_alike():
    recording = cell(range(-100, 300, 25), dt=0.01)
    prepared = prepare(recording, NEURON, Corrections(ljp=-14.0))
    kept = prepared.validation
    assert len(kept.sweeps) == 3
    assert not set(kept.sweeps) & set(prepared.recording.sweeps)
    assert kept.protocol.dt == prepared.recording.protocol.dt == pytest.approx(0.04)
    assert kept.protocol.n_times == prepared.recording.protocol.n_times
    np.testing.assert_allclose(kept.response[:, 0], -84.0)
    assert f"Sweeps {', '.join(map(str, kept.sweeps))} were kept back" in prepared.assumptions[-1]


def test_named_sweeps_keep_none_back_unless_asked():
    recording = cell([-50.0, 0.0, 50.0])
    assert prepare(recording, NEURON, Corrections(sweeps=(1, 3))).validation is None
    prepared = prepare(recording, NEURON, Corrections(sweeps=(1, 3), validation=(2,)))
    assert prepared.validation.sweeps.tolist() == [2]
    assert prepared.validation.protocol.amplitude == pytest.approx([0.0])


def test_automatic_choice_leaves_out_what_is_kept_back_by_name():
    prepared = prepare(cell([-50.0, 0.0, 50.0]), NEURON, Corrections(validation=(2,)))
    assert prepared.recording.sweeps.tolist() == [1, 3]
    assert prepared.validation.sweeps.tolist() == [2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sweeps": (1, 2), "validation": (2,)}, "cannot be fitted and kept back"),
        ({"validation": (1, 2)}, "leave one to be fitted"),
        ({"validation": (9,)}, "no sweep 9"),
    ],
)
def test_impossible_validation_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        prepare(cell([-50.0, 50.0]), NEURON, Corrections(**changes))


def test_bridge_takes_the_drop_over_the_electrode_off():
    plain = cell([-50.0])
    jumping = Recording(
        plain.response + 0.03 * plain.protocol.command, plain.protocol, plain.sweeps, dict(plain.provenance)
    )
    prepared = prepare(jumping, NEURON, Corrections(bridge=30.0))
    np.testing.assert_allclose(prepared.recording.response, prepare(plain, NEURON, Corrections()).recording.response)
    assert "30 MOhm of electrode resistance was taken off" in " ".join(prepared.assumptions)
    assert "Whether the bridge was balanced is unknown" in " ".join(prepare(plain, NEURON, Corrections()).assumptions)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bridge": -1.0}, "--bridge is -1 MOhm, must be from 0 to 500 MOhm"),
        ({"ljp": float("inf")}, "--ljp is inf mV"),
        ({"temperature": 300.0}, "--temperature is 300 degC"),
        ({"area": float("inf")}, "--area is inf um2"),
    ],
)
def test_correction_that_cannot_be_is_refused(changes, words):
    with pytest.raises(InputError, match=words):
        Corrections(**changes)


def test_leak_reaches_no_further_than_the_input_conductance_allows():
    prepared = prepare(cell([-50.0, 50.0]), NEURON, Corrections())
    prior = prepared.model.quantities["g_leak"].prior
    # 100 MOhm over 20,000 um2 are 0.05 mS/cm2; three times that
    assert prior.b == pytest.approx(0.15, rel=0.05)
    assert prior.a == NEURON.quantities["g_leak"].prior.a
    assert "The prior of g_leak ends at 0.15 instead of 0.6 mS/cm2" in " ".join(prepared.assumptions)


@pytest.mark.parametrize("corrections", [Corrections(fit_area=True), Corrections(area=1000.0)])
def test_leak_keeps_its_prior_where_the_area_is_free_or_the_prior_ends_before(corrections):
    prepared = prepare(cell([-50.0]), NEURON, corrections)
    assert prepared.model.quantities["g_leak"].prior == NEURON.quantities["g_leak"].prior


def test_fitted_area_has_its_prior_around_the_passive_estimate():
    prior = prepare(cell([-50.0]), NEURON, Corrections(fit_area=True)).model.quantities["area"].prior
    assert (prior.kind, prior.b) == ("log-normal", 0.3)
    assert prior.a == pytest.approx(20_000.0, rel=0.05)


def test_doubtful_stimulus_is_said():
    recording = cell([-50.0, -25.0, 25.0, 50.0])
    turned = Recording(-140.0 - recording.response, recording.protocol, recording.sweeps, dict(recording.provenance))
    text = " ".join(prepare(turned, NEURON, Corrections(area=1000.0)).assumptions)
    assert "The stimulus is doubtful: the potential does not follow the current" in text
    assert "doubtful" not in " ".join(prepare(recording, NEURON, Corrections()).assumptions)
