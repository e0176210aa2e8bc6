"""The Brian2 simulator: its accuracy and what it leaves alone."""

import numpy as np
import pytest

from hhfit import expression, model, protocol, simulators
from hhfit.simulators import batched, brian2

STEPS = protocol.step(np.array([500.0]), on=5.0, off=25.0, duration=30.0, dt=0.01)


@pytest.fixture(scope="module")
def quiet():
    return model.load("pospischil").with_values({"noise": 0.0}).with_priors({"noise": None})


def crossings(trace, dt):
    k = np.flatnonzero((trace[:-1] <= -20.0) & (trace[1:] > -20.0))
    return (k + (-20.0 - trace[k]) / (trace[k + 1] - trace[k])) * dt


def test_spike_times_are_those_of_a_fine_integration(quiet):
    theta = quiet.prior.sample(100, seed=21)
    fine = batched.Simulator(quiet, STEPS, 0.001, scheme="rk4")(theta, 0).response[:, 0]
    ours = simulators.get("brian2", quiet, STEPS, step=0.01)(theta, 0).response[:, 0]
    pairs = [(crossings(a, 0.01), crossings(b, 0.01)) for a, b in zip(fine, ours, strict=True)]
    assert all(len(a) == len(b) for a, b in pairs)
    errors = [np.abs(a - b).max() for a, b in pairs if len(a)]
    assert len(errors) > 40
    assert np.max(errors) <= 0.005


def test_subnormal_numbers_survive_its_compiled_code(quiet):
    """Code linked with -ffast-math would set the processor to flush them for the whole process."""
    simulators.get("brian2", quiet, STEPS)(quiet.reference[None], seed=0)
    assert np.float64(1e-310) * np.float64(0.5) > 0


def test_groups_are_built_once(quiet):
    run = simulators.get("brian2", quiet, STEPS)
    run(quiet.reference[None], seed=0)
    before = brian2._group.cache_info().misses
    run(quiet.reference[None], seed=1)
    other = quiet.with_values({"area": 20000.0})
    simulators.get("brian2", other, STEPS)(quiet.reference[None], seed=0)
    assert brian2._group.cache_info().misses == before


@pytest.mark.parametrize("text", ["minimum(v, 3)", "maximum(v, 3)", "vtrap(v - 3, 2)", "abs(v) ** 2 / exp(-v)"])
@pytest.mark.parametrize("v", [-2.0, 3.5])
def test_generated_text_means_what_the_expression_means(text, v):
    from scipy.special import exprel

    parsed = expression.parse(text, "here")
    names = {"v": v, "exprel": exprel, "abs": abs, "exp": np.exp}
    assert _computed(brian2._text(parsed), names) == pytest.approx(float(parsed.evaluate({"v": v})))


def _computed(text, names):
    """Arithmetic of a generated text, by sympy rather than by Brian2."""
    import sympy

    return float(sympy.lambdify(list(names), text, modules=[])(*names.values()))
