"""Feature sets: windows, embeddings, and what is wrong with a TOML in one sentence."""

import numpy as np
import pytest

from hhfit.errors import InputError
from hhfit.extractors import load
from hhfit.extractors._set import EMBEDDING, parse
from hhfit.protocol import step

PROTOCOL = step(np.array([0.0, 50.0]), on=40.0, off=180.0, duration=240.0, dt=0.1)
MEAN = '[[features]]\nname = "{name}"\nextractor = "waveform"\nfunction = "mean"\n'


def ramp():
    """The time itself, in both sweeps."""
    return np.tile(PROTOCOL.time, (3, 2, 1))


@pytest.mark.parametrize(
    ("window", "middle"),
    [
        ("before", 20),
        ("stimulus", 110),
        ("after", 210),
        ("sweep", 120),
        ("0..10", 45),
        ("-20..0", 30),
        ("150..200", 215),
    ],
)
def test_windows_are_parts_of_the_sweep(window, middle):
    features = parse(MEAN.format(name="m") + f'window = "{window}"', "mine")
    np.testing.assert_allclose(features(ramp(), PROTOCOL), middle - 0.05, atol=1e-9)


@pytest.mark.parametrize("window", ["-41..0", "0..201"])
def test_window_that_leaves_the_sweep_is_refused(window):
    features = parse(MEAN.format(name="m") + f'window = "{window}"', "mine")
    with pytest.raises(InputError, match=r"leaves the sweep, which lasts from -40 to 200 ms"):
        features(ramp(), PROTOCOL)


BAD = {
    "a word": (MEAN.format(name="m") + 'window = "during"', r"features\[0\]: window 'during' must be one of before"),
    "backwards": (MEAN.format(name="m") + 'window = "9..3"', r"window '9..3' must be one of .* two rising times"),
    "scale": (MEAN.format(name="m") + 'scale = "cubic"', r"scale 'cubic' must be one of none, log"),
    "nothing": ('title = "x"', r"mine.toml: a feature set needs at least one \[\[features\]\] table"),
    "twice": (MEAN.format(name="m") * 2, r"2 features are called 'm'; give each its own name"),
    "extractor": (
        '[[features]]\nname = "m"\nextractor = "spike"',
        r"unknown extractor 'spike'; available: efel, spikes",
    ),
    "key": (MEAN.format(name="m") + 'units = "mV"', r"needs name and extractor, may have function, window and scale"),
    "setting": (
        MEAN.format(name="m") + "[settings]\npeak_treshold = 1.0",
        r"no setting 'peak_treshold'; nearest are peak_",
    ),
    "network": ("[embedding]\nlayers = 3", r"embedding has no 'layers'; it may have kind, units, step"),
    "units": ("[embedding]\nunits = -3", r"embedding.units is -3, must be a positive number"),
    "stride": ("[embedding]\nstride = 1.5", r"embedding.stride is 1.5, must be a whole number"),
    "kind": ('[embedding]\nkind = "lstm"', r"embedding.kind is 'lstm', must be 'gru'"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_set_is_refused_in_one_sentence(case):
    text, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        parse(text, "mine")
    assert "\n" not in str(caught.value)


def test_embedding_alone_sees_samples_of_every_sweep():
    features = load("lueckmann2017_recurrent")
    x = features(ramp(), PROTOCOL)
    assert x.shape == (3, 2 * 1200)
    np.testing.assert_array_equal(x[0, :1200], PROTOCOL.time[::2])
    assert features.names(PROTOCOL)[1201] == "1:v@0.2"
    assert features.embedding == {"kind": "gru", "units": 25, "step": 0.2, "stride": 1}


def test_embedding_beside_features_keeps_sweeps_together():
    features = parse(MEAN.format(name="m") + "[embedding]\nstep = 40", "mine")
    x = features(ramp(), PROTOCOL)
    np.testing.assert_allclose(x[0], [109.95, 0, 40, 80, 120, 160, 200] * 2)
    assert features.scales(PROTOCOL) == ["none"] * 14
    assert len(features.names(PROTOCOL)) == 14


def test_embedding_finer_than_the_samples_is_refused():
    features = parse("[embedding]\nstep = 0.01", "mine")
    with pytest.raises(InputError, match=r"embedding.step is 0.01 ms, must be at least dt = 0.1 ms"):
        features(ramp(), PROTOCOL)


def test_embedding_of_too_many_samples_is_refused():
    features = parse("[embedding]\nstep = 0.1", "mine")
    many = step(np.zeros(10), on=10.0, off=200.0, duration=240.0, dt=0.1)
    with pytest.raises(InputError, match=r"step = 0.1 ms gives 24000 samples per simulation, at most 20000"):
        features.sampled(many)


def test_samples_are_told_apart_from_features_with_their_command():
    features = parse(MEAN.format(name="m") + "[embedding]\nstep = 40\nunits = 8", "mine")
    sampled = features.sampled(PROTOCOL)
    np.testing.assert_array_equal(sampled.columns, [[1, 2, 3, 4, 5, 6], [8, 9, 10, 11, 12, 13]])
    np.testing.assert_array_equal(sampled.others(14), [0, 7])
    expected = PROTOCOL.command[:, ::400] / np.abs(PROTOCOL.command).max()
    np.testing.assert_allclose(sampled.inputs, expected)
    assert (sampled.units, sampled.stride) == (8, EMBEDDING["stride"])
    assert parse(MEAN.format(name="m"), "mine").sampled(PROTOCOL).columns.size == 0
