"""The batched simulator: its arithmetic, its noise, its accuracy, its cache."""

import os
import pickle
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from hhfit import expression, model, protocol, simulators
from hhfit.errors import InputError
from hhfit.simulators import _kernel, batched
from hhfit.simulators._graph import Graph, families, quotient
from hhfit.traces import Status

STEPS = protocol.step(np.array([500.0]), on=10.0, off=50.0, duration=60.0, dt=0.05)


@pytest.fixture(scope="module")
def cell():
    return model.load("pospischil")


@pytest.fixture(scope="module")
def quiet(cell):
    return cell.with_values({"noise": 0.0}).with_priors({"noise": None})


@pytest.fixture(scope="module")
def kernel(cell):
    return batched._load(batched.Simulator(cell, STEPS).kernel.source)


@pytest.fixture(scope="module")
def single(cell):
    return batched._load(batched.Simulator(cell, STEPS, precision="float32").kernel.source)


def test_exponential_agrees_with_the_library(kernel, single):
    x = np.random.default_rng(0).uniform(-60.0, 60.0, 5000)
    assert np.max(np.abs([kernel.exponential(v) for v in x] / np.exp(x) - 1)) < 5e-14
    narrow = x.astype(np.float32)
    got = np.array([single.exponential(v) for v in narrow], float)
    assert np.max(np.abs(got / np.exp(narrow.astype(float)) - 1)) < 1e-6


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [
        ((0, 0), (0, 0), (0xF167B032C3B480BD, 0xE91F9FEE4B7A6FB5)),
        ((2**64 - 1, 2**64 - 1), (2**64 - 1, 2**64 - 1), (0xCCDEC5C917A874B1, 0x4DF53ABCA26CEB01)),
        (
            (0xA4093822299F31D0, 0x082EFA98EC4E6C89),
            (0x243F6A8885A308D3, 0x13198A2E03707344),
            (0xC3AAC71561042993, 0x3FE7AE8801AFF316),
        ),
    ],
)
def test_random_words_are_those_of_random123(kernel, key, counter, words):
    """Known answers of Random123 for threefry2x64 with 13 rounds."""
    got = kernel.threefry(*(np.uint64(k) for k in (*key, *counter)))
    assert tuple(int(word) for word in got) == words


def test_normals_are_standard_normal_and_uncorrelated(kernel):
    from scipy import stats

    z = np.empty(32 * 16, np.float32)
    draws = []
    for n in range(200):
        kernel.fill(z, np.uint64(7), np.arange(16, dtype=np.uint64), np.uint64(0), 32 * n)
        draws.append(z.reshape(32, 16).copy())
    draws = np.concatenate(draws).astype(float)
    # False alarms: 1e-4 for each of the two tests.
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-4
    assert abs(np.mean(draws[1:] * draws[:-1])) < 3.9 / np.sqrt(draws.size)
    assert abs(np.mean(draws[:, 1:] * draws[:, :-1])) < 3.9 / np.sqrt(draws.size)


def test_normals_are_the_box_muller_transform_of_their_words(kernel):
    for word in np.random.default_rng(1).integers(0, 2**64, 300, dtype=np.uint64):
        u = ((int(word) >> 32) + 1) / 2**32
        turn = ((int(word) & 0xFFFFFFFF) - 2**31) / 2**32
        radius = np.sqrt(-2 * np.log(u))
        exact = radius * np.cos(2 * np.pi * turn), radius * np.sin(2 * np.pi * turn)
        assert kernel.normals(np.uint64(word)) == pytest.approx(exact, abs=2e-6, rel=2e-5)


def test_exponentials_of_the_cortical_cell_merge_into_two(cell):
    groups = _kernel.system(cell).graph.families
    assert sorted(len(group.members) for group in groups) == [1, 7]


