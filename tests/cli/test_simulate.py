"""Simulate, measure, and the road from one to the other through a file."""

import csv
import io
import json

import numpy as np
import pytest

from hhfit import model as models
from hhfit import protocol as protocols
from hhfit import readers, simulators

PROTOCOL = """[step]
amplitudes = [-50.0, 0.0, 250.0, 400.0]
on = 20.0
off = 90.0
duration = 120.0
dt = 0.05
"""


@pytest.fixture
def protocol(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(PROTOCOL)
    return path


def table(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    return [{key: value for key, value in row.items() if key != "row"} for row in rows]


def test_sweeps_written_to_nwb_have_identical_features(hhfit, protocol, tmp_path):
    tables = []
    for suffix in ("npz", "nwb"):
        out = tmp_path / f"s.{suffix}"
        code, _, err = hhfit("simulate", "pospischil", "--protocol", protocol, "--set", "g_na=40", "--out", out)
        assert (code, err) == (0, "")
        tables.append(table(hhfit("features", out, "--features", "goncalves2020", "--csv")[1]))
    assert tables[0] == tables[1]  # every digit
    assert len(tables[0]) == 4
    assert float(tables[0][3]["spike_count [1]"]) > 0


def test_recording_written_to_nwb_comes_back_to_the_last_bit(hhfit, protocol, tmp_path):
    hhfit("simulate", "pospischil", "--protocol", protocol, "--out", tmp_path / "s.nwb")
    back = readers.read(tmp_path / "s.nwb")
    neuron, command = models.load("pospischil"), protocols.load(str(protocol))
    traces = simulators.get("batched", neuron, command)(neuron.reference[None], 0)
    np.testing.assert_array_equal(back.response, traces.response[0])
    np.testing.assert_array_equal(back.protocol.command, command.command)
    assert (back.protocol.dt, back.protocol.windows) == (command.dt, command.windows)


def test_archive_holds_what_was_drawn(hhfit, protocol, tmp_path):
    out = tmp_path / "s.npz"
    hhfit("simulate", "pospischil", "--protocol", protocol, "--n", 3, "--seed", 5, "--set", "g_m=0.05", "--out", out)
    with np.load(out) as file:
        assert file["response"].shape == (3, 4, 2400)
        names, theta = file["names"].tolist(), file["theta"]
    assert (theta[:, names.index("g_m")] == 0.05).all()
    prior = models.load("pospischil").prior
    np.testing.assert_array_equal(theta[:, 0], prior.sample(3, 5)[:, 0])


def test_summary_is_one_json_document(hhfit, protocol, tmp_path):
    out = tmp_path / "s.npz"
    code, text, err = hhfit("simulate", "hh52", "--protocol", protocol, "--out", out, "--json")
    summary = json.loads(text)
    assert (code, err) == (0, "")
    assert summary["outcomes"] == {"ok": 1}
    assert summary["units"].keys() == summary["parameters"].keys()


def test_command_of_a_recording_is_injected_again(hhfit, csv, tmp_path):
    out = tmp_path / "s.npz"
    assert hhfit("simulate", "pospischil", "--protocol", csv(), "--out", out)[0] == 0
    with np.load(out) as file:
        assert file["command"].min() == -50.0


def test_bar_appears_only_when_it_takes_long(hhfit, protocol, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("hhfit.cli._console.Bars.__call__", lambda self, *words: shown.append(words))
    monkeypatch.setattr("hhfit.cli._simulate._BLOCK_BYTES", 1)
    hhfit("simulate", "pospischil", "--protocol", protocol, "--n", 2, "--out", tmp_path / "a.npz")
    assert shown == []
    monkeypatch.setattr("hhfit.cli._simulate.SHOWN_AFTER", 0.0)
    hhfit("simulate", "pospischil", "--protocol", protocol, "--n", 2, "--out", tmp_path / "b.npz")
    assert shown == [("simulating", 1, 2, ""), ("simulating", 2, 2, "")]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--set", "g_nb=5"], "unknown quantity 'g_nb' in --set; nearest are g_na"),
        (["--set", "g_na=inf"], "g_na is inf mS/cm2, must be finite"),
        (["--set", "g_na=-1"], "g_na is -1 mS/cm2, must be positive"),
        (["--set", "g_na"], "--set g_na"),
        (["--set", "g_na=1e300"], "every simulation failed"),
        (["--simulator", "nest"], "unknown simulator 'nest'"),
        (["--n", "999999999"], "GiB of memory are free"),
    ],
)
def test_wrong_values_end_with_a_sentence(hhfit, protocol, tmp_path, words, sentence):
    code, out, err = hhfit("simulate", "pospischil", "--protocol", protocol, "--out", tmp_path / "s.npz", *words)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "s.npz").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("s.txt", "must end in .npz or .nwb"), ("none/s.npz", "there is no folder"), ("there.npz", "--overwrite")],
)
def test_place_that_cannot_be_is_refused_before_anything_runs(hhfit, protocol, tmp_path, name, sentence):
    (tmp_path / "there.npz").write_text("mine")
    code, _, err = hhfit("simulate", "pospischil", "--protocol", protocol, "--out", tmp_path / name)
    assert code == 2
    assert sentence in err
    assert (tmp_path / "there.npz").read_text() == "mine"


def test_nwb_of_too_many_sweeps_is_refused(hhfit, protocol, tmp_path):
    code, _, err = hhfit("simulate", "hh52", "--protocol", protocol, "--n", "300", "--out", tmp_path / "s.nwb")
    assert code == 2
    assert "1200 sweeps, an .nwb holds at most 1000" in err


def test_features_of_a_recording_carry_units(hhfit, csv):
    path = csv()
    code, out, _ = hhfit("features", path, "--features", "subthreshold")
    assert code == 0
    assert "mV" in out
    assert "-50 pA" in out
    document = json.loads(hhfit("features", path, "--features", "subthreshold", "--json")[1])
    assert document["units"].keys() == document["rows"][0]["features"].keys()
    assert document["rows"][0]["step_pA"] == -50.0


def test_correction_moves_features(hhfit, csv):
    path = csv()
    plain, moved = (
        json.loads(hhfit("features", path, "--features", "subthreshold", "--json", *more)[1])["rows"][0]["features"]
        for more in ([], ["--ljp", "-10"])
    )
    name = next(name for name in plain if "rest" in name or "voltage" in name)
    assert moved[name] == pytest.approx(plain[name] - 10.0)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--json", "--csv"], "choose one"),
        (["--features", "nonsense"], "available:"),
        (["--features", "learned"], "samples for a network"),
        (["--sweeps", "75pA"], "no sweep has a step of 75 pA"),
    ],
)
def test_features_that_cannot_be_measured_are_refused(hhfit, csv, words, sentence):
    code, out, err = hhfit("features", csv(), *words)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_features_refuse_voltage_clamp(hhfit, recordings):
    code, _, err = hhfit("features", recordings / "abf/abf-v2.abf")
    assert code == 2
    assert "voltage-clamp" in err


def test_options_for_recordings_are_refused_for_simulated_sweeps(hhfit, protocol, tmp_path):
    out = tmp_path / "s.npz"
    hhfit("simulate", "pospischil", "--protocol", protocol, "--out", out)
    code, _, err = hhfit("features", out, "--ljp", "-10")
    assert code == 2
    assert "--ljp is for recordings" in err
