"""Cells of several compartments in the batched simulator: as NEURON has them, row by row, whatever the batch."""

import numpy as np
import pytest

from hhfit import model, protocol, simulators
from hhfit.errors import InputError, UnsupportedError
from hhfit.simulators import _branches, _cells, _compartments, _trees, batched
from hhfit.traces import Status

STEPS = protocol.step(np.array([300.0]), on=5.0, off=45.0, duration=50.0, dt=0.05)
SHORT = protocol.step(np.array([0.0, 400.0]), on=2.0, off=8.0, duration=10.0, dt=0.05)


def free(value, unit):
    """A quantity with a prior from half to twice its value."""
    return {"value": value, "unit": unit, "prior": {"kind": "uniform", "low": value / 2, "high": 2 * value}}


def bush(noise=0.0, sections=None):
    """Branches at a beginning, at an inner place and at an end, everything free that a region may have of its own."""
    base = model.dump(model.load("ball_and_stick"))
    kept = {name: {**q, "prior": None} for name, q in base["quantities"].items()}
    numbers = {name: {k: v for k, v in q.items() if v is not None} for name, q in kept.items()}
    numbers |= {"g_na": free(100.0, "mS/cm2"), "g_na_dendrite": free(20.0, "mS/cm2"), "c_d": free(1.5, "uF/cm2")}
    numbers |= {"ra_d": free(120.0, "ohm*cm"), "ra_a": free(80.0, "ohm*cm"), "wide": free(4.0, "um")}
    numbers |= {"long": free(200.0, "um"), "noise": {"value": noise, "unit": "uA/cm2*ms^0.5"}}
    points = [[0, 0, 0, 3], [30, 0, 0, 3], [60, 40, 0, 1], [60, 90, 0, 1.5]]
    drawn = {
        "soma": {"length": 30, "diameter": 20},
        "trunk": {"parent": "soma", "region": "dendrite", "length": "long", "diameter": "wide"},
        "left": {"parent": "trunk", "region": "dendrite", "at": 0.3, "length": "long", "diameter": 1},
        "right": {"parent": "trunk", "region": "dendrite", "points": points},
        "twig": {"parent": "right", "region": "dendrite", "length": 40, "diameter": 1},
        "other": {"parent": "trunk", "region": "dendrite", "length": 90, "diameter": 1},
        "collateral": {"parent": "other", "region": "axon", "at": 0.0, "length": 50, "diameter": 1},
        "axon": {"parent": "soma", "at": 0.0, "length": 150, "diameter": 1},
        "hillock": {"parent": "soma", "at": 0.0, "region": "axon", "length": 40, "diameter": 2},
    }
    own = {"channels": base["morphology"]["regions"]["dendrite"]["channels"]}
    regions = {
        "dendrite": {"capacitance": "c_d", "axial_resistance": "ra_d", **own},
        "axon": {"axial_resistance": "ra_a", **own},
    }
    shape = {"axial_resistance": "r_axial", "sections": sections or drawn, "regions": regions if not sections else {}}
    return model.build({**base, "quantities": numbers, "morphology": shape}, "bush")


def crossings(trace, dt=0.05):
    k = np.flatnonzero((trace[:-1] <= -20.0) & (trace[1:] > -20.0))
    return (k + (-20.0 - trace[k]) / (trace[k + 1] - trace[k])) * dt


@pytest.fixture(scope="module")
def cell():
    return model.load("ball_and_stick")


@pytest.fixture(scope="module")
def noisy():
    return bush(noise=0.5)


@pytest.mark.parametrize("tree", ["ball_and_stick", "pyramidal", "bush"])
def test_compartments_are_those_of_neuron(tree):
    m = bush() if tree == "bush" else model.load(tree)
    values = m.values(m.reference[None])
    ours = _compartments.tree(m)
    run = simulators.get("neuron", m, STEPS)
    grown = _trees.plan(m).grow(_cells.interpreter(run), {name: float(value[0]) for name, value in values.items()})
    theirs = [segment for section in grown.sections for segment in section]
    numbers = [n for n, node in enumerate(ours.nodes) if node.region != _compartments.JUNCTION]
    areas = ours.areas(values)[numbers, 0]
    assert len(areas) == len(theirs) > 10
    assert areas == pytest.approx([segment.area() for segment in theirs], rel=1e-6)
    # 1 mS/cm2 um2 is 1e-11 S; the root's parent, and branching points, are not among their segments.
    resistances = 1e-6 / (ours.couplings(values)[numbers[1:], 0] * 1e-11)
    assert resistances == pytest.approx([segment.ri() for segment in theirs[1:]], rel=1e-6)


