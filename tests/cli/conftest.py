"""The command line, run in this process."""

import sys

import numpy as np
import pytest

from hhfit import cli


@pytest.fixture
def hhfit(monkeypatch, capsys):
    """Run ``hhfit ARGS`` and return exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hhfit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


@pytest.fixture
def csv(tmp_path):
    """Write a synthetic current-clamp CSV: an RC response of 100 MOhm and 20 ms to a step."""

    def write(name: str = "cell.csv", amplitude: float = -50.0, **changed: object) -> str:
        time = np.arange(0, 400, 0.1)
        inside = (time >= 100) & (time < 300)
        current = amplitude * inside
        rise = 1 - np.exp(-np.clip(time - 100, 0, None) / 20)
        fall = np.exp(-np.clip(time - 300, 0, None) / 20)
        voltage = -70 + 0.1 * amplitude * rise * np.where(time < 300, 1, fall)
        columns = {"time_ms": time, "voltage_mv": voltage, "current_pa": current} | changed
        path = tmp_path / name
        np.savetxt(path, np.column_stack(list(columns.values())), delimiter=",", header=",".join(columns), comments="")
        return str(path)

    return write
