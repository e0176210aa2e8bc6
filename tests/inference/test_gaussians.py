import numpy as np
import pytest
import torch
from scipy import stats

from hhfit.errors import InferenceError
from hhfit.inference import _mixtures, _weights
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._gaussians import Gaussians, corrected
from hhfit.inference.snpe_c_mixture import narrowed, tilted_log_prob
from hhfit.prior import Marginal, Prior


def mixture(seed=0, components=3, size=2):
    rng = np.random.default_rng(seed)
    roots = np.eye(size) + 0.3 * rng.standard_normal((components, size, size))
    weight = rng.random(components)
    return Gaussians(
        weight / weight.sum(), rng.standard_normal((components, size)), roots @ roots.transpose(0, 2, 1) + np.eye(size)
    )


def test_density_is_that_of_the_sum_of_normals():
    q, y = mixture(), np.random.default_rng(1).standard_normal((20, 2))
    parts = zip(q.weight, q.mean, q.precision, strict=True)
    exact = sum(w * stats.multivariate_normal(m, np.linalg.inv(p)).pdf(y) for w, m, p in parts)
    np.testing.assert_allclose(q.log_prob(y), np.log(exact))


def test_student_t_density_is_that_of_scipy():
    q, y = mixture(components=1).tailed(3.0), np.random.default_rng(1).standard_normal((20, 2))
    exact = stats.multivariate_t(q.mean[0], np.linalg.inv(q.precision[0]), df=3.0).logpdf(y)
    np.testing.assert_allclose(q.log_prob(y), exact)


@pytest.mark.parametrize("freedom", [np.inf, 30.0])
def test_draws_have_the_moments(freedom):
    q = mixture(2)
    y = q.tailed(freedom).sample(40_000, np.random.default_rng(0))
    mean, covariance = q.moments()
    np.testing.assert_allclose(y.mean(axis=0), mean, atol=0.03)
    if np.isinf(freedom):
        np.testing.assert_allclose(np.cov(y.T), covariance, atol=0.05)


def test_division_undoes_multiplication():
    prior_precision, posterior = np.eye(2), mixture(3)
    proposal = Gaussians(np.ones(1), np.array([[0.5, -0.2]]), np.array([[[2.0, 0.3], [0.3, 1.5]]]))
    # the posterior under the proposal: posterior * proposal / prior, component by component
    tilted = corrected(posterior, Gaussians(np.ones(1), np.zeros((1, 2)), prior_precision[None]), np.zeros((2, 2)), "")
    pull = np.einsum("kpq,kq->kp", tilted.precision, tilted.mean) + proposal.precision[0] @ proposal.mean[0]
    y = np.random.default_rng(0).standard_normal((10, 2))
    under = posterior.log_prob(y) + proposal.log_prob(y) + 0.5 * (y**2).sum(axis=1)
    precision = tilted.precision + proposal.precision[0]
    mean = np.linalg.solve(precision, pull[..., None])[..., 0]
    each = posterior.log_each(mean)[np.arange(3), np.arange(3)] + proposal.log_prob(mean) + 0.5 * (mean**2).sum(axis=1)
    weight = np.exp(each - 0.5 * np.linalg.slogdet(precision)[1])
    product = Gaussians(weight / weight.sum(), mean, precision)
    assert np.ptp(product.log_prob(y) - under) < 1e-9
    again = corrected(product, proposal, prior_precision, "")
    np.testing.assert_allclose(again.log_prob(y), posterior.log_prob(y))


def test_quotient_that_is_no_gaussian_is_refused():
    wide = Gaussians(np.ones(1), np.zeros((1, 2)), 0.5 * np.eye(2)[None])
    narrow = Gaussians(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])
    with pytest.raises(InferenceError, match=r"eigenvalue -0\.5"):
        corrected(wide, narrow, np.zeros((2, 2)), "snpe_a, round 2")


def test_components_that_nothing_is_left_of_are_not_divided():
    proposal = Gaussians(np.ones(1), np.zeros((1, 1)), np.array([[[4.0]]]))
    q = Gaussians(np.array([0.6, 1e-4, 0.3999]), np.zeros((3, 1)), np.array([5.0, 1.0, 6.0])[:, None, None])
    with pytest.raises(InferenceError, match="eigenvalue -3"):
        corrected(q, proposal, np.zeros((1, 1)), "")
    kept = q.without(1e-3)
    assert kept.weight == pytest.approx([0.6 / 0.9999, 0.3999 / 0.9999])
    assert corrected(kept, proposal, np.zeros((1, 1)), "").precision.ravel() == pytest.approx([1.0, 2.0])
    assert q.without(0.9).precision.ravel() == pytest.approx([5.0])