@pytest.mark.parametrize("tree", ["ball_and_stick", "pyramidal", "bush"])
def test_spikes_are_those_of_neuron_on_prior_draws(tree):
    """24 draws: counts equal, times within 0.1 ms, and the gap falls as the step does."""
    m = bush() if tree == "bush" else model.load(tree)
    theta = m.prior.sample(24, seed=8)
    gaps = {}
    for step in (0.01, 0.0025):
        ours, theirs = (
            simulators.get(name, m, STEPS, step=step)(theta, 0).response[:, 0] for name in ("batched", "neuron")
        )
        pairs = [(crossings(a), crossings(b)) for a, b in zip(ours, theirs, strict=True)]
        assert all(len(a) == len(b) for a, b in pairs)
        gaps[step] = np.array([np.abs(a - b).max() for a, b in pairs if len(a)])
    assert len(gaps[0.01]) >= 15
    assert gaps[0.01].max() < 0.1
    assert gaps[0.0025].max() < 0.5 * gaps[0.01].max()


def test_the_scheme_is_of_second_order(cell):
    theta = cell.prior.sample(16, seed=3)
    rows = {
        step: batched.Simulator(cell, STEPS, step)(theta, 0).response[:, 0] for step in (0.025, 0.00625, 0.0025 / 4)
    }
    errors = {}
    for step in (0.025, 0.00625):
        pairs = [(crossings(a), crossings(b)) for a, b in zip(rows[0.0025 / 4], rows[step], strict=True)]
        errors[step] = np.median([np.abs(a - b).max() for a, b in pairs if len(a) == len(b) > 0])
    assert errors[0.025] > 10 * errors[0.00625]
    assert errors[0.00625] < 0.01


def test_one_compartment_follows_the_closed_form():
    base = model.dump(bush(sections={"soma": {"length": 20, "diameter": 20}}))
    base["channels"] = {"leak": base["channels"]["leak"]}
    base["quantities"]["v_init"]["value"] = -80.0
    m = model.build({**base, "channels": base["channels"]}, "ball").with_priors(dict.fromkeys(_priors(base)))
    still = protocol.step(np.array([20.0]), on=0.0, off=60.0, duration=60.0, dt=0.05)
    got = simulators.get("batched", m, still, step=0.0125)(np.empty((1, 0)), 0).response[0, 0]
    g, tau = 0.1, 1.0 / 0.1
    steady = -70.0 + 20.0 * 100.0 / (np.pi * 400.0) / g
    assert np.abs(got - (steady + (-80.0 - steady) * np.exp(-still.time / tau))).max() < 1e-4


def test_noise_at_the_soma_has_the_variance_of_the_closed_form():
    sigma, g = 0.5, 0.1
    base = model.dump(bush(noise=sigma, sections={"soma": {"length": 20, "diameter": 20}}))
    base["channels"] = {"leak": base["channels"]["leak"]}
    m = model.build(base, "ball")
    still = protocol.Protocol(np.zeros((1, 8000)), 0.1, np.zeros(1), np.full(1, 800.0))
    response = simulators.get("batched", m, still, step=0.05)(m.prior.sample(50, seed=1), seed=4).response[:, 0, 1000:]
    # Ornstein-Uhlenbeck: sigma^2 / (2 g C), C = 1; 50 rows x 70 time constants give it to 2.4 % (one sd).
    assert response.var() == pytest.approx(sigma**2 / (2 * g), rel=0.12)
    assert response.mean() == pytest.approx(-70.0, abs=0.2)


def _priors(table):
    return [name for name, quantity in table["quantities"].items() if "prior" in quantity]


