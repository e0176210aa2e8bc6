"""Which sweeps are fitted and which kept back."""

import numpy as np
import pytest

from hhfit import readers, sweeps
from hhfit.extractors.spikes import spike_counts


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