def test_tilted_mixture_is_normalised():
    q = mixture(4)
    proposal = narrowed(Gaussians(np.ones(1), np.array([[0.4, 0.1]]), np.array([[[3.0, 0.4], [0.4, 0.2]]])), np.eye(2))
    assert np.linalg.eigvalsh(proposal.precision[0] - np.eye(2)).min() > -1e-12
    tilt, push = proposal.precision[0] - np.eye(2), proposal.precision[0] @ proposal.mean[0]
    at = np.linspace(-6, 6, 241)
    grid = np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2)
    factor = np.linalg.cholesky(q.precision).transpose(0, 2, 1)

    def wide(array):
        return torch.tensor(np.broadcast_to(array, (len(grid), *array.shape)).copy())

    network = (wide(np.log(q.weight)), wide(q.mean), wide(factor))
    value = tilted_log_prob(network, torch.tensor(grid), wide(tilt), wide(push)).numpy()
    assert np.exp(value).sum() * 0.05**2 == pytest.approx(1.0, rel=1e-3)
    exact = q.log_prob(grid) - 0.5 * np.einsum("np,pq,nq->n", grid, tilt, grid) + grid @ push
    assert np.ptp(value - exact) < 1e-9


def test_network_density_is_that_of_the_value_it_gives():
    layout = _mixtures.Layout(3, 2, 2, (10,))
    network = _mixtures.Network(layout, _mixtures.initial(layout, np.random.SeedSequence(1)), random=True)
    x, y = np.array([0.3, np.nan, 1.0]), np.random.default_rng(0).standard_normal((15, 2))
    inputs = torch.tensor(np.broadcast_to(x, (15, 3)).copy(), dtype=torch.float32)
    value = network.log_prob(torch.tensor(y, dtype=torch.float32), inputs, None).detach().numpy()
    np.testing.assert_allclose(value, network.at(x).log_prob(y), rtol=1e-4)


def test_replicated_network_is_the_same_density():
    layout = _mixtures.Layout(3, 2, 1, (10,))
    weights = _mixtures.initial(layout, np.random.SeedSequence(1))
    wide = _mixtures.replicated(weights, 4, np.random.SeedSequence(2))
    one = _mixtures.Network(layout, weights, random=False)
    four = _mixtures.Network(_mixtures.Layout(3, 2, 4, (10,)), wide, random=False)
    x, y = np.zeros(3), np.random.default_rng(0).standard_normal((15, 2))
    np.testing.assert_allclose(four.at(x).log_prob(y), one.at(x).log_prob(y), atol=1e-4)


def test_divergence_of_weights_is_that_of_normals():
    layout = _mixtures.Layout(1, 1, 1, (1,))
    network = _mixtures.Network(layout, _mixtures.initial(layout, np.random.SeedSequence(1)), random=True)
    weights = network.weights()
    assert float(network.divergence(_mixtures.anchored(weights)).detach()) == pytest.approx(0.0, abs=1e-6)
    exact = 0.0
    for name, log_sd in weights.items():
        if name.startswith("s."):
            mean, variance = weights["m" + name[1:]], np.exp(2 * log_sd)
            exact += 0.5 * (0.01 * (variance + mean**2) - 1 - np.log(0.01 * variance)).sum()
    assert float(network.divergence(_mixtures.broad(weights, 0.01)).detach()) == pytest.approx(exact, rel=1e-4)


MIXED = Prior(
    ("a", "b", "c", "d"),
    ("1",) * 4,
    (
        Marginal("uniform", -1.0, 3.0),
        Marginal("log-uniform", 0.01, 20.0),
        Marginal("normal", 2.0, 0.5),
        Marginal("log-normal", 3.0, 0.7),
    ),
)


@pytest.mark.parametrize("space", ["natural", "probit"])
def test_coordinates_come_back_and_keep_the_prior(space):
    place = Coordinates(MIXED, space)
    theta = MIXED.sample(500, seed=1)
    y = place.to(theta)
    np.testing.assert_allclose(place.back(y), theta, rtol=1e-6, atol=1e-8)
    assert y.std(axis=0) == pytest.approx(np.ones(4), abs=0.12)
    # up to a constant the prior is the Gaussian of that precision
    rest = place.log_prior(theta) + 0.5 * np.einsum("np,pq,nq->n", y, place.precision, y)
    assert np.ptp(rest) < 1e-6


@pytest.mark.parametrize("space", ["natural", "probit"])
def test_volume_is_the_slope_of_the_coordinates(space):
    place, theta, step = Coordinates(MIXED, space), MIXED.sample(20, seed=2), 1e-6
    slope = (place.to(theta * (1 + step)) - place.to(theta * (1 - step))) / (2 * step * theta)
    np.testing.assert_allclose(place.log_volume(theta), np.log(np.abs(slope)).sum(axis=1), atol=1e-4)


@pytest.mark.parametrize("k", [0.2, 0.5, 1.0])
def test_pareto_k_finds_the_tail(k):
    found = [_weights.pareto_k(stats.genpareto(k).rvs(4000, random_state=seed)) for seed in range(20)]
    # sd of one estimate 0.08 at 190 tail points
    assert np.mean(found) == pytest.approx(k, abs=0.1)


def test_truncated_weights_have_mean_one_and_a_bound():
    weight = np.array([1.0] * 99 + [1e6])
    cut = _weights.truncated(weight)
    assert cut.mean() == pytest.approx(1.0)
    assert _weights.effective(cut) > _weights.effective(weight)
