"""What inspection says about a recording, and what it warns of."""

import json

import numpy as np
import pytest

from hhfit import inspection, readers
from hhfit.protocol import step
from hhfit.recording import Recording

STEPS = np.array([-100.0, -50.0, 0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0])


def cell(*, rest=-70.0, peak=40.0, drift=0.0, noise=0.02, jump=0.0, sign=1.0, dt=0.1):
    """Silent up to 50 pA; above, one spike of 2 ms more for each further step."""
    protocol = step(STEPS, on=100.0, off=600.0, duration=800.0, dt=dt)
    time = protocol.time
    inside = (time > 99.99) & (time < 599.99)
    shape = np.where(inside, 1 - np.exp(-(time - 100.0) / 15.0), 0.0)
    response = rest + drift * np.arange(9)[:, None] + sign * STEPS[:, None] * 0.05 * shape
    response += STEPS[:, None] * jump / 1000.0 * inside
    for row in range(4, 9):
        for k in range(row - 3):
            at = np.abs(time - 200.0 - 60.0 * k)
            response[row] += np.where(at < 1.0, (peak - rest) * (1 - at), 0.0)
    response += np.random.default_rng(0).normal(0.0, noise, response.shape)
    return Recording(response, protocol, range(9), {"name": "cell.abf", "stimulus": "header"})


def test_description_is_json_and_complete():
    summary = json.loads(json.dumps(inspection.describe(cell())))
    assert [row["spikes"] for row in summary["sweeps"]] == [0, 0, 0, 0, 1, 2, 3, 4, 5]
    assert [row["step"] for row in summary["sweeps"]] == STEPS.tolist()
    assert summary["sweeps"][0]["rest"] == pytest.approx(-70.0, abs=0.1)
    assert summary["sweeps"][0]["noise"] == pytest.approx(0.02, rel=0.2)
    assert summary["passive"]["resistance_mohm"] == pytest.approx(50.0, rel=0.02)
    assert summary["passive"]["tau_ms"] == pytest.approx(15.0, rel=0.02)
    assert summary["chosen"]["fitted"][0] == 0
    assert "temperature" in summary["unknown"]
    assert summary["warnings"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rest": -40.0}, "unhealthy"),
        ({"rest": -15.0}, "correct it with --ljp"),
        ({"drift": 2.0}, "differs by 16 mV"),
        ({"dt": 0.25}, "too coarse"),
        ({"noise": 2.0}, "noisy"),
        ({"sign": -1.0}, "stimulus is doubtful"),
        ({"peak": -15.0}, "truncated"),
        ({"jump": 60.0}, "bridge"),
    ],
)
def test_what_is_wrong_is_warned_of(change, words):
    warnings = inspection.describe(cell(**change))["warnings"]
    assert any(words in warning for warning in warnings)


def test_voltage_clamp_is_described(recordings):
    summary = inspection.describe(readers.read(recordings / "abf/abf-v2.abf"))
    assert summary["clamp"] == "voltage"
    assert summary["sweeps"][0]["holding"] == -120.0
    assert all(row["spikes"] is None for row in summary["sweeps"])
    assert "voltage-clamp" in summary["warnings"][0]


def test_overview_is_a_picture(tmp_path):
    inspection.overview(cell(), tmp_path / "cell.png")
    assert (tmp_path / "cell.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "cell.png").stat().st_size > 20_000


def test_given_holding_that_was_not_believed_is_warned_of(recordings):
    warnings = inspection.describe(readers.read(recordings / "heka/test_singleFP.dat"))["warnings"]
    assert any("-891 pA contradicts" in warning for warning in warnings)


def test_overview_loses_no_spike():
    values = np.zeros(1001)
    values[503] = 40.0
    assert inspection._envelope(values, 10).max() == 40.0
    assert len(inspection._envelope(values, 10)) == 200
