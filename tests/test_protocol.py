"""Protocols, and where their stimulus lies."""

import numpy as np
import pytest

from hhfit.errors import InputError
from hhfit.protocol import Protocol, step, stimulus_window


def pulses(*rows, n_times=2000):
    """Commands from ``(start, end, level)`` triples per sweep, at 1 ms a sample."""
    command = np.zeros((len(rows), n_times))
    for row, parts in enumerate(rows):
        for first, last, level in parts:
            command[row, first:last] = level
    return command


def window(command):
    on, off = stimulus_window(command, 1.0)
    assert (on == on[0]).all()
    assert (off == off[0]).all()
    return on[0], off[0]


def test_test_pulse_common_to_all_sweeps_is_no_stimulus():
    command = pulses(*[[(50, 90, -100), (500, 800, 20 * k)] for k in range(5)])
    assert window(command) == (500, 800)


def test_first_of_two_like_steps_is_the_stimulus():
    command = pulses(*[[(100, 600, 25 * k), (1000, 1500, 25 * k)] for k in range(5)])
    assert window(command) == (100, 600)


def test_small_difference_before_is_no_stimulus():
    command = pulses(*[[(10, 14, k), (500, 800, 20 * k)] for k in range(5)])
    assert window(command) == (500, 800)


def test_drifting_holding_is_no_stimulus():
    command = pulses(*[[(500, 800, 20 * k)] for k in range(5)]) + np.array([[0.0], [3.0], [-2.0], [5.0], [1.0]])
    assert window(command) == (500, 800)


def test_single_sweep_takes_the_largest_charge_and_a_train_as_one():
    train = [(1000 + 10 * k, 1002 + 10 * k, 2500) for k in range(20)]
    assert window(pulses([(250, 500, -50), *train])) == (1000, 1192)


def test_constant_command_has_no_stimulus():
    with pytest.raises(InputError, match="never changes"):
        stimulus_window(np.full((3, 100), -20.0), 0.1)


def test_amplitude_is_relative_to_the_level_before():
    command = pulses([(500, 800, 60.0)], [(500, 800, -40.0)]) - 20.0
    command[:, 500:800] += 0.0
    protocol = Protocol(command, 1.0, [500.0] * 2, [800.0] * 2)
    assert protocol.amplitude.tolist() == [60.0, -40.0]


def test_amplitude_of_a_train_is_that_of_its_pulses():
    command = pulses([(1000 + 10 * k, 1002 + 10 * k, 2500) for k in range(20)])
    assert Protocol(command, 1.0, [1000.0], [1192.0]).amplitude.tolist() == [2500.0]


def test_select_keeps_order():
    protocol = step(np.array([10.0, 20.0, 30.0]), on=5.0, off=10.0, duration=20.0, dt=0.5)
    assert protocol.select([2, 0]).amplitude.tolist() == [30.0, 10.0]
    assert protocol.n_times == 40


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dt": 0.0}, "dt is 0.0 ms"),
        ({"dt": np.nan}, "dt is nan"),
        ({"on": [80.0]}, "must lie inside"),
        ({"off": [1e5]}, "must lie inside"),
        ({"on": [-1.0]}, "must lie inside"),
        ({"clamp": "patch"}, "must be 'current' or 'voltage'"),
        ({"command": np.full((1, 100), np.nan)}, "NaN"),
        ({"on": [1.0, 2.0]}, "on has shape"),
        ({"command": np.zeros(100)}, "command has shape"),
    ],
)
def test_impossible_protocol_is_refused(change, words):
    fields = {"command": np.ones((1, 100)), "dt": 1.0, "on": [10.0], "off": [60.0], "clamp": "current"} | change
    with pytest.raises(InputError, match=words):
        Protocol(**fields)


def test_command_cannot_be_written():
    protocol = Protocol(np.ones((1, 100)), 1.0, [10.0], [60.0])
    with pytest.raises(ValueError, match="read-only"):
        protocol.command[0, 0] = 2.0
