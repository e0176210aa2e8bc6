"""What recorded networks are asked for."""

import numpy as np
import pytest

from hhfit.inference._mixture_rounds import Scores
from hhfit.inference._mixtures import Layout, initial, rescaled
from hhfit.reproduce._networks import divergence


def test_a_network_that_only_reads_other_units_has_not_diverged():
    first = Scores(np.array([1.0]), np.array([2.0]), np.array([-np.inf]), np.array([np.inf]))
    later = Scores(np.array([1.3]), np.array([0.5]), np.array([-np.inf]), np.array([np.inf]))
    layout = Layout(inputs=1, parameters=1, components=1, hidden=(2,))
    weights = initial(layout, np.random.SeedSequence(0))
    same = rescaled(weights, (later.mean - first.mean) / first.sd, later.sd / first.sd)
    old = {f"net.{name}": value for name, value in weights.items()} | first.arrays()
    new = {f"net.{name}": value for name, value in same.items()} | later.arrays()
    assert divergence(new, old)["total"] == pytest.approx(0.0, abs=1e-6)
    new["net.m.mean"] = new["net.m.mean"] + 0.1
    assert divergence(new, old)["total"] == pytest.approx(3 * (0.1 / np.exp(-5.0)) ** 2 / 2, rel=1e-3)
