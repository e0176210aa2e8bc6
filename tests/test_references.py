import numpy as np
import pytest

from hhfit import references
from hhfit.errors import InputError
from hhfit.prior import Marginal, Prior

INVALID = Prior(("a",), ("1",), (Marginal("uniform", 0.0, 16.0),))
SMALL = [
    (references.LinearGaussian(references.box(2, 1.0)), np.array([0.9, 0.0])),
    (references.LinearGaussian(references.normal(np.array([1.0, 2.0]), np.array([[1, 0.6], [0.6, 1]]))), np.ones(2)),
    (references.TwoMoons(references.box(2, 1.0)), np.array([0.0, 0.1])),
    (references.Mixture(references.box(1, 10.0)), np.zeros(1)),
    (references.Mixture(references.box(1, 10.0), (1.0, -1.0), (1.0, 1.0)), np.array([5.0])),
    (references.Invalid(INVALID), np.array([3.0])),
]


@pytest.mark.parametrize(
    ("problem", "x_o"), SMALL, ids=["box", "correlated", "moons", "common mean", "fork", "invalid"]
)
def test_draws_follow_prior_times_likelihood(problem, x_o):
    points = 400 if problem.prior.n_parameters == 2 else 16_000
    u, chance = problem.grid(x_o, points)
    drawn = problem.prior.to_cube(problem.sample(x_o, 20_000, seed=1))
    for p in range(u.shape[1]):
        edges = np.linspace(0, 1, 17)
        exact = np.histogram(u[:, p], edges, weights=chance)[0]
        found = np.histogram(drawn[:, p], edges)[0] / len(drawn)
        # sd of a bin at most 0.0035
        np.testing.assert_allclose(found, exact, atol=0.015)


@pytest.mark.parametrize(
    ("problem", "x_o"), SMALL, ids=["box", "correlated", "moons", "common mean", "fork", "invalid"]
)
def test_simulations_near_the_observation_come_from_the_posterior(problem, x_o):
    """The simulator and the likelihood are the same model."""
    theta = problem.prior.sample(400_000, seed=2)
    simulations = problem.simulate(theta, 0)
    near = np.flatnonzero((np.abs(simulations.x - x_o) < 0.05).all(axis=1))
    exact = problem.prior.to_cube(problem.sample(x_o, 20_000, seed=3))
    found = problem.prior.to_cube(theta[near])
    assert len(near) > 100
    error = 4 * found.std(axis=0) / np.sqrt(len(near)) + 0.01
    assert (np.abs(found.mean(axis=0) - exact.mean(axis=0)) < error).all()
    assert found.std(axis=0) == pytest.approx(exact.std(axis=0), rel=0.15)


def test_numbers_of_the_common_mean_mixture_are_the_published_ones():
    problem = references.Mixture(references.box(1, 10.0))
    theta = problem.sample(np.zeros(1), 200_000, seed=1)[:, 0]
    assert theta.var() == pytest.approx(0.505, abs=0.01)
    assert np.exp(problem.log_likelihood(np.zeros((1, 1)), np.zeros(1)))[0] == pytest.approx(2.194, abs=1e-3)


def test_glm_posterior_is_resampled_well_and_agrees_with_a_chain():
    problem = references.Glm.of_paper()
    x_o = problem.draw(problem.truth[None], np.random.default_rng(1))[0]
    theta, share = problem.resample(x_o, 4000, seed=0)
    assert share > 0.3
    rng, at = np.random.default_rng(5), theta[:200].copy()
    root = np.linalg.cholesky(np.cov(theta.T)) * 2.38 / np.sqrt(10)

    def height(t):
        return problem.prior.log_prob(t) + problem.log_likelihood(t, x_o)

    chain = []
    for step in range(400):
        trial = at + rng.standard_normal(at.shape) @ root.T
        good = np.log(rng.random(len(at))) < height(trial) - height(at)
        at = np.where(good[:, None], trial, at)
        if step >= 100 and step % 10 == 0:
            chain.append(at)
    chain = np.concatenate(chain)
    np.testing.assert_allclose(theta.mean(axis=0), chain.mean(axis=0), atol=0.15 * chain.std(axis=0).max())
    np.testing.assert_allclose(theta.std(axis=0), chain.std(axis=0), rtol=0.12)


def test_about_half_of_the_invalid_toy_fails():
    problem = references.Invalid(INVALID)
    failed = ~problem.simulate(INVALID.sample(20_000, seed=0), 0).usable
    assert failed.mean() == pytest.approx(0.5, abs=0.02)
    valid = [
        (~failed)[problem.simulate(INVALID.sample(20_000, seed=0), 0).theta[:, 0].astype(int) == i].mean()
        for i in (0, 15)
    ]
    assert valid[0] > 0.9
    assert valid[1] < 0.1


def noisy(sd=0.3):
    return references.Noisy(references.box(2, 2.0), lambda theta: theta, np.array([sd, sd]))


