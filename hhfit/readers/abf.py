"""Axon Binary Format 1 and 2, through pyabf."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.readers._assemble import Sweep, assemble
from hhfit.recording import Recording
from hhfit.units import factor, measures

_RESPONSE = {"current": "mV", "voltage": "pA"}
_COMMAND = {"current": "pA", "voltage": "mV"}


def read(path: Path) -> Recording:
    """Read the sweeps of an ABF file with the command that its header describes.

    Raises:
        InputError: If it is not such a file, its units contradict each other, or its header gives
            no command.
    """
    import pyabf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            abf = pyabf.ABF(str(path))
            clamp = _clamp(abf, path.name)
            adc = _channel(abf.adcUnits, _RESPONSE[clamp])
            dac, waveforms = _command(abf, clamp, path.name)
            return assemble(_sweeps(abf, clamp, adc, dac, waveforms), clamp, path.name)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{path.name}: cannot be read as ABF: {type(error).__name__}: {error}") from None


def _clamp(abf: Any, name: str) -> str:  # noqa: ANN401 - pyabf
    has = {unit: any(measures(u, unit) for u in abf.adcUnits) for unit in ("mV", "pA")}
    commands = {unit: any(measures(u, unit) for u in abf.dacUnits) for unit in ("mV", "pA")}
    if has["mV"]:
        return "current"
    if has["pA"] and commands["mV"]:
        return "voltage"
    units = f"inputs in {', '.join(abf.adcUnits)} and outputs in {', '.join(abf.dacUnits)}"
    raise InputError(f"{name}: {units} cannot be a clamp recording; correct the units in the header, or export to CSV")


def _channel(units: list[str], unit: str) -> int:
    return next(k for k, text in enumerate(units) if measures(text, unit))


def _command(abf: Any, clamp: str, name: str) -> tuple[int, Array]:  # noqa: ANN401
    """Output channel whose waveform changes and has the command's unit, with its waveforms ``(S, T)``."""
    for dac, stimulus in enumerate(abf.stimulusByChannel):
        if dac >= len(abf.dacUnits) or not measures(abf.dacUnits[dac], _COMMAND[clamp]):
            continue
        waveforms = np.stack([stimulus.stimulusWaveform(sweep) for sweep in abf.sweepList])
        if np.isfinite(waveforms).all() and np.ptp(waveforms) > 0:
            return dac, waveforms
    raise InputError(
        f"{name}: its header describes no stimulus in {_COMMAND[clamp]}; hhfit needs the injected current, "
        "so export voltage and current to CSV"
    )


def _sweeps(abf: Any, clamp: str, adc: int, dac: int, waveforms: Array) -> list[Sweep]:  # noqa: ANN401
    scale = factor(abf.adcUnits[adc], _RESPONSE[clamp]), factor(abf.dacUnits[dac], _COMMAND[clamp])
    sweeps = []
    for number in abf.sweepList:
        abf.setSweep(number, channel=adc)
        response = np.asarray(abf.sweepY, float) * scale[0]
        sweeps.append(Sweep(int(number), response, waveforms[number] * scale[1], 1000.0 / abf.dataRate))
    return sweeps
