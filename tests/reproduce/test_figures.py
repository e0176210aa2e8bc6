"""Parts of figures that are computed in seconds."""

import numpy as np
import pytest

from hhfit.references import Mixture, box
from hhfit.reproduce import lueckmann2017_2a
from hhfit.reproduce._work import Work


@pytest.mark.parametrize("method", lueckmann2017_2a.METHODS)
def test_common_mean_is_inferred_with_the_papers_network(method, tmp_path):
    work = Work(tmp_path, quick=True, seed=0)
    series = work.part("one", lambda: lueckmann2017_2a._series(work, Mixture(box(1, 10.0)), method, 1, 1))
    assert np.isfinite(series["kl"][0])
    assert np.isfinite(series["proposals"][0]).all()
    assert work.simulations == 3000 + 4 * 3000
