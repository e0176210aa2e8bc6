"""The command of an ABF file: epochs, user lists, waveform files; read from its header.

pyabf turns the epoch table into waveforms. What it does not do is done here: outputs beyond the
number of inputs, holding levels of ABF 1, user lists, scale and offset of a waveform file, and a
refusal where the header does not hold the waveform.

Source:
    Parameter numbers of a user list and the rule for its last entry: Axon's ABF file support
    pack, ``abfheadr.h`` (10 epochs); the file ``user-list-durations.abf`` of pyABF agrees (35 is
    the duration of epoch E).
"""

import struct
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.readers import _atf

_HOLDING_ABF1, _USER_LIST_ABF1 = 1394, 3360
_EPOCHS, _WAVEFORM_FILE = 1, 2
_FIRST_LEVEL, _FIRST_DURATION, _FIRST_PERIOD, _FIRST_WIDTH, _END = 21, 31, 41, 51, 61
_TRAINS = ("Pulse", "Tri", "Cos", "BiPhsc")
_KINDS = ("Step", "Ramp", *_TRAINS)


@dataclass(frozen=True)
class Output:
    """An analog output of the recording system.

    Args:
        number: Its number.
        name: Its name.
        unit: Its unit as written in the file.
        source: 0 none, 1 epochs, 2 waveform file.
        holding: Holding level in its unit.
    """

    number: int
    name: str
    unit: str
    source: int
    holding: float


def outputs(abf: Any, path: Path) -> list[Output]:  # noqa: ANN401 - pyabf
    """Every analog output that the header describes."""
    if abf.abfVersion["major"] == 1:
        header = abf._headerV1
        _set_holding_abf1(abf, path)
        rows = zip(header.nWaveformEnable, header.nWaveformSource, strict=True)
        units, names = list(abf.dacUnits), list(abf.dacNames)
    else:
        section, words = abf._dacSection, abf._stringsSection._indexedStrings
        rows = zip(section.nWaveformEnable, section.nWaveformSource, strict=True)
        units = [words[k] for k in section.lDACChannelUnitsIndex]
        names = [words[k] for k in section.lDACChannelNameIndex]
    return [
        Output(k, names[k], units[k], int(source) if enabled else 0, float(abf.holdingCommand[k]))
        for k, (enabled, source) in enumerate(rows)
        if k < len(units)
    ]


def waveforms(abf: Any, output: Output, path: Path) -> Array:  # noqa: ANN401
    """Command of every sweep in the output's own unit, shape ``(S, T)``.

    Raises:
        InputError: If the header does not hold the waveform.
    """
    shape = abf.sweepCount, abf.sweepPointCount
    if output.source == _EPOCHS:
        return _from_epochs(abf, output, path)
    if output.source == _WAVEFORM_FILE:
        return _from_file(abf, output, path, shape)
    return np.full(shape, output.holding)


def _set_holding_abf1(abf: Any, path: Path) -> None:  # noqa: ANN401
    """Give pyabf the holding levels; it takes the first epochs' levels for them in ABF 1."""
    with path.open("rb") as file:
        file.seek(_HOLDING_ABF1)
        levels = struct.unpack("<4f", file.read(16))
    abf.holdingCommand = [level if abs(level) < 1e6 else float("nan") for level in levels]


def _from_epochs(abf: Any, output: Output, path: Path) -> Array:  # noqa: ANN401
    from pyabf.waveform import EpochTable

    table = EpochTable(abf, output.number)
    _need_decodable(abf, table, output, path)
    changes = _user_list(abf, output, path)
    rows = []
    for sweep in range(abf.sweepCount):
        if changes is not None:
            _apply(table.epochs, changes[0], changes[1][min(sweep, len(changes[1]) - 1)], sweep)
            table.epochWaveformsBySweep = table.getEpochWaveformsBySweep(abf)
        rows.append(_waveform(table.epochWaveformsBySweep[sweep], abf.sweepPointCount, path))
    return np.stack(rows)


def _waveform(epochs: Any, n_times: int, path: Path) -> Array:  # noqa: ANN401
    ends = epochs.p2s[:-1]
    if any(b < a for a, b in zip(epochs.p1s[:-1], ends, strict=True)) or max(ends, default=0) > 4 * n_times:
        raise InputError(
            f"{path.name}: its epochs end at sample {max(ends)}, its sweeps at {n_times}; the header is damaged"
        )
    if max(ends, default=0) > n_times:  # the last epoch is cut with the sweep
        epochs.p1s[-1] = epochs.p2s[-1] = max(ends)
    return np.asarray(epochs.getWaveform(), float)[:n_times]


