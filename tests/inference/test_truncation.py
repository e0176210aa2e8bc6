import numpy as np
import pytest

from hhfit.inference import _truncation
from hhfit.inference._truncation import Cut, Region


class Ball:
    """Stands where a density is asked for: an isotropic normal of known highest-density region."""

    def __init__(self, size, sd):
        self.size, self.sd = size, sd
        self.low, self.high = np.zeros(size), np.ones(size)

    def log_prob(self, u, x):
        return -0.5 * (((u - 0.5) / self.sd) ** 2).sum(axis=1) - self.size * np.log(self.sd * np.sqrt(2 * np.pi))

    def sample_one(self, n, x_o, rng):
        return 0.5 + self.sd * rng.standard_normal((n, self.size))


class Ridge(Ball):
    """A normal of two parameters that depend on each other: the second is the first but for a twentieth of its sd."""

    def __init__(self, sd):
        super().__init__(2, sd)

    def log_prob(self, u, x):
        z, rest = (u[:, 0] - 0.5) / self.sd, 20 * (u[:, 1] - u[:, 0]) / self.sd
        return -0.5 * (z**2 + rest**2) - np.log(2 * np.pi * self.sd**2 / 20)

    def sample_one(self, n, x_o, rng):
        z, rest = self.sd * rng.standard_normal((2, n))
        return np.stack([0.5 + z, 0.5 + z + rest / 20], axis=1)


def region(size, sd):
    """The smallest ball that holds 99 % of the normal."""
    ball, start = Ball(size, sd), Region(np.zeros(1), size)
    u = ball.sample_one(20_000, None, np.random.default_rng(0))
    threshold = np.quantile(ball.log_prob(u, None), 1e-2)
    reach = 1.05 * np.abs(u[ball.log_prob(u, None) >= threshold] - 0.5).max(axis=0)
    return start.cut_by(Cut(ball, float(threshold), 0.5 - reach, 0.5 + reach))


def test_proposal_gives_up_the_chosen_share_of_the_density():
    start = Region(np.zeros(1), 2)
    cut = start.propose(Ridge(0.1), 1e-2, np.random.SeedSequence(0))
    u = Ridge(0.1).sample_one(20_000, None, np.random.default_rng(1))
    # 1 % of 20,000: sd 0.0007, threshold itself 0.0007
    assert np.mean(Ridge(0.1).log_prob(u, None) < cut.threshold) == pytest.approx(0.01, abs=0.004)


@pytest.mark.parametrize(("size", "sd"), [(2, 0.1), (10, 0.25)])
def test_a_region_that_nearly_fills_its_box_is_the_box(size, sd):
    start, ball = Region(np.zeros(1), size), Ball(size, sd)
    cut = start.propose(ball, 1e-2, np.random.SeedSequence(0))
    assert cut.threshold == -np.inf
    u = ball.sample_one(40_000, None, np.random.default_rng(1))
    u = u[((u >= 0) & (u <= 1)).all(axis=1)]
    radii = radius(u, sd)
    kept = start.cut_by(cut).contains(u)
    assert kept[radii <= np.quantile(radii, 0.99)].mean() > 0.9999
    assert cut.high[0] - cut.low[0] == pytest.approx(min(7 * sd, 1), rel=0.15)


def test_a_region_with_a_curved_edge_is_cut_by_the_density_again():
    ridge = Region(np.zeros(1), 2)
    ridge = ridge.cut_by(ridge.propose(Ridge(0.1), 1e-2, np.random.SeedSequence(0)))
    again = ridge.propose(Ridge(0.1), 1e-2, np.random.SeedSequence(1))
    assert np.isfinite(again.threshold)
    u = Ridge(0.1).sample_one(20_000, None, np.random.default_rng(1))
    # what the second cut gives up lies mostly in what the first gave up
    assert ridge.cut_by(again).contains(u).mean() == pytest.approx(0.985, abs=0.006)


def test_proposal_keeps_a_least_share_of_the_region_whatever_the_density_says():
    start = Region(np.zeros(1), 8)
    cut = start.cut_by(start.propose(Ball(8, 0.01), 1e-4, np.random.SeedSequence(0)))
    even = np.random.default_rng(1).random((20_000, 8))
    # 0.3 % of 20,000 is 60: the estimate from 4000 points has sd 29 %
    assert cut.contains(even).mean() == pytest.approx(_truncation.LEAST_KEPT, rel=0.9)


def radius(u, sd):
    return np.sqrt((((u - 0.5) / sd) ** 2).sum(axis=1))


def test_threshold_gives_up_the_chosen_share():
    cut = region(2, 0.05)
    edge = radius(np.array([[0.5, 0.5]]), 0.05) + np.sqrt(-2 * np.log(1e-2))
    inside = cut.contains(np.array([[0.5 + 0.05 * 0.97 * edge[0], 0.5], [0.5 + 0.05 * 1.03 * edge[0], 0.5]]))
    assert inside.tolist() == [True, False]


@pytest.mark.parametrize(("size", "sampler"), [(2, "rejection"), (13, "resampling and walk")])
def test_draws_are_uniform_on_the_region(size, sampler):
    cut = region(size, 0.05)
    u, log = cut.sample(2000, np.random.SeedSequence(1))
    assert log["sampler"] == sampler
    assert cut.contains(u).all()
    r = radius(u, 0.05)
    share = (r / r.max()) ** size
    # the radius of a uniform ball to the power of the dimension is uniform: KS at 2000 draws, 4 sd
    assert np.abs(np.sort(share) - np.linspace(0, 1, 2000)).max() < 0.06
    from scipy.special import gammaln

    volume = np.exp(size * np.log(r.max() * 0.05 * np.sqrt(np.pi)) - gammaln(size / 2 + 1))
    assert log["accepted_prior_fraction"] == pytest.approx(volume, rel=0.15)


def test_draws_of_a_region_depend_on_the_seed_alone():
    cut = region(13, 0.05)
    one, two, three = (cut.sample(200, np.random.SeedSequence(s))[0] for s in (1, 1, 2))
    assert (one == two).all()
    assert (one != three).any()


def test_regions_are_nested():
    first = region(2, 0.1)
    second = first.cut_by(Cut(Ball(2, 0.05), -np.inf, np.array([0.5, 0.0]), np.ones(2)))
    u = np.random.default_rng(0).random((5000, 2))
    assert (second.contains(u) == (first.contains(u) & (u[:, 0] >= 0.5))).all()


def test_contradiction_between_density_and_region_gives_nothing_up():
    corner = Region(np.zeros(1), 2).cut_by(Cut(Ball(2, 0.05), -np.inf, np.full(2, 0.9), np.ones(2)))
    cut = corner.propose(Ball(2, 0.05), 1e-2, np.random.SeedSequence(0))
    assert cut.threshold == -np.inf
    assert (cut.low == corner.low).all()
    assert (cut.high == corner.high).all()


def test_cut_survives_its_arrays():
    cut = region(2, 0.05).cuts[0]
    again = _truncation.from_arrays(cut.density, _truncation.arrays(cut))
    assert again.threshold == cut.threshold
    assert (again.low == cut.low).all()
