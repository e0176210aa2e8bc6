"""The commands that look."""

import json
import shlex

import pytest

from hhfit import library, plugins


def test_inspect_shows_every_sweep(hhfit, csv):
    code, out, _ = hhfit("inspect", csv())
    assert code == 0
    assert "-50.0" in out
    assert "stimulus [ms]" in out
    assert "step [pA]" in out
    assert "100 MOhm" in out
    assert "hhfit fit" in out


def test_inspect_draws_an_overview_where_it_is_told_to(hhfit, csv, tmp_path):
    path = tmp_path / "cell.png"
    code, out, _ = hhfit("inspect", csv(), "--png", path)
    assert code == 0
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert f"overview: {path}" in out


@pytest.mark.parametrize(("place", "words"), [("cell.jpg", "must end in .png"), ("none/cell.png", "cannot be written")])
def test_inspect_refuses_a_place_that_it_cannot_draw_to(hhfit, csv, tmp_path, place, words):
    code, out, err = hhfit("inspect", csv(), "--png", tmp_path / place)
    assert code == 2
    assert words in err
    assert out == ""


def test_inspect_prints_a_fit_command_that_can_be_typed(hhfit, csv, tmp_path, monkeypatch):
    path = csv("my cell.csv", amplitude=0.0)
    said = ["--stimulus", "on=100 off=300 amplitudes=-50", "--ljp", "-14", "--bridge=12.5"]
    _, out, _ = hhfit("inspect", path, *said, "--json")
    words = shlex.split(json.loads(out)["fit"])
    assert words[:5] == ["hhfit", "fit", path, "--sweeps", "0"]
    monkeypatch.setattr("hhfit.pipeline.fit", lambda *given, **_: pytest.fail(repr(given[3])))
    with pytest.raises(pytest.fail.Exception, match=r"ljp=-14.0.*sweeps=\(0,\).*bridge=12.5"):
        hhfit(*words[1:])


def test_what_the_experimenter_says_is_no_longer_unknown(hhfit, csv):
    _, out, _ = hhfit("inspect", csv(), "--ljp", "-14", "--json")
    summary = json.loads(out)
    assert summary["unknown"] == ["temperature", "bridge balance"]
    assert summary["sweeps"][0]["rest"] == pytest.approx(-84.0)


def test_bridge_is_taken_off_the_potential(hhfit, csv):
    _, out, _ = hhfit("inspect", csv(), "--bridge", "30", "--json")
    assert json.loads(out)["passive"]["resistance_mohm"] == pytest.approx(100.0, rel=0.02)  # a jump is no membrane
    code, _, err = hhfit("inspect", csv(), "--bridge", "-3")
    assert code == 2
    assert "--bridge is -3 MOhm, must be from 0 to 500 MOhm" in err


def test_inspect_prints_json_and_nothing_else(hhfit, csv):
    _, out, err = hhfit("inspect", csv(), "--json")
    summary = json.loads(out)
    assert err == ""
    assert summary["sweeps"][0]["spikes"] == 0
    assert summary["passive"]["resistance_mohm"] == pytest.approx(100.0, rel=0.02)
    assert summary["passive"]["tau_ms"] == pytest.approx(20.0, rel=0.05)


def test_inspect_says_that_voltage_clamp_cannot_be_fitted(hhfit, recordings):
    code, out, _ = hhfit("inspect", recordings / "abf/abf-v2.abf")
    assert code == 0
    assert "voltage-clamp" in out
    assert "fit it with" not in out


@pytest.mark.parametrize("kind", ["models", "features", "protocols", "simulators", "methods", "formats"])
def test_list_names_everything_with_a_title(hhfit, kind):
    _, out, _ = hhfit("list", kind, "--json")
    titles = json.loads(out)
    folders = {"models": "models", "features": "features", "protocols": "data/protocols"}
    known = (
        library.names(folders[kind])
        if kind in folders
        else plugins.names({"simulators": "simulators", "methods": "inference", "formats": "readers"}[kind])
    )
    assert list(titles) == known
    assert all(titles.values())


def test_list_refuses_an_unknown_kind(hhfit):
    code, _, err = hhfit("list", "neurons")
    assert code == 2
    assert "models" in err


def test_doctor_simulates_in_a_worker(hhfit):
    code, out, _ = hhfit("doctor", "--json")
    checks = json.loads(out)
    assert code == 0
    assert "worker" in checks["simulation"]["detail"]


def test_doctor_says_what_is_missing(hhfit, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    code, out, _ = hhfit("doctor", "--json")
    assert code == 1
    assert "apt-get install g++" in json.loads(out)["c++ compiler"]["detail"]


@pytest.mark.parametrize(
    "command", ["fit", "resume", "check", "demo", "inspect", "features", "simulate", "list", "doctor"]
)
def test_help_teaches_by_an_example(hhfit, command):
    code, out, _ = hhfit(command, "--help")
    assert code == 0
    assert f"hhfit {command}" in out


@pytest.mark.parametrize(("word", "expected"), [("good", 0), ("doubtful", 0), ("bad", 3)])
def test_check_ends_with_3_only_when_the_verdict_is_bad(hhfit, tmp_path, word, expected):
    verdict = {"word": word, "reasons": [{"level": word, "sentence": "Because."}]}
    (tmp_path / "summary.json").write_text(json.dumps({"checks": {"verdict": verdict}}))
    code, out, _ = hhfit("check", tmp_path)
    assert code == expected
    assert f"verdict: {word}" in out
    assert "Because." in out


def test_check_refuses_a_folder_without_a_finished_run(hhfit, tmp_path):
    code, _, err = hhfit("check", tmp_path)
    assert code == 2
    assert "hhfit resume" in err


def test_stimulus_of_the_user_replaces_a_missing_one(hhfit, csv, tmp_path):
    path = csv(amplitude=0.0)
    assert hhfit("inspect", path)[0] == 2
    code, out, _ = hhfit("inspect", path, "--stimulus", "on=100 off=300 amplitudes=-50", "--json")
    assert code == 0
    assert json.loads(out)["sweeps"][0]["step"] == -50.0