def _need_decodable(abf: Any, table: Any, output: Output, path: Path) -> None:  # noqa: ANN401
    used = [epoch for epoch in table.epochs if epoch.duration or epoch.durationDelta]
    old = abf.abfVersion["major"] == 1
    for epoch in used:
        kind = epoch.epochTypeStr
        if kind not in _KINDS or (old and kind in _TRAINS):
            version = "ABF 1" if old else "ABF 2"
            raise InputError(
                f"{path.name}: epoch {epoch.epochLetter} of output {output.name} is of type {kind} "
                f"({epoch.epochType}), which cannot be decoded in {version}; pass --stimulus, or export as ATF"
            )
    lengths = [abs(epoch.duration) + abs(epoch.durationDelta) * abf.sweepCount for epoch in used]
    if sum(lengths) > 8 * abf.sweepPointCount:
        raise InputError(
            f"{path.name}: its epochs last {sum(lengths)} samples and its sweeps {abf.sweepPointCount}; "
            "the header is damaged, so pass --stimulus"
        )


def _user_list(abf: Any, output: Output, path: Path) -> tuple[int, list[float]] | None:  # noqa: ANN401
    """Number of the parameter that a user list sets and its value for every sweep, if there is one."""
    if abf.abfVersion["major"] == 1:
        with path.open("rb") as file:
            file.seek(_USER_LIST_ABF1)
            enabled = any(file.read(8)) and abf._headerV1.fFileVersionNumber >= 1.6
        if enabled:
            raise InputError(
                f"{path.name}: its stimulus follows a user list, which cannot be decoded in ABF 1; pass --stimulus"
            )
        return None
    section = abf._userListSection
    with path.open("rb") as file:
        for k in range(section._entryCount):
            file.seek(section._byteStart + k * section._entrySize)
            number, enabled, parameter, repeat = struct.unpack("<4h", file.read(8))
            if enabled and number == output.number and parameter >= _FIRST_LEVEL:
                values = abf.userList
                if not values or section._entryCount > 1 or parameter >= _END:
                    raise InputError(
                        f"{path.name}: the user list of output {output.name} (parameter {parameter}) is unknown; "
                        "pass --stimulus"
                    )
                cycles = -(-abf.sweepCount // len(values)) if repeat else 1
                return parameter, list(values) * cycles
    return None


def _apply(epochs: list[Any], parameter: int, value: float, sweep: int) -> None:
    """Set one epoch's parameter for one sweep; the increment per sweep does not apply then."""
    number = (parameter - 1) % 10
    for epoch in epochs:
        if epoch.epochNumber != number:
            continue
        if parameter < _FIRST_DURATION:
            epoch.level, epoch.levelDelta = float(value), 0.0
        elif parameter < _FIRST_PERIOD:
            epoch.duration, epoch.durationDelta = int(value), 0
        elif parameter < _FIRST_WIDTH:
            epoch.pulsePeriod = int(value)
        else:
            epoch.pulseWidth = int(value)


def _from_file(abf: Any, output: Output, path: Path, shape: tuple[int, int]) -> Array:  # noqa: ANN401
    """Waveforms of the file that the header names, looked for beside the recording only."""
    if abf.abfVersion["major"] == 1:
        raw = abf._headerV1.sDACFilePath
        named = (raw if isinstance(raw, list | tuple) else [raw])[min(output.number, 1)]
        named = named.decode("ascii", "ignore") if isinstance(named, bytes) else str(named)
        scale, offset = (getattr(abf._headerV1, key)[output.number] for key in ("fDACFileScale", "fDACFileOffset"))
    else:
        section = abf._dacSection
        named = abf._stringsSection._indexedStrings[section.lDACFilePathIndex[output.number]]
        scale, offset = section.fDACFileScale[output.number], section.fDACFileOffset[output.number]
    name = PureWindowsPath(named.replace("\x00", "").strip()).name
    beside = [found for found in path.parent.iterdir() if found.name.lower() == name.lower()] if name else []
    if not beside or not name.lower().endswith(".atf"):
        raise InputError(
            f"{path.name}: its stimulus is in another file, {name or 'of unknown name'!r}; "
            "put that ATF file beside it, or pass --stimulus"
        )
    table = _atf.table(beside[0]).columns[1:]
    rows = [table[min(sweep, len(table) - 1)] for sweep in range(shape[0])]
    if len(rows[0]) != shape[1] or len(table) not in (1, shape[0]):
        raise InputError(
            f"{path.name}: has {shape[0]} sweeps of {shape[1]} samples and its stimulus file {beside[0].name} "
            f"{len(table)} waveforms of {len(rows[0])}; pass --stimulus"
        )
    return np.stack(rows) * float(scale) + float(offset)
