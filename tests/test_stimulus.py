"""Stimuli given by the user."""

import numpy as np
import pytest

from hhfit.errors import InputError
from hhfit.stimulus import FROM_FILE, parse


def test_steps_rise_from_sweep_to_sweep_above_holding():
    command = parse("on=100 off=600 first=-100 by=25 holding=-20").command(3, 1000, 1.0)
    assert command[:, 50].tolist() == [-20.0] * 3
    assert command[:, 100].tolist() == [-120.0, -95.0, -70.0]
    assert command[:, 599].tolist() == [-120.0, -95.0, -70.0]
    assert command[:, 600].tolist() == [-20.0] * 3


def test_amplitudes_can_be_listed():
    command = parse("on=1 off=2 amplitudes=5,-5").command(2, 30, 0.1)
    assert command[:, 15].tolist() == [5.0, -5.0]
    assert np.count_nonzero(command[0]) == 10


def test_none_given_is_false():
    assert not FROM_FILE
    assert parse("on=1 off=2 first=3")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "on=1",
        "on=1 off=2",
        "on=1 off=2 first=1 amplitudes=1",
        "on=1 off=2 first=x",
        "on=1 off=2 first=1 colour=3",
        "step 100",
    ],
)
def test_other_text_is_refused_with_the_form(text):
    with pytest.raises(InputError, match="on=MS off=MS"):
        parse(text)


@pytest.mark.parametrize(
    "text", ["on=5 off=2 first=1", "on=-1 off=2 first=1", "on=nan off=2 first=1", "on=1 off=2 first=inf"]
)
def test_impossible_step_is_refused(text):
    with pytest.raises(InputError, match="stimulus"):
        parse(text)


def test_step_must_fit_the_sweeps():
    with pytest.raises(InputError, match="2 amplitudes were given for 3 sweeps"):
        parse("on=1 off=2 amplitudes=1,2").command(3, 100, 0.1)
    with pytest.raises(InputError, match="outside the sweep of 10 ms"):
        parse("on=1 off=20 first=1").command(3, 100, 0.1)
