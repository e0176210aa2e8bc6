"""The papers' observations, from their own noise streams."""

from dataclasses import replace

import numpy as np
import pytest

from hhfit.references import Glm
from hhfit.reproduce import _coloured, _glm
from hhfit.reproduce._autapse import ONE, TWO
from hhfit.reproduce._neurons import CELLS, Neuron, at_hand, observed, strict_features, synthetic
from hhfit.reproduce._toys import CubeRoot
from hhfit.reproduce.goncalves2020_4b import STREAM
from hhfit.reproduce.goncalves2020_4f import TABLE
from hhfit.reproduce.lueckmann2017_3a import shell


@pytest.fixture(scope="module")
def lueckmann():
    neuron = synthetic("lueckmann2017", "lueckmann2017", 0)
    return neuron, observed(neuron, neuron.truth, 1)


def spike_times(response: np.ndarray, dt: float) -> np.ndarray:
    """Times of the maxima above -10 mV [ms]."""
    v = response[0, 0]
    rising = (v[1:-1] > v[:-2]) & (v[1:-1] >= v[2:]) & (v[1:-1] > -10)
    times = (np.flatnonzero(rising) + 1) * dt
    return times[np.diff(times, prepend=-1.0) > 0.5]


def test_lueckmann_observation_is_that_of_the_paper(lueckmann):
    neuron, response = lueckmann
    x_o = strict_features(neuron, response)
    expected = [7, 0.9658, 0.8881, 0.7910, 0.6852, 0.5778, 0.4745, 0.3793, 0.2944, 0.2203, 0.1569]
    np.testing.assert_allclose(x_o[:11], expected, atol=5.1e-5)
    expected = [-69.289, -52.337, 452.5, 3.1818e4, 2.8468e6, 2.5567e8, 2.3486e10, 2.1843e12, 2.0507e14]
    np.testing.assert_allclose(x_o[11:], expected, rtol=2.5e-5)


def test_lueckmann_spikes_come_when_the_papers_do(lueckmann):
    neuron, response = lueckmann
    times = spike_times(response, neuron.protocol.dt)
    np.testing.assert_allclose(times, [18.48, 30.53, 43.40, 56.03, 72.39, 87.10, 102.6], atol=0.051)


def test_goncalves_observation_is_that_of_the_paper():
    neuron = synthetic("pospischil", "goncalves2020", 0)
    response = observed(neuron, neuron.truth, STREAM)
    x_o = strict_features(neuron, response)
    np.testing.assert_allclose(x_o, [5, -70.188, 0.0615, -56.392, 374.64, 3.702, 18.322], rtol=0, atol=5.1e-3)
    np.testing.assert_allclose(x_o[[1, 3, 5, 6]], [-70.188, -56.392, 3.702, 18.322], atol=5.1e-4)
    np.testing.assert_allclose(x_o[2], 0.0615, atol=5.1e-5)
    times = spike_times(response, neuron.protocol.dt)
    np.testing.assert_allclose(times, [19.66, 34.25, 51.33, 70.75, 92.46], atol=0.011)


def test_another_stream_gives_another_observation(lueckmann):
    neuron, response = lueckmann
    assert not np.allclose(observed(neuron, neuron.truth, 2), response, atol=1.0)


def test_glm_observations_are_those_of_the_paper():
    expected = [18, 0.131, 5.747, 6.948, 0.992, -0.452, -0.211, -1.676, -2.661, -2.816]
    np.testing.assert_allclose(_glm.camera_ready().x_o, expected, atol=5.1e-4)
    expected = [20, 3.287, 5.368, 8.171, 5.521, 7.711, 2.550, -2.007, 6.385, 1.445]
    np.testing.assert_allclose(_glm.scripts().x_o, expected, atol=5.1e-4)


