"""The toy simulators against what is known of them."""

import numpy as np

from hhfit.reproduce._toys import LinearRegression, LotkaVolterra, Queue, statistics


def test_lotka_volterra_agrees_with_the_papers_observation():
    toy = LotkaVolterra()
    x = toy.simulate(np.repeat(toy.truth[None], 200, axis=0), 0).x
    x = x[np.isfinite(x).all(axis=1)]
    away = np.abs(toy.x_o - x.mean(axis=0)) / x.std(axis=0)
    assert len(x) > 150
    assert away.max() < 3.5


def test_lotka_volterra_without_predation_is_a_pair_of_pure_processes():
    theta = np.repeat([[1e-12, 0.5, 0.05, 1e-12]], 200, axis=0)
    paths = LotkaVolterra().simulate(theta, 0)
    from hhfit.reproduce._jumps import paths as jump

    runs = jump(theta, np.arange(200))
    assert paths.usable.all()
    assert np.allclose(runs[:, 0], [50, 100])
    assert np.isclose(runs[:, 10, 0].mean(), 50 * np.exp(-0.5 * 2.0), atol=4 * np.sqrt(50 * 0.37 * 0.63 / 200))
    assert np.isclose(runs[:, 150, 1].mean(), 100 * np.exp(0.05 * 30), rtol=0.05)


def test_a_run_of_too_many_reactions_fails():
    rows = LotkaVolterra().simulate(np.array([[1e-6, 1e-6, 3.0, 1e-6]]), 0)
    assert not rows.usable.any()


def test_statistics_of_still_populations_are_finite():
    assert np.isfinite(statistics(np.full((1, 151, 2), 3.0))).all()


def test_queue_that_never_waits_shows_its_service_times():
    theta = np.array([[2.0, 3.0, 1e6]] * 50)
    x = Queue().draw(theta, np.random.default_rng(0))
    assert (x[:, 0] >= 2.0).all()
    assert (x[:, 4] <= 5.0 + 1e-3).all()
    assert np.isclose(x[:, 2].mean(), 3.5, atol=0.15)


def test_linear_regression_posterior_is_that_of_importance_weights():
    toy = LinearRegression(noise=2.0)
    x_o = toy.draw(toy.truth[None], np.random.default_rng(1))[0]
    mean, covariance = toy.exact(x_o)
    theta = toy.prior.sample(200_000, 0)
    height = -0.5 * ((x_o - theta @ toy.inputs.T) ** 2).sum(axis=1) / 4.0
    weight = np.exp(height - height.max())
    weight /= weight.sum()
    assert np.allclose(weight @ theta, mean, atol=0.05)
    assert np.allclose((weight[:, None] * (theta - mean)).T @ (theta - mean), covariance, atol=0.05)
