"""Summary statistics against closed forms and against published values."""

import importlib
import pickle
from typing import ClassVar

import numpy as np
import pytest

from hhfit.extractors import load
from hhfit.protocol import Protocol, step

# papers.md 4.4, computed with the code of Goncalves et al. 2020 after the correction by -14 mV
ALLEN = {
    "509881736_sweep_number_39": [25, -81.13, 0.0870, -52.98, 157.6, 3.93, 19.16],
    "518290966_sweep_number_57": [12, -86.62, 0.0582, -59.74, 73.57, 5.71, 49.66],
    "569469018_sweep_number_44": [12, -85.26, 0.0610, -60.10, 88.37, 5.43, 44.13],
}


class ArraysOnly(pickle.Unpickler):
    """Opens the pickles of the paper: NumPy arrays and nothing else."""

    allowed: ClassVar = {
        ("dtype", "numpy"),
        ("ndarray", "numpy"),
        ("_reconstruct", "multiarray"),
        ("scalar", "multiarray"),
    }

    def find_class(self, module, name):
        if (name, module.rpartition(".")[2]) not in self.allowed or not module.startswith("numpy"):
            raise pickle.UnpicklingError(f"{module}.{name}")
        return getattr(importlib.import_module(module.replace("numpy.core", "numpy._core")), name)


@pytest.mark.parametrize("cell", ALLEN)
def test_summary_of_allen_cells_is_that_of_goncalves_2020(recordings, cell):
    with open(recordings / "pkl" / f"ephys_cell_{cell}.pkl", "rb") as file:
        potential, current, dt, on, off = ArraysOnly(file, encoding="latin1").load()
    protocol = Protocol(1e6 * current[None], float(dt), np.array([float(on)]), np.array([float(off)]))
    x = load("goncalves2020")(potential.reshape(1, 1, -1) - 14.0, protocol)
    np.testing.assert_allclose(x[0], ALLEN[cell], rtol=1.5e-3)


def test_moments_of_a_cosine_are_the_closed_form():
    protocol = step(np.ones(1), on=10.0, off=110.0, duration=120.0, dt=0.01)
    response = (-60 + 8 * np.cos(2 * np.pi * protocol.time / 10.0))[None, None]
    x = dict(zip(load("goncalves2020").names(protocol), load("goncalves2020")(response, protocol)[0], strict=True))
    assert x["mean"] == pytest.approx(-60, abs=1e-9)
    assert x["variance"] == pytest.approx(32, abs=1e-9)
    assert x["skewness"] == pytest.approx(0, abs=1e-9)
    assert x["kurtosis"] == pytest.approx(1.5, abs=1e-9)
    assert x["spike_count"] == 0


def test_shape_of_a_flat_trace_is_undefined():
    protocol = step(np.ones(1), on=1.0, off=5.0, duration=6.0, dt=0.1)
    x = load("goncalves2020")(np.full((1, 1, protocol.n_times), -70.0), protocol)[0]
    np.testing.assert_array_equal(np.isnan(x), [False] * 5 + [True, True])


def test_autocorrelation_of_a_cosine_is_the_closed_form():
    protocol = step(np.ones(1), on=10.0, off=110.0, duration=120.0, dt=0.01)
    response = (-60 + 8 * np.cos(2 * np.pi * protocol.time / 2.0))[None, None]
    features = load("lueckmann2017")
    x = dict(zip(features.names(protocol), features(response, protocol)[0], strict=True))
    assert len(x) == 20
    for k in range(1, 11):
        lag = k / 10
        # the sum lacks the last samples: a share of 1 - lag / 100 is left, of whole periods and a rest
        assert x[f"autocorrelation_{lag:.1f}ms"] == pytest.approx(np.cos(np.pi * lag), abs=0.015)
    assert x["moment_3"] == pytest.approx(0, abs=1e-6)
    assert x["moment_4"] == pytest.approx(8**4 * 3 / 8, rel=1e-6)
    assert x["moment_8"] == pytest.approx(8**8 * 35 / 128, rel=1e-6)


def test_autocorrelation_shorter_than_a_sample_is_undefined():
    protocol = step(np.ones(1), on=10.0, off=110.0, duration=120.0, dt=0.25)
    response = np.random.default_rng(0).normal(-60, 1, (1, 1, protocol.n_times))
    x = dict(zip(load("lueckmann2017").names(protocol), load("lueckmann2017")(response, protocol)[0], strict=True))
    assert np.isnan(x["autocorrelation_0.1ms"])
    assert np.isfinite(x["autocorrelation_0.5ms"])
