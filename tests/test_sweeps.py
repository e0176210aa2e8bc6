"""Which sweeps are fitted and which kept back."""

import numpy as np
import pytest

from hhfit import readers, sweeps
from hhfit.errors import InputError
from hhfit.extractors.spikes import spike_counts
from hhfit.protocol import step
from hhfit.recording import Recording


@pytest.mark.parametrize(
    "name", ["abf/171116sh_0018.abf", "abf/18711001.abf", "nwb/LantyerEtAl2018_180817_ME_9_CC.nwb"]
)
def test_choice_spreads_over_the_curve(recordings, name):
    recording = readers.read(recordings / name)
    choice = sweeps.choose(recording)
    counts = dict(
        zip(recording.sweeps.tolist(), spike_counts(recording.response[None], recording.protocol, {})[0], strict=True)
    )
    fitted = [counts[number] for number in choice.fitted]
    assert len(choice.fitted) == 6
    assert fitted.count(0) == 2
    assert max(fitted) == max(counts.values())
    assert len(np.unique(fitted)) >= 5
    assert len(choice.validation) == 3
    assert not set(choice.fitted) & set(choice.validation)
    assert set(choice.fitted) | set(choice.validation) <= set(recording.sweeps.tolist())


def test_few_sweeps_are_all_fitted(recordings):
    recording = readers.read(recordings / "abf/18711001.abf").select([3, 9, 20])
    assert sweeps.choose(recording) == sweeps.Choice((3, 9, 20), ())


def test_silent_recording_is_fitted_on_silent_sweeps(recordings):
    recording = readers.read(recordings / "abf/18711001.abf").select(list(range(7)))
    assert len(sweeps.choose(recording, most=4).fitted) == 4


def steps(*amplitudes):
    protocol = step(np.array(amplitudes), on=10.0, off=40.0, duration=50.0, dt=0.5)
    return Recording(-70.0 + 0.1 * protocol.command, protocol, np.arange(len(amplitudes)) + 1, {"name": "cell.abf"})


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("auto", ()),
        ("", ()),
        ("2,4-5", (2, 4, 5)),
        ("100pA", (4,)),
        ("-50pA, 200pA", (1, 6)),
        ("50..150pA", (3, 4, 5)),
        ("50pA..150pA", (3, 4, 5)),
        ("-50..0pA,5", (5, 1, 2)),
        ("99.2pA", (4,)),
        ("2,0pA", (2,)),
    ],
)
def test_sweeps_are_named_by_number_or_step(text, numbers):
    assert sweeps.parse(text).of(steps(-50.0, 0.0, 50.0, 100.0, 150.0, 200.0)) == numbers


def test_measured_steps_match_their_nominal_amplitude():
    assert sweeps.parse("150pA").of(steps(24.7, 152.6)) == (2,)


def test_step_that_no_sweep_has_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"no sweep has a step of 75 pA; its steps are -50, 100 pA"):
        sweeps.parse("75pA").of(steps(-50.0, 100.0))


@pytest.mark.parametrize("text", ["a", "3-1", "0,0", "-1", "200..100pA", "1e3pA", "..5pA", "50..200"])
def test_text_that_names_no_sweeps_is_refused(text):
    with pytest.raises(InputError, match="--validate is "):
        sweeps.parse(text, "--validate")
