"""Wrong input ends with exit 2, one sentence, and nothing written."""

from pathlib import Path

import numpy as np
import pytest


def refused(hhfit, tmp_path, *arguments: str) -> str:
    """Run ``hhfit fit`` and return its sentence after checking how it ended."""
    out = tmp_path / "run"
    code, stdout, stderr = hhfit("fit", *arguments, "--out", out)
    assert code == 2
    assert stdout == ""
    assert stderr.startswith("hhfit: ")
    assert stderr.count("\n") == 1
    assert "Traceback" not in stderr
    assert not out.exists()
    return stderr


def test_missing_file(hhfit, tmp_path):
    assert "no such file" in refused(hhfit, tmp_path, tmp_path / "none.abf")


@pytest.mark.parametrize("suffix", ["abf", "nwb", "csv", "pkl"])
def test_unreadable_file(hhfit, tmp_path, suffix):
    path = tmp_path / f"broken.{suffix}"
    path.write_bytes(b"\x00\x01not a recording" * 50)
    assert f"broken.{suffix}" in refused(hhfit, tmp_path, path)


def test_unknown_format(hhfit, tmp_path):
    path = tmp_path / "cell.xyz"
    path.write_text("?")
    assert "available:" in refused(hhfit, tmp_path, path)


def test_voltage_clamp_file(hhfit, tmp_path, recordings):
    assert "voltage-clamp" in refused(hhfit, tmp_path, recordings / "abf/abf-v2.abf")


def test_file_without_stimulus(hhfit, tmp_path, csv):
    assert "stimulus" in refused(hhfit, tmp_path, csv(amplitude=0.0))


def test_unknown_model(hhfit, tmp_path, csv):
    assert "available: " in refused(hhfit, tmp_path, csv(), "--model", "pospichil")


@pytest.mark.parametrize("option", ["--features", "--method", "--simulator"])
def test_unknown_name(hhfit, tmp_path, csv, option):
    assert "'nonsense'" in refused(hhfit, tmp_path, csv(), option, "nonsense")


def test_sweep_that_does_not_exist(hhfit, tmp_path, csv):
    assert "no sweep 7" in refused(hhfit, tmp_path, csv(), "--sweeps", "7")


@pytest.mark.parametrize("sweeps", ["a", "3-1", "0,0", "-1"])
def test_sweeps_that_are_no_list(hhfit, tmp_path, csv, sweeps):
    assert "--sweeps" in refused(hhfit, tmp_path, csv(), f"--sweeps={sweeps}")


def test_conductance_that_is_not_positive(hhfit, tmp_path, csv):
    assert "must be positive" in refused(hhfit, tmp_path, csv(), "--set", "g_na=-5")


def test_unknown_quantity(hhfit, tmp_path, csv):
    assert "unknown quantity 'g_x'" in refused(hhfit, tmp_path, csv(), "--set", "g_x=5")


def test_nan_in_the_voltage(hhfit, tmp_path, csv):
    voltage = np.full(4000, -70.0)
    voltage[2000] = np.nan
    assert "NaN" in refused(hhfit, tmp_path, csv(voltage_mv=voltage))


@pytest.mark.parametrize("area", ["0", "-3", "big"])
def test_area_that_cannot_be(hhfit, tmp_path, csv, area):
    assert "--area" in refused(hhfit, tmp_path, csv(), f"--area={area}")


@pytest.mark.parametrize("window", ["0", "300,200", "0,9999", "0,200"])
def test_window_that_cannot_be(hhfit, tmp_path, csv, window):
    assert "window" in refused(hhfit, tmp_path, csv(), "--window", window)


def test_too_few_simulations(hhfit, tmp_path, csv):
    assert "at least 50" in refused(hhfit, tmp_path, csv(), "--simulations", "100", "--rounds", "5")


def test_output_folder_that_holds_a_run(hhfit, tmp_path, csv):
    out = tmp_path / "run"
    out.mkdir()
    (out / "fit.toml").write_text("schema = 1\n")
    code, _, stderr = hhfit("fit", csv(), "--out", out)
    assert code == 2
    assert "--overwrite" in stderr
    assert "hhfit resume" in stderr
    assert [path.name for path in Path(out).iterdir()] == ["fit.toml"]
