"""Simulated sweeps as a file, and what is said of files that are no such thing."""

import numpy as np
import pytest

from hhfit import simulated
from hhfit.errors import InputError
from hhfit.protocol import step
from hhfit.simulated import Simulated
from hhfit.traces import Status, Traces


def sample() -> Simulated:
    """Two parameter sets of three sweeps; the second ran away."""
    protocol = step(np.array([-50.0, 0.0, 50.0]), on=10.0, off=40.0, duration=50.0, dt=0.5)
    response = np.random.default_rng(0).normal(-70.0, 1.0, (2, 3, 100))
    traces = Traces(response, np.array([Status.OK, Status.RUNAWAY]))
    return Simulated(traces, protocol, np.array([[50.0], [900.0]]), ("g_na",), ("mS/cm2",), {"model": "hh"})


def test_everything_comes_back(tmp_path):
    sample().save(tmp_path / "s.npz")
    back = simulated.load(tmp_path / "s.npz")
    np.testing.assert_array_equal(back.traces.response, sample().traces.response)
    np.testing.assert_array_equal(back.protocol.command, sample().protocol.command)
    assert (back.names, back.units, back.origin) == (("g_na",), ("mS/cm2",), {"model": "hh"})
    assert back.outcomes == {"ok": 1, "runaway": 1}


def test_file_says_its_units(tmp_path):
    sample().save(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz") as file:
        assert (str(file["response_unit"]), str(file["command_unit"])) == ("mV", "pA")
        assert file["status_names"].tolist() == ["ok", "runaway"]


def test_recording_leaves_failed_parameter_sets_out():
    recording = sample().recording("s.nwb")
    assert recording.sweeps.tolist() == [0, 1, 2]
    assert recording.provenance["parameters"] == '[{"g_na": 50.0}]'


def damaged(path, kind):
    sample().save(path)
    content = path.read_bytes()
    with np.load(path) as file:
        arrays = dict(file)
    match kind:
        case "cut":
            path.write_bytes(content[: len(content) // 2])
        case "text":
            path.write_text("hello")
        case "other":
            np.savez(path, x=np.zeros(3))
        case "shape":
            np.savez(path, **{**arrays, "theta": np.zeros((5, 1))})
        case "status":
            np.savez(path, **{**arrays, "status": np.array([0, 77])})
        case "origin":
            np.savez(path, **{**arrays, "origin": np.array("[1]")})
        case "dt":
            np.savez(path, **{**arrays, "dt": np.array("fast")})
        case "objects":
            np.savez(path, **{**arrays, "names": np.array([{}], dtype=object)})


@pytest.mark.parametrize("kind", ["cut", "text", "other", "shape", "status", "origin", "dt", "objects"])
def test_damaged_file_is_refused_in_one_sentence(tmp_path, kind):
    damaged(tmp_path / "s.npz", kind)
    with pytest.raises(InputError, match=r"s\.npz.*hhfit simulate") as error:
        simulated.load(tmp_path / "s.npz")
    assert "\n" not in str(error.value)


def test_place_that_cannot_be_written_keeps_what_is_there(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        sample().save(tmp_path / "none" / "s.npz")
    assert not list(tmp_path.iterdir())
