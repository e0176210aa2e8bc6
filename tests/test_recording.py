"""Recordings: selecting, cutting, correcting, decimating."""

import numpy as np
import pytest

from hhfit.errors import InputError
from hhfit.protocol import Protocol
from hhfit.recording import Recording


@pytest.fixture
def recording():
    time = np.arange(1000) * 0.02
    inside = (time > 4.99) & (time < 14.99)
    command = inside * np.array([[-50.0], [0.0], [50.0]]) - 10.0
    response = -70.0 + 0.1 * command + np.array([[0.0], [1.0], [2.0]])
    return Recording(response, Protocol(command, 0.02, [5.0] * 3, [15.0] * 3), [3, 5, 8], {"name": "cell7.abf"})


def test_rest_is_the_median_before_the_stimulus(recording):
    assert recording.rest == pytest.approx([-71.0, -70.0, -69.0])
    assert recording.unit == "mV"


def test_select_by_number_keeps_response_and_command_together(recording):
    part = recording.select([8, 3])
    assert part.sweeps.tolist() == [8, 3]
    np.testing.assert_array_equal(part.response, recording.response[[2, 0]])
    np.testing.assert_array_equal(part.protocol.command, recording.protocol.command[[2, 0]])
    assert part.provenance == recording.provenance


def test_unknown_sweep_is_refused(recording):
    with pytest.raises(InputError, match=r"cell7.abf: no sweep 4; it has 3, 5, 8"):
        recording.select([3, 4])


def test_cut_moves_the_stimulus(recording):
    part = recording.cut(2.0, 18.0)
    assert part.protocol.windows[0] == pytest.approx((3.0, 13.0))
    assert part.protocol.amplitude == pytest.approx(recording.protocol.amplitude)
    assert part.response.shape == (3, 800)


@pytest.mark.parametrize("stretch", [(6.0, 18.0), (0.0, 14.0), (-1.0, 18.0), (5.0, 5.0), (0.0, 30.0)])
def test_cut_that_loses_the_stimulus_is_refused(recording, stretch):
    with pytest.raises(InputError, match=r"cell7.abf: window"):
        recording.cut(*stretch)


def test_shift_leaves_the_command_alone(recording):
    shifted = recording.shift(-14.0)
    np.testing.assert_allclose(shifted.response, recording.response - 14.0)
    assert shifted.protocol is recording.protocol


def test_decimate_averages_and_keeps_the_window(recording):
    coarse = recording.decimate()
    assert coarse.protocol.dt == pytest.approx(0.04)
    assert coarse.response.shape == (3, 500)
    np.testing.assert_allclose(coarse.response[:, 0], recording.response[:, :2].mean(axis=1))
    assert coarse.protocol.windows == recording.protocol.windows
    assert coarse.decimate() is coarse


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_refused_with_its_sweep(recording, value):
    response = recording.response.copy()
    response[1, 7] = value
    with pytest.raises(InputError, match=r"cell7.abf: sweep 5 holds NaN or infinite mV values; leave it out"):
        Recording(response, recording.protocol, recording.sweeps, recording.provenance)


def test_shapes_must_agree(recording):
    with pytest.raises(InputError, match="response has shape"):
        Recording(recording.response[:, :-1], recording.protocol, recording.sweeps)
    with pytest.raises(InputError, match="sweeps has shape"):
        Recording(recording.response, recording.protocol, [1, 2])