@pytest.mark.parametrize(
    "text",
    [
        "0.32 * vtrap(-(v - v_t - 13), 4)",
        "4 / (1 + exp(-(v - v_t - 40) / 5))",
        "600 / (3.3 * exp((v + 35) / 20) + exp(-(v + 35) / 20))",
        "tanh(v / 30) + 0.1 * v ** 2 - v / (v ** 2 + 1)",
        "exp(-((v + 40) / 30) ** 2)",
        "maximum(0.2, abs(v) / 50) * minimum(v, 3)",
        "exp(-v / v_t) * 2 ** (v_t / 10)",
    ],
)
def test_merged_arithmetic_has_the_value_of_the_expression(text):
    parsed = expression.parse(text, "here")
    survey = Graph()
    quotient(survey, parsed)
    graph = Graph(families(survey.slopes))
    q = quotient(graph, parsed)
    rows = {"v_t": np.full(3, -58.0)}
    # 1e-7: vtrap is within 1e-8, and exp(z) - 1 cancels next to z = 0.
    for v in (-91.3, -45.0000001, -45.0, -18.0, 33.7):
        assert _value(graph, q.num, v, rows) / _value(graph, q.den, v, rows) == pytest.approx(
            float(parsed.evaluate({"v": v, "v_t": -58.0})), rel=1e-7
        )


def _value(graph, node, v, rows):
    """A node by plain recursion: the oracle of the generated statements."""
    key = graph.keys[node]
    if graph.levels[node] < 2:
        return float(graph.evaluate([node], rows)[0, 0])
    if key[0] == "state":
        if key[1] == "v":
            return v
        return np.exp(float(graph.families[int(key[1][3:])].slope) * (v + 20.0))
    args = [_value(graph, part, v, rows) for part in key[1:]]
    if key[0] == "near":
        return args[1] if abs(args[0]) < 1e-5 else args[2]
    if key[0] in "+*/**":
        return {"+": np.add, "*": np.multiply, "/": np.divide, "**": np.power}[key[0]](*args)
    return float(expression.NUMPY[key[0]](*map(np.asarray, args)))


def test_slopes_that_share_no_ratio_stay_apart():
    assert len(families({Fraction(1, 7), Fraction(1, 9973), Fraction(2, 7)})) == 2


def crossings(trace, dt):
    k = np.flatnonzero((trace[:-1] <= -20.0) & (trace[1:] > -20.0))
    return (k + (-20.0 - trace[k]) / (trace[k + 1] - trace[k])) * dt


@pytest.mark.parametrize(
    ("scheme", "precision", "step", "bar"),
    [
        ("exponential-euler", "float64", 0.01, 0.010),
        ("exponential-euler", "float32", 0.01, 0.010),
        ("rk4", "float64", 0.025, 0.001),
    ],
)
def test_spike_times_are_those_of_a_fine_integration(quiet, scheme, precision, step, bar):
    theta = quiet.prior.sample(100, seed=11)
    steps = protocol.step(np.array([500.0]), on=10.0, off=60.0, duration=80.0, dt=step)
    fine = batched.Simulator(quiet, steps, step / 8, scheme="rk4")(theta, 0).response[:, 0]
    coarse = batched.Simulator(quiet, steps, step, scheme=scheme, precision=precision)(theta, 0).response[:, 0]
    pairs = [(crossings(a, step), crossings(b, step)) for a, b in zip(fine, coarse, strict=True)]
    assert np.mean([len(a) == len(b) for a, b in pairs]) >= 0.99
    errors = [np.abs(a - b).max() for a, b in pairs if len(a) == len(b) > 0]
    assert len(errors) > 50
    assert np.median(errors) <= bar


def test_batched_and_neuron_agree_on_spikes(quiet):
    theta = quiet.prior.sample(50, seed=12)
    gaps = {}
    for step in (0.01, 0.0025):
        ours, theirs = (
            simulators.get(name, quiet, STEPS, step=step)(theta, 0).response[:, 0] for name in ("batched", "neuron")
        )
        pairs = [(crossings(a, 0.05), crossings(b, 0.05)) for a, b in zip(ours, theirs, strict=True)]
        gaps[step] = [np.abs(a - b).max() for a, b in pairs if len(a) == len(b) > 0]
        assert sum(len(a) == len(b) for a, b in pairs) >= 49
    assert np.max(gaps[0.0025]) < 0.1
    assert np.median(gaps[0.0025]) < 0.5 * np.median(gaps[0.01])


