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


def region(size, sd):
    start = Region(np.zeros(1), size)
    return start.cut_by(start.propose(Ball(size, sd), 1e-2, np.random.SeedSequence(0)))


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
