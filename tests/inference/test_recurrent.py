"""Learned summaries of sampled sweeps."""

import numpy as np
import pytest
import torch

from hhfit import inference
from hhfit.errors import UnsupportedError
from hhfit.inference import Budget, _recurrent
from hhfit.inference._density import Density
from hhfit.journal import Memory
from hhfit.prior import Marginal, Prior
from hhfit.sampled import Sampled
from hhfit.simulations import Simulations

SD = 1.0
COMMAND = np.stack([np.linspace(-1, 1, 12), np.linspace(1, 0, 12)])
SAMPLED = Sampled(np.arange(24).reshape(2, 12), COMMAND, units=12, stride=3)
PRIOR = Prior(("a", "b"), ("1", "1"), (Marginal("uniform", -2.0, 2.0),) * 2)
DESIGN = np.stack([COMMAND.ravel(), np.ones(24)])
QUICK = {"members": 2, "transforms": 2, "hidden": 24, "embedding": 8, "steps": 600, "rate": 6e-3, "sampled": SAMPLED}


def simulate(theta, first):
    """Sweeps ``a command + b`` under noise: their sums and products with the command are sufficient."""
    noise = [np.random.default_rng((3, first + i)).standard_normal(24) for i in range(len(theta))]
    x = theta @ DESIGN + SD * np.array(noise)
    status = np.where(np.arange(len(theta)) % 50 == 7, 5, 0)
    x[status > 0] = np.nan
    return Simulations(theta, x, status, first + np.arange(len(theta)))


X_O = np.array([0.8, -0.5]) @ DESIGN


def fit(method, journal, rounds=1, simulations=2000, **settings):
    algorithm = inference.get(method, Budget(simulations, rounds), **QUICK | settings)
    return algorithm.fit(PRIOR, simulate, X_O, 1, journal)


def weights(units, stride, seed):
    """Random weights and biases of three members."""
    make = torch.Generator().manual_seed(seed)
    table = {
        name: (torch.randn(3, rows, columns, generator=make), torch.randn(3, 1, columns, generator=make))
        for name, (rows, columns) in _recurrent.sizes(units, stride).items()
    }
    return table.__getitem__


@pytest.mark.parametrize(
    ("method", "rounds", "settings"), [("npe", 1, {}), ("tsnpe", 2, {"steps_between": 200, "steps": 400})]
)
def test_posterior_given_a_learned_summary_is_the_closed_form_one(method, rounds, settings):
    posterior = fit(method, Memory(), rounds, **settings)
    precision = DESIGN @ DESIGN.T / SD**2
    centre, covariance = np.linalg.solve(precision, DESIGN @ X_O / SD**2), np.linalg.inv(precision)
    exact = np.random.default_rng(0).multivariate_normal(centre, covariance, 4000)
    away = exact - centre
    height = -0.5 * (away @ precision * away).sum(axis=1) - np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(covariance)[1]
    kl = np.mean(height - posterior.log_prob(exact).clip(-30))
    # the prior is 2.7 nat away; a network that has not learned the product with the command stays near 1
    assert -0.02 < kl < 0.4


def test_recurrence_is_that_of_torch():
    weight = weights(5, 2, 1)
    samples = torch.randn(3, 4, 1, 8, generator=torch.Generator().manual_seed(2))
    inputs = torch.linspace(-1, 1, 8)[None]
    found = _recurrent.summary(samples, inputs, weight, 2)
    for k in range(3):
        matrix, bias = weight("sweep.input")
        cell = torch.nn.GRU(5, 5, batch_first=True)
        state, state_bias = weight("sweep.state")
        for own, value in zip(cell.parameters(), (matrix[k].T, state[k].T, bias[k, 0], state_bias[k, 0]), strict=True):
            own.data = value
        pair = torch.stack((samples[k, :, 0], inputs.expand(4, -1)), dim=-1).reshape(4, 4, 4)
        patch, patch_bias = weight("sweep.patch")
        out, last = cell(torch.nn.functional.silu(pair @ patch[k] + patch_bias[k]))
        expected = torch.cat((last[0], out.mean(dim=1), torch.ones(4, 1)), dim=1)
        torch.testing.assert_close(found[k], expected)


def test_sweeps_are_a_set_and_absent_ones_are_left_out():
    weight, inputs = weights(5, 3, 3), torch.tensor(COMMAND, dtype=torch.float32)
    samples = torch.randn(3, 6, 2, 12, generator=torch.Generator().manual_seed(4))
    both = _recurrent.summary(samples, inputs, weight, 3)
    torch.testing.assert_close(_recurrent.summary(samples.flip(2), inputs.flip(0), weight, 3), both)
    alone = _recurrent.summary(samples[:, :, :1], inputs[:1], weight, 3)
    samples[:, :, 1, 5] = torch.nan
    left = _recurrent.summary(samples, inputs, weight, 3)
    torch.testing.assert_close(left[..., :-1], alone[..., :-1])
    assert (left[..., -1] == 0.5).all()


def test_command_of_a_sweep_matters():
    weight, samples = weights(5, 3, 3), torch.zeros(3, 1, 1, 12)
    one, other = (_recurrent.summary(samples, torch.tensor(c[None], dtype=torch.float32), weight, 3) for c in COMMAND)
    assert (one - other).abs().max() > 0.01


def test_same_seed_and_recorded_rounds_give_the_same_posterior():
    quick = {"steps": 60, "simulations": 400}
    journal = Memory()
    first, again = fit("npe", journal, **quick), fit("npe", Memory(), **quick)
    recalled = fit("npe", journal, **quick)
    np.testing.assert_array_equal(first.sample(50, 1), again.sample(50, 1))
    np.testing.assert_array_equal(first.sample(50, 1), recalled.sample(50, 1))
    copy = Density.from_arrays(first.density.arrays())
    u = np.random.default_rng(1).random((20, 2))
    np.testing.assert_array_equal(copy.log_prob(u, X_O[None]), first.density.log_prob(u, X_O[None]))


def test_method_that_cannot_learn_a_summary_says_which_can():
    with pytest.raises(UnsupportedError, match=r"'snpe_b' trains no network on samples of sweeps; use npe or tsnpe"):
        inference.get("snpe_b", Budget(1000), sampled=SAMPLED)