def test_rows_do_not_depend_on_batch_or_threads(noisy):
    theta = noisy.prior.sample(1000, seed=4)
    whole = batched.Simulator(noisy, SHORT)(theta, seed=2).response
    assert len(np.unique(whole[:, 1, -1])) == 1000
    assert np.array_equal(batched.Simulator(noisy, SHORT, threads=2)(theta, seed=2).response, whole)
    for size, starts in ((1, (0, 17, 999)), (7, (0, 14, 993))):
        for start in starts:
            index = np.arange(start, start + size)
            rows = batched.Simulator(noisy, SHORT)(theta[index], seed=2, index=index).response
            assert np.array_equal(rows, whole[index])


@pytest.mark.parametrize("bad", [np.nan, 1e9, 1e308])
def test_a_bad_row_leaves_the_others_bit_identical(noisy, bad):
    theta = noisy.prior.sample(20, seed=5)
    good = batched.Simulator(noisy, SHORT)(theta, seed=2)
    spoilt = theta.copy()
    spoilt[3, :2] = bad
    mixed = batched.Simulator(noisy, SHORT)(spoilt, seed=2)
    others = np.arange(20) != 3
    assert np.array_equal(mixed.response[others], good.response[others])
    assert np.array_equal(mixed.status[others], good.status[others])
    assert not np.array_equal(mixed.response[3], good.response[3])
    if not np.isfinite(bad):
        assert mixed.status[3] == Status.NOT_FINITE


def test_sweeps_are_independent_and_begin_at_rest(noisy):
    theta = noisy.prior.sample(3, seed=6)
    both = batched.Simulator(noisy, SHORT)(theta, seed=2).response
    alone = protocol.step(np.array([0.0]), on=2.0, off=8.0, duration=10.0, dt=0.05)
    assert np.array_equal(batched.Simulator(noisy, alone)(theta, seed=2).response[:, 0], both[:, 0])
    assert (both[:, :, 0] == -70.0).all()


def test_single_precision_spikes_as_double_does(cell):
    theta = cell.prior.sample(32, seed=9)
    double, single = (
        batched.Simulator(cell, STEPS, 0.01, precision=p)(theta, 0).response[:, 0] for p in ("float64", "float32")
    )
    pairs = [(crossings(a), crossings(b)) for a, b in zip(double, single, strict=True)]
    assert sum(len(a) == len(b) for a, b in pairs) >= 31
    assert np.median([np.abs(a - b).max() for a, b in pairs if len(a) == len(b) > 0]) < 0.01


def test_the_kernel_depends_neither_on_values_nor_on_the_number_of_compartments(cell):
    longer = cell.with_values({"length": 800.0, "e_na": 40.0})
    assert sum(_compartments.segments(longer).values()) > sum(_compartments.segments(cell).values())
    assert batched.Simulator(cell, STEPS).kernel.source == batched.Simulator(longer, STEPS).kernel.source


def test_regions_of_the_same_currents_share_a_text():
    """The four regions of the pyramidal cell are two kinds: with the M current and without."""
    source = batched.Simulator(model.load("pyramidal"), STEPS).kernel.source
    assert source.count("def phase_") == 4
    assert source.count("phase_2(s[") == source.count("phase_3(s[") == 3


def test_a_cell_of_too_many_compartments_is_refused(cell):
    long = cell.with_values({"length": 20_000.0})
    count = sum(_compartments.segments(long).values())
    assert count > _branches.MOST
    with pytest.raises(UnsupportedError) as caught:
        simulators.get("batched", long, STEPS)
    assert str(caught.value) == (
        f"ball_and_stick: simulator 'batched' runs cells of up to 128 compartments, and this one has {count}; "
        "take --simulator neuron, or a larger morphology.d_lambda"
    )


@pytest.mark.parametrize("scheme", ["rk4", "forward-euler"])
def test_explicit_schemes_are_refused(cell, scheme):
    with pytest.raises(UnsupportedError, match=f"scheme '{scheme}' is for cells of one compartment; with a morphology"):
        batched.Simulator(cell, STEPS, scheme=scheme)
    with pytest.raises(InputError, match="unknown scheme 'magic'"):
        batched.Simulator(cell, STEPS, scheme="magic")