def test_glm_posteriors_are_those_of_the_paper():
    seen = _glm.camera_ready()
    tables = ((_glm.SAME_MEAN, _glm.SAME_SD), (_glm.SAMPLER_MEAN, _glm.SAMPLER_SD))
    problems = (seen.problem, _glm.sampler_prior(seen.problem))
    for problem, (mean, sd) in zip(problems, tables, strict=True):
        draws = problem.sample(seen.x_o, 3000, 0)
        np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.04)
        np.testing.assert_allclose(draws.std(axis=0), sd, atol=0.04)


def test_glm_prior_sds_are_those_of_the_paper():
    sds = [marginal.b for marginal in Glm.of_paper().prior.marginals]
    np.testing.assert_allclose(sds, [1.414, 1, 1.677, 1.830, 1.552, 1.216, 1.100, 1.069, 0.981, 0.880], atol=6e-4)


@pytest.mark.parametrize(("variance", "expected"), [(0.1, (3.557, 2.977)), (0.05, (2.965, 1.568))])
def test_cube_root_posterior_is_that_of_the_paper(variance, expected):
    toy = CubeRoot(CubeRoot.of_paper().prior, np.sqrt(variance))
    np.testing.assert_allclose(toy.moments(np.array([1.27769])), expected, atol=6e-3)


def test_recordings_have_the_papers_features(recordings):
    cells = at_hand(recordings)
    assert cells
    for cell in cells:
        neuron, response = cell.neuron(recordings, 0)
        assert isinstance(neuron, Neuron)
        np.testing.assert_allclose(neuron.extract(response)[0], TABLE[cell.name], rtol=2e-3)


def test_areas_are_time_constant_over_resistance():
    assert np.isclose(CELLS[0].area, 0.0234 / 126 * 1e8)
    assert len(CELLS) == len(TABLE) == 10


def test_shell_lies_one_covariance_from_the_mean():
    draws = np.exp(np.random.default_rng(0).standard_normal((50_000, 2)) * [0.1, 0.5])
    centre, samples = shell(draws, 0)
    step = np.log(samples) - np.log(centre)
    radius = np.linalg.norm(step / np.array([0.01, 0.25]), axis=1)
    np.testing.assert_allclose(radius, 1.0, atol=0.15)


@pytest.mark.parametrize(("duration", "expected"), [(60.0, []), (240.0, [89.45, 125.4, 137.9, 146.2, 195.3])])
def test_coloured_noise_observations_are_those_of_the_paper(duration, expected):
    cell = _coloured.neuron(duration, "lueckmann2017", 0)
    response = observed(cell, cell.truth, _coloured.OBSERVED_SEED)
    assert cell.extract(response)[0, 0] == len(expected)
    if expected:
        np.testing.assert_allclose(spike_times(response, cell.protocol.dt), expected, atol=0.051)


@pytest.mark.parametrize(("model", "expected"), [(ONE, 0.39), (TWO, 0.49)])
def test_autapse_fails_as_often_as_the_papers(model, expected):
    rows = model.simulate(model.prior.sample(2500, 1), 0)
    # sd of a share of 2500 is 0.01
    assert abs((~rows.usable).mean() - expected) < 0.02 + 0.02


def test_autapse_fails_as_often_as_it_must():
    rows = ONE.simulate(ONE.prior.sample(10_000, 2), 0)
    # sd of a share of 10,000 is 0.005
    assert abs((~rows.usable).mean() - ONE.failing(2000)) < 0.015


def test_autapse_without_noise_is_the_closed_form():
    still = replace(ONE, noise=0.0)
    rate = still.run(np.array([[0.98]]), np.random.default_rng(0))[0]
    assert np.isclose(rate[11_000], 50 * (1 - np.exp(-0.02 * 100)), rtol=1e-3)
    assert np.allclose(rate[:1001], 0)


def test_one_of_the_papers_traces_has_no_spike():
    neuron = synthetic("lueckmann2017", "lueckmann2017", 0)
    low, high = np.log(neuron.prior.interval).T
    z = np.random.RandomState(123).rand(12)
    counts = [neuron.extract(observed(neuron, np.exp(f * (low + z * (high - low))), 230))[0, 0] for f in (1.0, 0.9)]
    assert counts == [3, 0]