def test_grid_of_a_linear_response_is_the_linear_gaussian():
    x_o = np.array([1.8, 0.0])
    exact = references.LinearGaussian(references.box(2, 2.0), sd=0.3)
    mean, covariance = exact.moments(x_o)
    theta = noisy().sample(x_o, 40_000, seed=0)
    np.testing.assert_allclose(theta.mean(axis=0), mean, atol=0.006)
    np.testing.assert_allclose(theta.std(axis=0), np.sqrt(np.diag(covariance)), rtol=0.02)


def test_divergence_of_the_exact_posterior_is_zero_and_its_mass_one():
    from scipy import stats

    x_o = np.array([1.8, 0.0])
    exact = [stats.truncnorm((-2 - c) / 0.3, (2 - c) / 0.3, c, 0.3) for c in x_o]
    kl, mass = noisy().divergence(x_o, lambda theta: sum(m.logpdf(theta[:, p]) for p, m in enumerate(exact)))
    assert kl == pytest.approx(0.0, abs=1e-3)
    assert mass == pytest.approx(1.0, abs=1e-3)
    shifted, _ = noisy().divergence(x_o, lambda theta: sum(m.logpdf(theta[:, p] - 0.05) for p, m in enumerate(exact)))
    assert shifted > 0.01


def test_a_narrow_posterior_is_resolved_by_a_zoomed_grid():
    x_o = np.array([1.8, 0.0])
    exact, coarse = references.LinearGaussian(references.box(2, 2.0), sd=0.02), noisy(0.02)
    fine = coarse.zoomed(x_o)
    assert fine.discretisation(x_o) < 0.01 < 0.1 < coarse.discretisation(x_o)
    theta, (mean, covariance) = fine.sample(x_o, 40_000, seed=0), exact.moments(x_o)
    np.testing.assert_allclose(theta.mean(axis=0), mean, atol=0.0005)
    np.testing.assert_allclose(theta.std(axis=0), np.sqrt(np.diag(covariance)), rtol=0.02)
    kl, _ = fine.divergence(x_o, lambda at: exact.log_likelihood(at, x_o))
    assert kl == pytest.approx(0.0, abs=2e-3)


def test_grids_of_other_priors_are_not_zoomed():
    problem = references.Noisy(references.normal(np.ones(2), np.eye(2)), lambda theta: theta, np.ones(2))
    with pytest.raises(InputError, match="uniform"):
        problem.zoomed(np.zeros(2))


def test_discretisation_error_grows_as_the_posterior_narrows():
    x_o = np.array([0.5, 0.0])
    wide, narrow = noisy(0.3).discretisation(x_o), noisy(0.02).discretisation(x_o)
    assert wide < 0.01
    assert narrow > 0.05


def test_undefined_response_has_no_chance():
    problem = references.Noisy(
        references.box(1, 1.0), lambda theta: np.where(theta < 0, np.nan, theta), np.array([0.5])
    )
    assert (problem.sample(np.array([0.1]), 500, seed=0) >= 0).all()


@pytest.mark.parametrize("at_random", [True, False])
@pytest.mark.parametrize("third", [0.6, np.nan], ids=["defined", "undefined"])
def test_posterior_given_undefined_features_is_that_of_simulations_like_it(at_random, third):
    problem = references.Undefined(references.normal(np.ones(2), np.eye(2)), at_random=at_random)
    x_o = np.array([0.4, -0.2, third])
    theta = problem.prior.sample(400_000, seed=2)
    x = problem.draw(theta, np.random.default_rng(3))
    near = (np.abs(x[:, :2] - x_o[:2]) < 0.2).all(axis=1) & (np.isnan(x[:, 2]) == np.isnan(third))
    near &= np.isnan(x[:, 2]) | (np.abs(x[:, 2] - third) < 0.2)
    exact = problem.sample(x_o, 20_000, seed=4)
    assert near.sum() > 200
    error = 4 * exact.std(axis=0) / np.sqrt(near.sum()) + 0.01
    assert (np.abs(theta[near].mean(axis=0) - exact.mean(axis=0)) < error).all()
    assert theta[near].std(axis=0) == pytest.approx(exact.std(axis=0), rel=0.15)


@pytest.mark.parametrize("x_o", [np.array([0.4, -0.2, 0.6]), np.array([0.0, 3.7, 2.6]), np.array([1.4, 0.8, np.nan])])
def test_divergence_is_that_of_shifted_normals(x_o):
    from scipy.stats import multivariate_normal

    problem = references.Undefined(references.normal(np.ones(2), np.eye(2)), at_random=True)
    readings = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])[np.isfinite(x_o)] / problem.sd
    precision = np.eye(2) + readings.T @ readings
    covariance = np.linalg.inv(precision)
    mean = covariance @ readings.T @ (x_o[np.isfinite(x_o)] / problem.sd)
    for shift in (np.zeros(2), np.array([0.1, -0.05])):
        other = multivariate_normal(mean + shift, covariance)
        assert problem.divergence(x_o, other.logpdf) == pytest.approx(0.5 * shift @ precision @ shift, abs=1e-6)
