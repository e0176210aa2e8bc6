import numpy as np
import pytest
import torch
from scipy import stats

from hhfit import inference, references
from hhfit.errors import InputError
from hhfit.inference import Budget, _mixtures
from hhfit.inference._coordinates import Coordinates
from hhfit.inference._cut import cut, draw, log_mass
from hhfit.inference._gaussians import Gaussians
from hhfit.inference._mixture_rounds import Source, draw_inside, inside_mass
from hhfit.journal import Memory
from hhfit.prior import Marginal, Prior

BOX = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])
PRECISION = np.array([[2.0, 0.9, 0.3], [0.9, 1.5, -0.4], [0.3, -0.4, 1.2]])
MEAN = np.array([0.5, -1.2, 2.0])
ONE = Gaussians(np.ones(1), MEAN[None], PRECISION[None])
EXACT = stats.multivariate_normal(MEAN, np.linalg.inv(PRECISION)).cdf(BOX[1], lower_limit=BOX[0])


def test_mean_weight_is_the_mass_in_the_box():
    points, weight = draw(ONE, BOX, 20_000, np.random.default_rng(0))
    assert ((points >= BOX[0]) & (points <= BOX[1])).all()
    assert np.exp(weight).mean() == pytest.approx(EXACT, rel=0.02)


def test_weighed_draws_are_those_that_rejection_keeps():
    points, weight = draw(ONE, BOX, 40_000, np.random.default_rng(0))
    kept = ONE.sample(2_000_000, np.random.default_rng(1))
    kept = kept[(np.abs(kept) <= 1).all(axis=1)]
    np.testing.assert_allclose(np.average(points, axis=0, weights=np.exp(weight)), kept.mean(axis=0), atol=0.01)


def test_student_t_mass_is_that_of_its_draws():
    tailed = ONE.tailed(3.0)
    _, weight = draw(tailed, BOX, 40_000, np.random.default_rng(0))
    inside = (np.abs(tailed.sample(400_000, np.random.default_rng(1))) <= 1).all(axis=1).mean()
    assert np.exp(weight).mean() == pytest.approx(inside, rel=0.03)


def test_mass_without_correlation_is_exact_in_either_tail_and_without_bounds():
    mean = torch.tensor([[30.0, -0.3], [-30.0, 0.0], [0.0, 0.2]], dtype=torch.double)
    bounds = np.array([[-1.0, -np.inf], [1.0, np.inf]])
    found = log_mass(mean, torch.eye(2).expand(3, 2, 2), torch.tensor(bounds), None, 4).numpy()
    tail = stats.norm.logcdf(-29.0)
    np.testing.assert_allclose(found, [tail, tail, np.log(1 - 2 * stats.norm.cdf(-1))], rtol=1e-6)


def test_gradient_is_that_of_the_mass_and_finite_far_outside():
    mean = torch.tensor([[0.4], [60.0]], dtype=torch.double, requires_grad=True)
    log_mass(mean, torch.ones(2, 1, 1), torch.tensor([[-1.0], [1.0]]), None, 2).sum().backward()
    a, b = -1.4, 0.6
    slope = (stats.norm.pdf(a) - stats.norm.pdf(b)) / (stats.norm.cdf(b) - stats.norm.cdf(a))
    assert mean.grad[0, 0] == pytest.approx(slope)
    assert torch.isfinite(mean.grad).all()


def test_disagreeing_draws_never_make_the_mass_smaller():
    root = torch.tensor([[1.0, -30.0], [0.0, 1.0]]).double()
    mean, bounds = torch.tensor([4.0, 4.0]).double(), torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    many = cut(mean, root, bounds, torch.rand((200_000, 2), generator=torch.Generator().manual_seed(1)))[1]
    exact = torch.logsumexp(many, dim=0) - np.log(len(many))
    for seed in range(20):
        assert log_mass(mean, root, bounds, torch.Generator().manual_seed(seed), 4) > exact - 0.5


