"""Axon Binary Format 1 and 2, through pyabf."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.protocol import CLAMPS
from hhfit.readers import _abf_check, _abf_command
from hhfit.readers._assemble import Sweeps, assemble
from hhfit.readers._channels import response_channel
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import reads
from hhfit.recording import Recording
from hhfit.units import factor, measures


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read the sweeps of an ABF file with the command that its header describes.

    The output is chosen by its unit and by a waveform that changes, not by its number. A file
    whose header describes no current but that holds a recorded current uses that.

    Raises:
        InputError: If it is not such a file, its units contradict each other, or it gives no command.
    """
    import pyabf

    with reads(path, "ABF"):
        _abf_check.check(path)
        abf = pyabf.ABF(str(path), cacheStimulusFiles=False)
        data = _data(abf)
        outputs = _abf_command.outputs(abf, path)
        clamp = _clamp(abf, data, outputs, path, given)
        return assemble(_sweeps(abf, data, outputs, clamp, path, given), given)


def _data(abf: Any) -> list[list[Array]]:  # noqa: ANN401 - pyabf
    """Samples of every channel and sweep."""
    lengths = [abf.sweepPointCount] * abf.sweepCount
    if hasattr(abf, "_synchArraySection") and len(set(abf._synchArraySection.lLength)) > 1:
        lengths = [length // abf.channelCount for length in abf._synchArraySection.lLength]
    bounds = np.cumsum([0, *lengths])
    return [[channel[a:b] for a, b in pairwise(bounds)] for channel in abf.data]


def _interval(abf: Any) -> float:  # noqa: ANN401
    """Sampling step [ms]; pyabf rounds the rate down to whole hertz."""
    if abf.abfVersion["major"] == 1:
        return float(abf._headerV1.fADCSampleInterval) * abf.channelCount / 1000.0
    return float(abf._protocolSection.fADCSequenceInterval) / 1000.0


def _clamp(abf: Any, data: list[list[Array]], outputs: list[Any], path: Path, given: Given) -> str:  # noqa: ANN401
    """Which clamp it is, from units and waveforms."""
    if not np.isnan(given.voltage_scale) or given.stimulus:
        return "current"
    has = {unit: [k for k, text in enumerate(abf.adcUnits) if measures(text, unit)] for unit in ("mV", "pA")}
    driven = {unit: [o for o in outputs if o.source and measures(o.unit, unit)] for unit in ("mV", "pA")}
    if has["mV"] and has["pA"] and driven["mV"] and not driven["pA"]:
        return "voltage" if _follows(abf, data[has["mV"][0]], driven["mV"][0], path) else "current"
    if has["mV"]:
        return "current"
    if has["pA"] and any(measures(output.unit, "mV") for output in outputs) and not driven["pA"]:
        return "voltage"
    units = f"inputs in {', '.join(abf.adcUnits)} and outputs in {', '.join(sorted({o.unit for o in outputs}))}"
    raise InputError(
        f"{path.name}: {units} cannot be a clamp recording; if an input is the membrane potential, "
        "pass --voltage-scale with its mV per unit"
    )


def _follows(abf: Any, potential: list[Array], output: Any, path: Path) -> bool:  # noqa: ANN401
    """Whether the recorded potential is the commanded one, as it is in voltage clamp."""
    try:
        command = _abf_command.waveforms(abf, output, path) * factor(output.unit, "mV")
    except InputError:
        return False
    recorded = np.stack(potential) * factor(abf.adcUnits[abf.adcUnits.index(output.unit)], "mV")
    if command.shape != recorded.shape or np.ptp(command) == 0:
        return False
    slope = np.polyfit(command.ravel(), recorded.ravel(), 1)[0]
    return bool(0.8 < slope < 1.2 and np.corrcoef(command.ravel(), recorded.ravel())[0, 1] > 0.95)


def _sweeps(
    abf: Any,  # noqa: ANN401
    data: list[list[Array]],
    outputs: list[Any],
    clamp: str,
    path: Path,
    given: Given,
) -> Sweeps:
    unit = CLAMPS[clamp][1]
    channel, scale = response_channel(list(abf.adcNames), list(abf.adcUnits), unit, path.name, given)
    commands: list[Array] = []
    source = missing = ""
    measured = False
    if not given.stimulus:
        commands, source, missing, measured = _commands(abf, data, outputs, clamp, path)
    known = {"protocol": str(abf.protocol), "channel": str(abf.adcNames[channel])}
    known |= {"stimulus": source, "recorded": str(abf.abfDateTimeString)}
    return Sweeps(
        name=path.name,
        clamp=clamp,
        dt=_interval(abf),
        numbers=list(range(abf.sweepCount)),
        responses=[np.asarray(sweep, float) * scale for sweep in data[channel]],
        commands=commands,
        missing=missing,
        measured=measured,
        provenance=known,
    )


def _commands(
    abf: Any,  # noqa: ANN401
    data: list[list[Array]],
    outputs: list[Any],
    clamp: str,
    path: Path,
) -> tuple[list[Array], str, str, bool]:
    """Commands of all sweeps, where they come from, why there are none, and whether they were recorded."""
    unit = CLAMPS[clamp][0]
    failures = []
    for output in outputs:
        if not output.source or not measures(output.unit, unit):
            continue
        try:
            values = _abf_command.waveforms(abf, output, path) * factor(output.unit, unit)
        except InputError as error:
            failures.append(str(error).removeprefix(f"{path.name}: "))
            continue
        if np.isfinite(values).all() and np.ptp(values) > 0:
            return list(values), f"header, output {output.name}", "", False
    for channel, text in enumerate(abf.adcUnits):
        if clamp == "current" and measures(text, unit):
            recorded = [np.asarray(sweep, float) * factor(text, unit) for sweep in data[channel]]
            return recorded, f"recorded channel {abf.adcNames[channel]}", "", True
    units = ", ".join(f"{output.name or output.number} [{output.unit}]" for output in outputs)
    reason = failures[0] if failures else f"its header describes no waveform in {unit} (outputs {units})"
    return [], "", reason, False
