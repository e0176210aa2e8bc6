"""Whether the potential answers the command."""

import numpy as np
import pytest

from hhfit import plausibility
from hhfit.protocol import step
from hhfit.recording import Recording

STEPS = np.array([-100.0, -75.0, -50.0, -25.0, 0.0, 25.0])
PROTOCOL = step(STEPS, on=100.0, off=600.0, duration=800.0, dt=0.5)


def answer(steps, noise=0.1):
    """Answer of a cell of 120 MOhm to steps that may not be those of the protocol."""
    inside = PROTOCOL.command != 0
    inside[:] = inside.any(axis=0)
    response = -65.0 + 0.12 * np.asarray(steps)[:, None] * inside
    response += np.random.default_rng(0).normal(0, noise, response.shape)
    return plausibility.answer(Recording(response, PROTOCOL, range(len(steps))))


def test_ohmic_answer_is_plausible():
    found = answer(STEPS)
    assert found.reason == ""
    assert found.resistance == pytest.approx(120.0, rel=0.01)
    assert found.neutral == pytest.approx(0.0, abs=1.0)
    assert found.sweeps == 6


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (np.zeros(6), "stays within"),
        (-STEPS, "does not follow"),
        (STEPS[[3, 0, 5, 1, 2, 4]] * 0 + np.array([0, -60, 20, -80, -10, -40.0]), "does not follow"),
        (STEPS + 90.0, "holding current is wrong"),
    ],
)
def test_answer_that_cannot_be_has_a_reason(steps, words):
    assert words in answer(steps).reason


def test_too_few_silent_sweeps_say_nothing():
    protocol = PROTOCOL.select([0, 1])
    found = plausibility.answer(Recording(np.full(protocol.command.shape, -65.0), protocol, [0, 1]))
    assert np.isnan(found.resistance)
    assert found.reason == ""
