"""Cells of several compartments against cable theory (Rall 1977), in the simulators that run them."""

import numpy as np
import pytest

from hhfit import model, protocol, simulators
from hhfit.simulators import _cells, _trees, neuron
from hhfit.traces import Status

G, RA, LENGTH, DIAMETER, CURRENT = 0.2, 150.0, 600.0, 3.0, 20.0
STEPS = protocol.step(np.array([CURRENT]), on=0.0, off=200.0, duration=200.0, dt=0.1)
LAMBDA = 1e4 * np.sqrt(DIAMETER * 1e-4 / 4 / (RA * G * 1e-3))
"""Length constant [um]: sqrt(d / (4 Ra g))."""


SIMULATORS = pytest.mark.parametrize("name", ["batched", "neuron"])


def cell(sections):
    """A passive cell."""
    table = {
        "g": {"value": G, "unit": "mS/cm2"},
        "e": {"value": -70.0, "unit": "mV"},
        "ra": {"value": RA, "unit": "ohm*cm"},
        "length": {"value": LENGTH, "unit": "um", "prior": {"kind": "uniform", "low": 0.0, "high": 2e3}},
        "capacitance": {"value": 1.0, "unit": "uF/cm2"},
        "v_init": {"value": -70.0, "unit": "mV"},
    }
    channels = {"leak": {"type": "leak", "conductance": "g", "reversal": "e"}}
    shape = {"axial_resistance": "ra", "sections": sections, "d_lambda": 0.02}
    return model.build({"quantities": table, "channels": channels, "morphology": shape}, "cable")


SOMA = {"length": 15, "diameter": 15}
STICK = {"soma": SOMA, "stick": {"parent": "soma", "length": "length", "diameter": DIAMETER}}


def resistance(length):
    """Input resistance [MOhm] of a soma with a sealed cable: 1 / (G_soma + G_infinity tanh(L / lambda))."""
    soma = G * 1e-3 * np.pi * 15.0**2 * 1e-8
    infinite = np.pi * DIAMETER * LAMBDA * 1e-8 * G * 1e-3
    return 1e-6 / (soma + infinite * np.tanh(length / LAMBDA))


@SIMULATORS
@pytest.mark.parametrize("length", [50.0, 600.0, 1500.0])
def test_input_resistance_is_that_of_a_soma_with_a_finite_cable(name, length):
    response = simulators.get(name, cell(STICK), STEPS)(np.array([[length]]), 0).response[0, 0]
    assert (response[-1] + 70.0) * 1e3 / CURRENT == pytest.approx(resistance(length), rel=2e-3)


def test_potential_falls_along_the_cable_as_the_hyperbolic_cosine():
    run = simulators.get("neuron", cell(STICK), STEPS)
    cells = _cells.Cells(_cells.interpreter(run), run, np.array([[LENGTH]]))
    cells.run(neuron._Neuron(), 0, seed=0, index=np.array([0]))
    stick = cells.cells[0].sections[1]
    places = np.array([segment.x for segment in stick])
    fall = np.array([segment.v for segment in stick]) + 70.0
    theory = np.cosh((1 - places) * LENGTH / LAMBDA) / np.cosh(LENGTH / LAMBDA)
    assert fall / (stick(0.0).v + 70.0) == pytest.approx(theory, rel=3e-3)


@SIMULATORS
def test_a_tree_that_obeys_the_three_halves_rule_is_an_equivalent_cylinder(name):
    """Rall 1962: daughters with sum of d^1.5 equal to the parent's, ending at one electrotonic distance."""
    half = LENGTH / 2
    thin = DIAMETER * 0.5 ** (2 / 3)
    daughter = {"parent": "stem", "length": half * np.sqrt(thin / DIAMETER), "diameter": thin}
    stem = {"parent": "soma", "length": half, "diameter": DIAMETER}
    tree = cell({"soma": SOMA, "stem": stem, "left": daughter, "right": daughter})
    cylinder = cell(STICK)
    branched, straight = (
        simulators.get(name, m, STEPS)(np.array([[LENGTH]]), 0).response[0, 0] for m in (tree, cylinder)
    )
    assert np.abs(branched - straight).max() < 5e-3 * (straight.max() + 70.0)
    assert straight.max() + 70.0 > 1.0


@SIMULATORS
def test_sections_drawn_by_points_have_the_area_and_resistance_of_cylinders(name):
    points = [[0.0, y, 0.0, DIAMETER] for y in np.linspace(0.0, LENGTH, 7)]
    drawn = {"soma": SOMA, "stick": {"parent": "soma", "points": points}}
    responses = [
        simulators.get(name, m, STEPS)(np.array([[LENGTH]]), 0).response[0, 0] for m in (cell(drawn), cell(STICK))
    ]
    assert np.abs(responses[0] - responses[1]).max() < 1e-6


def test_membrane_area_is_that_of_neuron():
    m = model.load("pyramidal")
    values = {name: quantity.value for name, quantity in m.quantities.items()}
    run = simulators.get("neuron", m, STEPS)
    grown = _trees.plan(m).grow(_cells.interpreter(run), values)
    total = sum(segment.area() for section in grown.sections for segment in section)
    assert total == pytest.approx(m.morphology.area(values), rel=1e-6)


def test_compartments_are_short_against_the_length_constant():
    m = model.load("pyramidal")
    h = _cells.interpreter(simulators.get("neuron", m, STEPS))
    h.load_file("stdlib.hoc")
    values = {name: quantity.value for name, quantity in m.quantities.items()}
    plan = _trees.plan(m)
    grown = plan.grow(h, values)
    for section, drawn in zip(grown.sections, m.morphology.sections, strict=True):
        theirs = int((section.L / (0.1 * h.lambda_f(100, sec=section)) + 0.999) / 2) * 2 + 1
        assert abs(plan.segments[drawn.name] - theirs) <= 2
    assert max(plan.segments.values()) > 1


@SIMULATORS
def test_a_length_that_cannot_be_costs_its_row_alone(name):
    run = simulators.get(name, cell(STICK), STEPS)
    traces = run(np.array([[100.0], [0.0], [300.0]]), 0)
    assert list(traces.status) == [Status.SILENT, Status.SOLVER, Status.SILENT]
    assert np.array_equal(traces.response[2], run(np.array([[300.0]]), 0).response[0])


@SIMULATORS
@pytest.mark.parametrize("tree", ["ball_and_stick", "pyramidal"])
def test_the_librarys_trees_spike_and_do_not_depend_on_the_batch(name, tree):
    m = model.load(tree)
    steps = protocol.step(np.array([0.0, 300.0]), on=5.0, off=55.0, duration=60.0, dt=0.05)
    theta = np.vstack([m.reference, m.prior.sample(3, seed=1)])
    run = simulators.get(name, m, steps)
    whole = run(theta, 0).response
    counts = ((whole[0, :, :-1] < 0) & (whole[0, :, 1:] >= 0)).sum(axis=1)
    assert counts[0] == 0
    assert 3 <= counts[1] <= 20
    assert np.abs(whole[0, 0] + 70.0).max() < 3.0
    assert np.array_equal(run(theta[2:3], 0, np.array([2])).response[0], whole[2])
