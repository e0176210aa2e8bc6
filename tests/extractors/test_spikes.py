"""The spike rule on real recordings and on traces made to mislead it."""

import json

import numpy as np
import pyabf
import pytest

from hhfit.errors import InputError
from hhfit.extractors import Feature
from hhfit.extractors._compiled import digest
from hhfit.extractors.spikes import Extractor, spike_counts, spike_times
from hhfit.protocol import Protocol, step

FEATURES = tuple(Feature(f, "spikes", f, "stimulus", "none", unit) for f, unit in Extractor.functions().items())

# Recordings whose reference counts were taken by prominence; File_axon_3 has a stimulation
# artefact of 20 mV in every sweep, and no current step.
FILES = ["171116sh_0018", "18711001", "File_axon_5", "2019_07_24_0055_fsi", "171116sh_0016", "18425108", "PYR2"]
FILES += ["180330_ts_0032-okUnits"]


@pytest.mark.parametrize("name", FILES)
def test_counts_the_spikes_of_real_recordings(recordings, name):
    expected = json.loads((recordings / "expected.json").read_text())[f"abf/{name}.abf"]
    file = pyabf.ABF(str(recordings / "abf" / f"{name}.abf"))
    counts = []
    for sweep in file.sweepList:
        file.setSweep(sweep, channel=expected["v_channel"])
        counts.append(len(spike_times(file.sweepY, 1e3 / file.dataRate, {})))
    assert counts == expected["spikes_prominence20"]


PROTOCOL = step(np.array([100.0]), on=50.0, off=550.0, duration=700.0, dt=0.05)


def charging(rest, plateau, tau):
    """Passive response of a membrane to the step."""
    time = PROTOCOL.time
    up = np.where(time < 50, 0.0, 1 - np.exp(-(time - 50).clip(0) / tau))
    return rest + (plateau - rest) * up * np.exp(-(time - 550).clip(0) / tau)


@pytest.mark.parametrize("tau", [2.0, 10.0, 30.0])
@pytest.mark.parametrize("plateau", [-40.0, -10.0, 20.0])
def test_a_large_passive_response_has_no_spike(plateau, tau):
    assert len(spike_times(charging(-80.0, plateau, tau), PROTOCOL.dt, {})) == 0


@pytest.mark.parametrize("offset", [-30.0, 0.0, 40.0])
def test_count_does_not_depend_on_an_offset(offset):
    trace = charging(-80.0, -60.0, 10.0)
    for at in (80.0, 100.0, 300.0, 540.0):
        trace += 70.0 * np.exp(-(((PROTOCOL.time - at) / 0.6) ** 2))
    assert len(spike_times(trace + offset, PROTOCOL.dt, {})) == 4


def test_settings_move_the_rule():
    trace = -70 + 30.0 * np.exp(-(((PROTOCOL.time - 300) / 4.0) ** 2))
    assert len(spike_times(trace, PROTOCOL.dt, {})) == 1
    assert len(spike_times(trace, PROTOCOL.dt, {"spike_prominence": 31.0})) == 0
    assert len(spike_times(trace, PROTOCOL.dt, {"spike_reach": 3.0})) == 0


def test_counts_are_those_during_the_stimulus_and_nan_for_a_broken_trace():
    good = np.full(PROTOCOL.n_times, -70.0)
    for at in (20.0, 100.0, 300.0, 600.0):
        good += 90.0 * np.exp(-(((PROTOCOL.time - at) / 0.5) ** 2))
    broken = good.copy()
    broken[9000:] = np.nan
    counts = spike_counts(np.stack([good, broken])[:, None], PROTOCOL, {"interp_step": 0.1})
    np.testing.assert_array_equal(counts, [[2.0], [np.nan]])


def test_noise_on_a_plateau_makes_no_spikes():
    noise = np.random.default_rng(0).normal(0.0, 1.5, PROTOCOL.n_times)
    assert len(spike_times(charging(-80.0, -15.0, 5.0) + noise, PROTOCOL.dt, {})) == 0


@pytest.mark.parametrize("samples", [1, 2, 3, 7, 20, 40])
def test_a_trace_of_a_few_samples_is_undefined_or_computed_but_no_error(samples):
    protocol = Protocol(np.ones((1, samples)), 0.1, np.zeros(1), np.array([samples * 0.1]))
    response = np.random.default_rng(samples).normal(-60.0, 30.0, (50, 1, samples))
    values = Extractor({})(response, protocol, FEATURES)
    assert np.isnan(values).all() or samples >= 19
    assert len(spike_times(response[0, 0], 0.1, {})) <= samples


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("interp_step", 0.0, "interp_step is 0.0, must be positive"),
        ("Threshold", np.nan, "Threshold is nan, must be finite"),
        ("spike_skipf", 1.0, "spike_skipf is 1.0, must be at least 0 and less than 1"),
        ("DerivativeWindow", 2.5, "DerivativeWindow is 2.5, must be of type int"),
    ],
)
def test_setting_that_cannot_be_is_refused(setting, value, message):
    with pytest.raises(InputError, match=message):
        Extractor({setting: value})


def test_shape_is_undefined_where_the_sampling_is_too_coarse_to_show_it():
    response = np.full((1, 1, PROTOCOL.n_times), -70.0)
    for at in (100.0, 200.0):
        response += 90.0 * np.exp(-(((PROTOCOL.time - at) / 0.5) ** 2))
    coarse = Protocol(PROTOCOL.command[:, ::5], 0.25, PROTOCOL.on, PROTOCOL.off)
    names = ("spike_count", "spike_half_width", "AP_amplitude")
    features = tuple(Feature(name, "spikes", name, "stimulus", "none", "1") for name in names)
    assert np.isfinite(Extractor({})(response, PROTOCOL, features)).all()
    values = Extractor({})(response[..., ::5], coarse, features)[0, 0]
    np.testing.assert_array_equal(np.isnan(values), [False, True, True])


def test_compiled_kernels_are_those_of_the_files(tmp_path):
    (tmp_path / "_events.py").write_text("x = 1\n")
    before = digest(tmp_path)
    (tmp_path / "_events.py").write_text("x = 2\n")
    assert digest(tmp_path) != before
    assert digest(tmp_path) % 2 == 1  # never 0, which would find no spike