def test_truncated_network_is_normalised_on_the_box():
    layout = _mixtures.Layout(2, 2, 3, (8,))
    weights = _mixtures.initial(layout, np.random.SeedSequence(4))
    bounds = np.array([[-1.0, -np.inf], [1.0, np.inf]])
    network = _mixtures.Network(layout, weights, False, bounds)
    a, b = np.meshgrid(np.linspace(-1, 1, 101)[:-1] + 0.01, np.linspace(-40, 40, 2001), indexing="ij")
    y = torch.tensor(np.stack([a.ravel(), b.ravel()], axis=1), dtype=torch.float32)
    with torch.no_grad():
        height = network.log_prob(y, torch.tensor([[0.3, -0.5]]).expand(len(y), -1), None).double()
    assert float(torch.exp(height).sum() * 0.02 * 0.04) == pytest.approx(1, abs=0.02)


def place():
    marginals = (Marginal("log-uniform", 1.0, 10.0), Marginal("normal", 0.0, 2.0))
    return Coordinates(Prior(("a", "b"), ("1", "1"), marginals), "truncated")


def test_bounds_are_those_of_the_prior_in_coordinates():
    here = place()
    theta = np.array([[1.0, 0.0], [10.0, 0.0]])
    np.testing.assert_allclose(here.bounds[:, 0], here.to(theta)[:, 0])
    assert np.isinf(here.bounds[:, 1]).all()
    assert Coordinates(here.prior, "natural").cut is None
    assert Coordinates(here.prior, "truncated").cut is not None


def test_proposals_are_found_where_hardly_any_mass_is_inside():
    here = Coordinates(references.box(2, 1.0), "truncated")
    far = Gaussians(np.ones(1), np.array([[9.0, 0.0]]), np.eye(2)[None])
    theta, share = draw_inside(far, here, 500, np.random.default_rng(0))
    assert share == 0
    assert here.prior.contains(theta).all()
    assert theta[:, 0].mean() > 0.8
    assert inside_mass(far, here, np.random.default_rng(0)) == pytest.approx(stats.norm.sf(9 - np.sqrt(3)), rel=0.3)


def test_odds_of_a_round_average_to_one_over_the_prior():
    here = Coordinates(references.box(2, 1.0), "natural")
    proposal = Gaussians(np.ones(1), np.array([[1.0, 0.0]]), 2 * np.eye(2)[None]).tailed(3.0)
    theta = here.prior.sample(200_000, 1)
    source = Source(here, proposal, None, np.random.SeedSequence(0))
    assert source.odds(theta, 0.1).mean() == pytest.approx(1, abs=0.01)
    assert (Source(here, None, None, np.random.SeedSequence(0)).odds(theta, 0.1) == 1).all()


@pytest.mark.parametrize(("space", "low", "high"), [("natural", 0.7, 0.9), ("truncated", 0.93, 1.07)])
def test_snpe_a_has_the_right_width_at_the_edge_of_a_box_if_it_is_cut_off_there(space, low, high):
    # a Gaussian fitted to what the box leaves of one has its sd, and is cut off once more: at x_o = 0.9 too narrow
    problem, x_o = references.LinearGaussian(references.box(1, 1.0)), np.array([0.9])
    mean, covariance = problem.moments(x_o)
    algorithm = inference.get("snpe_a", Budget(4000, 2), space=space, svi=False, epochs=150)
    journal = Memory()
    theta = algorithm.fit(problem.prior, problem.simulate, x_o, 0, journal).sample(20_000, 1)
    sd = np.sqrt(covariance[0, 0])
    assert low < theta.std() / sd < high
    assert abs(theta.mean() - mean[0]) < 0.1 * sd
    leaked = [log["leaked_mass"] for log in journal.logs.values()]
    assert (max(leaked) == 0) == (space == "truncated")


def test_snpe_c_mixture_refuses_truncated_gaussians():
    with pytest.raises(InputError, match="space 'truncated'; use 'probit'"):
        inference.get("snpe_c_mixture", Budget(100), space="truncated")
