"""HEKA PatchMaster, through myokit."""

import gc
from pathlib import Path
from typing import Any

import numpy as np

from hhfit import plausibility
from hhfit.errors import InputError
from hhfit.protocol import CLAMPS
from hhfit.readers import _signals
from hhfit.readers._assemble import REMEDY, Sweeps, assemble
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import reads
from hhfit.recording import Recording

_BASE = {"mV": ("V", 1e3), "pA": ("A", 1e12)}


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read one series with the stimulus that its template describes.

    A file with several series needs ``given.channel``, such as ``1.2`` for the second series of
    the first group. A stored holding current that the potential contradicts is not believed:
    zero takes its place if the potential agrees with that.

    Raises:
        InputError: If it is not such a file, or its stimulus cannot be told.
    """
    heka = _signals.require("myokit.formats.heka", "HEKA PatchMaster files")
    with reads(path, "a HEKA PatchMaster file"):
        if path.read_bytes()[:4] not in (b"DAT2", b"DAT1"):
            raise InputError(
                "is no HEKA bundle; it should begin with DAT1 or DAT2, so export it again from PatchMaster"
            )
        with _opened(heka, path) as file:
            label, series = _series(file, path, given)
            raw = _sweeps(series, label, path, given)
        recording = assemble(raw, given)
        return recording if given.stimulus or raw.clamp != "current" else _with_credible_holding(recording, raw, given)


def _opened(heka: Any, path: Path) -> Any:  # noqa: ANN401 - myokit
    """The file; myokit leaves it open when it fails, so that is closed here, where its warning is silenced."""
    try:
        return heka.PatchMasterFile(str(path))
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:100]}"
    gc.collect()
    raise InputError(f"cannot be read as a HEKA PatchMaster file ({reason}); copy the file again")


def _series(file: Any, path: Path, given: Given) -> tuple[str, Any]:  # noqa: ANN401 - myokit
    found = {
        f"{g + 1}.{s + 1}": series for g, group in enumerate(file) for s, series in enumerate(group) if len(series) > 0
    }
    if given.channel:
        if given.channel not in found:
            raise InputError(f"--channel is {given.channel!r}, must be one of the series {_labels(found)}")
        return given.channel, found[given.channel]
    if len(found) != 1:
        raise InputError(
            f"holds {len(found)} series ({_labels(found)}); choose one with --channel, such as --channel 1.1"
        )
    return next(iter(found.items()))


def _labels(found: dict[str, Any]) -> str:
    return ", ".join(f"{place} {series.label()!r}" for place, series in list(found.items())[:12]) or "none"


def _sweeps(series: Any, label: str, path: Path, given: Given) -> Sweeps:  # noqa: ANN401
    traces = {unit: [k for k, text in enumerate(series.channel_units()) if _is(text, unit)] for unit in ("mV", "pA")}
    drives = {unit: [k for k, text in enumerate(series.da_units()) if _is(text, unit)] for unit in ("mV", "pA")}
    clamp = "current" if traces["mV"] and (drives["pA"] or given.stimulus or not drives["mV"]) else "voltage"
    command_unit, unit = CLAMPS[clamp]
    if not traces[unit]:
        raise InputError(
            f"series {label} holds no trace in {unit} (traces: {', '.join(series.channel_names())}); choose another"
        )
    numbers = range(len(series))
    values = [
        np.asarray(series[k][traces[unit][0]].values(), float) * _scale(series.channel_units()[traces[unit][0]], unit)
        for k in numbers
    ]
    times = np.asarray(series[0][traces[unit][0]].times(), float)
    commands: list[Any] = []
    missing = f"series {label} has no output in {command_unit}"
    if drives[command_unit] and not given.stimulus:
        try:
            place = drives[command_unit][0]
            rows = series.da(place, join_sweeps=False)[1]
            commands = [np.asarray(row, float) * _scale(series.da_units()[place], command_unit) for row in rows]
        except Exception as error:
            missing = f"the stimulus of series {label} cannot be reconstructed ({str(error).splitlines()[0][:80]})"
    known = {"stimulus": f"stimulus template of series {label} {series.label()!r}", "series": label}
    dt = 1000.0 * float(times[-1] - times[0]) / (len(times) - 1)
    return Sweeps(path.name, clamp, dt, list(numbers), values, commands[: len(values)], missing, False, known)


def _is(text: Any, unit: str) -> bool:  # noqa: ANN401 - myokit unit
    import myokit

    return myokit.Unit.can_convert(text, getattr(myokit.units, _BASE[unit][0]))


def _scale(text: Any, unit: str) -> float:  # noqa: ANN401
    import myokit

    return float(myokit.Unit.conversion_factor(text, getattr(myokit.units, _BASE[unit][0])).value()) * _BASE[unit][1]


def _with_credible_holding(recording: Recording, raw: Sweeps, given: Given) -> Recording:
    """The recording, with a holding current of zero if the stored one contradicts the potential and zero does not."""
    if not plausibility.answer(recording).reason:
        return recording
    stored = float(recording.protocol.command[0, 0])
    commands = [np.where(np.isclose(command, stored), 0.0, command) for command in raw.commands]
    source = f"{raw.provenance['stimulus']}; its holding of {stored:.0f} pA contradicts the potential, 0 pA was taken"
    known = {**raw.provenance, "stimulus": source}
    other = assemble(Sweeps(raw.name, raw.clamp, raw.dt, raw.numbers, raw.responses, commands, "", False, known), given)
    reason = plausibility.answer(other).reason
    if reason:
        raise InputError(f"its stimulus contradicts the potential: with a holding of 0 pA, {reason}; {REMEDY}")
    return other
