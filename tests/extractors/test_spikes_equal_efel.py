"""The compiled features are those of eFEL: same values, undefined in the same rows.

eFEL itself is not a function of the trace alone: it interpolates anew before each feature, so that
rounding decides between equal samples (a clipped plateau) by what was asked before. The simulated
traces therefore saturate softly. What else differs is listed in ``EXCEPTIONS``.
"""

from pathlib import Path

import numpy as np
import pytest

import hhfit
from hhfit.extractors import Feature, efel, spikes
from hhfit.extractors._slots import FUNCTIONS
from hhfit.protocol import Protocol, step

FEATURES = tuple(Feature(name, "spikes", name, "stimulus", "none", unit) for name, (_, _, unit) in FUNCTIONS.items())

EXCEPTIONS = {
    # eFEL reads beyond the end of the trace where the sag never decays to a tenth: any number
    "sag_time_constant": "the potential never comes back",
    # a spike without an end leaves the fall at sample 0: a large negative width
    "AP_duration_half_width": "negative width",
    "AP_duration_half_width_change": "negative width",
    # spikes outside the stimulus put onsets and minima out of step: a negative width
    "AP_begin_width": "negative width",
    "AP1_begin_width": "negative width",
    "AP2_begin_width": "negative width",
    "AP2_AP1_begin_width_diff": "negative width",
}
"""Where eFEL gives a number that means nothing and hhfit says undefined."""


def assert_equal(response, protocol, settings, window="stimulus"):
    """Compare all features; return the share of values of features in ``EXCEPTIONS`` that needed it."""
    features = tuple(Feature(f.name, f.extractor, f.function, window, f.scale, f.unit) for f in FEATURES)
    ours = spikes.Extractor({"spike_prominence": 0.0, "coarsest_step": 1.0, **settings})(response, protocol, features)
    theirs = efel.Extractor(settings)(response, protocol, features)
    excepted = []
    for column, feature in enumerate(features):
        x, y = ours[..., column], theirs[..., column]
        if feature.name.partition(":")[0] in EXCEPTIONS:
            meaningless = np.isnan(x) & ~np.isnan(y)
            excepted.append(meaningless.mean())
            y = np.where(meaningless, np.nan, y)
        # a difference of two features of 100 mV is rounded to 1e-13
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-11, err_msg=f"{feature.name} of {len(response)} rows")
    return np.mean(excepted)


def protocol_of(dt, duration=300.0):
    return step(np.array([-50.0, 100.0]), on=40.0, off=0.8 * duration, duration=duration, dt=dt)


@pytest.mark.parametrize(("dt", "interp_step"), [(0.025, 0.1), (0.05, 0.05), (0.04, 0.025)])
def test_simulated_traces(zoo, dt, interp_step):
    protocol = protocol_of(dt)
    assert assert_equal(zoo(60, protocol, seed=1), protocol, {"interp_step": interp_step}) < 0.01


@pytest.mark.parametrize("window", ["before", "after", "sweep"])
def test_other_windows(zoo, window):
    protocol = protocol_of(0.05)
    assert_equal(zoo(40, protocol, seed=2), protocol, {}, window)


def test_spikes_outside_the_stimulus_and_other_settings(zoo):
    protocol = protocol_of(0.05)
    settings = {"Threshold": -30.0, "DerivativeThreshold": 5.0, "DerivativeWindow": 5, "sahp_start": 2.0}
    settings |= {"ignore_first_ISI": False, "rise_start_perc": 0.1, "rise_end_perc": 0.9, "spike_skipf": 0.3}
    response = zoo(60, protocol, seed=3)
    assert_equal(response, protocol, {"strict_stiminterval": False})
    assert_equal(response, protocol, settings)


def test_stimulus_from_the_first_to_the_last_sample(zoo):
    protocol = step(np.array([80.0]), on=0.0, off=200.0, duration=200.0, dt=0.05)
    assert_equal(zoo(40, protocol, seed=4), protocol, {})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_two_thousand_simulated_sweeps(zoo, seed):
    protocol = protocol_of(0.025, duration=[120.0, 300.0, 300.0, 500.0, 1000.0][seed])
    assert assert_equal(zoo(200, protocol, seed=10 + seed), protocol, {}) < 0.01


QUICK = ["abf/File_axon_5.abf", "nwb/LantyerEtAl2018_180817_ME_9_CC.nwb"]
SLOW = ["abf/171116sh_0016.abf", "abf/171116sh_0018.abf", "abf/180330_ts_0032-okUnits.abf", "abf/18425108.abf"]
SLOW += ["abf/18711001.abf", "abf/2019_07_24_0055_fsi.abf", "nwb/FergusonEtAl2015_PYR2.nwb"]
SLOW += [f"pkl/ephys_cell_{cell}.pkl" for cell in ("509881736_sweep_number_39", "518290966_sweep_number_57")]
SLOW += ["pkl/ephys_cell_569469018_sweep_number_44.pkl"]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
@pytest.mark.parametrize("interp_step", [0.1, 0.05])
def test_real_recordings(recordings, name, interp_step):
    recording = hhfit.read(recordings / name)
    assert_equal(recording.response[None], recording.protocol, {"interp_step": interp_step})


def test_real_recording_sampled_at_4_khz(recordings):
    seconds, current, potential = np.loadtxt(Path(recordings) / "txt" / "current.txt").T
    protocol = Protocol(current[None], 0.25, np.array([700.0]), np.array([2700.0]))
    assert np.allclose(np.diff(seconds), 2.5e-4)
    assert_equal(potential[None, None], protocol, {})


def test_what_efel_says_of_a_clipped_plateau_depends_on_what_was_asked_before(zoo):
    protocol = protocol_of(0.025)
    response = np.minimum(zoo(100, protocol, seed=1), -12.345)
    last = Feature("last", "efel", "peak_time:last", "stimulus", "none", "ms")
    high = Feature("high", "efel", "maximum_voltage", "stimulus", "none", "mV")
    alone = efel.Extractor({})(response, protocol, (last,))[..., 0]
    after = efel.Extractor({})(response, protocol, (high, last))[..., 1]
    ours = spikes.Extractor({"spike_prominence": 0.0})(response, protocol, (last,))[..., 0]
    spiking = np.isfinite(alone)
    assert (alone[spiking] != after[spiking]).any()
    np.testing.assert_allclose(ours, alone, rtol=1e-12)
