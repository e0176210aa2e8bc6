"""The bundled recording is what hhfit simulates, and says that it is synthetic."""

import numpy as np
import pytest

from hhfit import example, library
from hhfit import model as models


def test_example_can_be_made_again():
    again, shipped = example.make(), example.load()
    # stored as float32, whose step is 8e-6 mV at 100 mV; libm may differ in the last bit, which noise-free rest shows
    np.testing.assert_allclose(again.response, shipped.response, atol=1e-2)
    np.testing.assert_allclose(again.protocol.command, shipped.protocol.command, atol=1e-3)
    np.testing.assert_array_equal(again.sweeps, shipped.sweeps)


def test_example_says_that_it_is_synthetic():
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(str(example.folder() / f"{example.NAME}.nwb"), "r") as file:
        assert file.read().session_description.startswith("SYNTHETIC")


def test_truth_lies_in_the_prior():
    prior = models.load(example.recipe()["model"]).prior
    theta = np.array([[example.truth()[name] for name in prior.names]])
    assert prior.contains(theta).all()


def test_shipped_data_is_small():
    assert sum(path.stat().st_size for path in library.folder("data").rglob("*") if path.is_file()) <= 1_000_000


def test_every_bundled_protocol_loads():
    from hhfit import protocol

    for name in library.names("data/protocols"):
        assert protocol.load(name).amplitude == pytest.approx(protocol.load(name).amplitude)