@pytest.mark.parametrize("name", ["pospischil", "ball_and_stick"])
def test_what_single_precision_cannot_hold_costs_its_row_alone(name):
    m = model.load(name)
    theta = np.tile(m.reference, (3, 1))
    good = batched.Simulator(m, STEPS, precision="float32")(theta, 3)
    theta[1, :2] = 1e308
    traces = batched.Simulator(m, STEPS, precision="float32")(theta, 3)
    assert traces.status[1] == Status.NOT_FINITE
    assert np.array_equal(traces.response[[0, 2]], good.response[[0, 2]])


def test_threads_do_not_change_a_bit(cell):
    theta = cell.prior.sample(70, seed=5)
    one, two = (batched.Simulator(cell, STEPS, threads=n)(theta, 3) for n in (1, 2))
    assert np.array_equal(one.response, two.response)
    assert np.array_equal(one.status, two.status)
    assert len(np.unique(one.status)) > 1
    alone = batched.Simulator(cell, STEPS, threads=2)(theta[:1], 3)
    assert np.array_equal(alone.response[0], one.response[0])


def test_values_are_not_part_of_the_kernel(cell):
    other = cell.with_values({"area": 321.0, "e_na": 33.0})
    assert batched.Simulator(cell, STEPS).kernel.source == batched.Simulator(other, STEPS).kernel.source


def test_noise_free_model_runs_rk4_and_noisy_model_exponential_euler(cell, quiet):
    sources = {
        scheme: batched.Simulator(cell, STEPS, scheme=scheme).kernel.source for scheme in ("auto", "exponential-euler")
    }
    assert sources["auto"] == sources["exponential-euler"]
    automatic, chosen = (batched.Simulator(quiet, STEPS, scheme=scheme).kernel.source for scheme in ("auto", "rk4"))
    assert automatic == chosen


def test_unknown_scheme_and_precision_are_refused(cell):
    with pytest.raises(InputError, match="unknown scheme 'euler'"):
        batched.Simulator(cell, STEPS, scheme="euler")
    with pytest.raises(InputError, match="precision is 'float16'"):
        batched.Simulator(cell, STEPS, precision="float16")
    with pytest.raises(InputError, match="threads is 0, must be at least 1"):
        batched.Simulator(cell, STEPS, threads=0)


def test_a_simulator_travels_to_another_process(cell):
    run = batched.Simulator(cell, STEPS)
    theta = cell.prior.sample(3, seed=5)
    here = run(theta, 3).response
    there = pickle.loads(pickle.dumps(run))  # noqa: S301 - our own
    assert np.array_equal(there(theta, 3).response, here)


def test_the_second_process_does_not_compile(cell, tmp_path):
    code = (
        "import numpy as np, time\nfrom hhfit import model, protocol\nfrom hhfit.simulators import batched\n"
        "m = model.load('pospischil')\np = protocol.step(np.array([300.]), on=5., off=9., duration=10., dt=0.1)\n"
        "s = batched.Simulator(m, p)\nx = s(m.reference[None], seed=1).response.sum()\n"
        "k = batched._load(s.kernel.source)\n"
        "print(sum(k.run.stats.cache_hits.values()), sum(k.run.stats.cache_misses.values()), repr(float(x)))"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("NUMBA_CACHE_DIR", None)
    runs = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    (hits, misses, first), (hits_again, misses_again, second) = (run.stdout.split() for run in runs)
    assert (hits, misses) == ("0", "1")
    assert (hits_again, misses_again) == ("1", "0")
    assert first == second
