"""Neurodata Without Borders 2, through pynwb, and 1 in the layout of the Allen Cell Types Database."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.protocol import CLAMPS
from hhfit.readers import _nwb1
from hhfit.readers._assemble import REMEDY, Sweeps, assemble
from hhfit.readers._given import NOTHING, Given
from hhfit.readers._guard import need_room, reads
from hhfit.recording import Recording
from hhfit.units import factor


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read the current-clamp sweeps of an NWB file, or its voltage-clamp sweeps if it has no others.

    Raises:
        InputError: If it is not such a file, or a response has no stimulus.
    """
    with reads(path, "NWB"):
        if _nwb1.is_version_1(path):
            return assemble(_nwb1.sweeps(path), given)
        from pynwb import NWBHDF5IO

        with NWBHDF5IO(str(path), "r", load_namespaces=True) as file:
            return assemble(_sweeps(file.read(), path, given), given)


def _sweeps(nwb: Any, path: Path, given: Given) -> Sweeps:  # noqa: ANN401 - pynwb
    from pynwb.icephys import CurrentClampSeries, IZeroClampSeries, VoltageClampSeries

    for clamp, kind in (("current", CurrentClampSeries), ("voltage", VoltageClampSeries)):
        responses = [one for one in nwb.acquisition.values() if isinstance(one, kind)]
        responses = [one for one in responses if not isinstance(one, IZeroClampSeries)]
        responses = _of_one_cell(responses, path, given)
        if responses:
            return _paired_sweeps(nwb, responses, clamp, path, given)
    held = sorted({type(one).__name__ for one in nwb.acquisition.values()}) or ["nothing"]
    raise InputError(
        f"acquisition holds {', '.join(held)}, expected CurrentClampSeries; hhfit reads intracellular recordings"
    )


def _of_one_cell(responses: list[Any], path: Path, given: Given) -> list[Any]:
    """Responses of the electrode that the user names, or of the only one."""
    names = sorted({str(getattr(one.electrode, "name", "")) for one in responses}, key=_natural)
    if given.channel:
        responses = [one for one in responses if getattr(one.electrode, "name", "") == given.channel]
        if not responses and names:
            raise InputError(
                f"{path.name}: --channel is {given.channel!r}, must be one of the electrodes {', '.join(names)}"
            )
        return responses
    if len(names) > 1 and _overlap(responses):
        raise InputError(f"{path.name}: holds electrodes {', '.join(names)}; choose one with --channel NAME")
    return responses


def _overlap(responses: list[Any]) -> bool:
    """Whether two responses belong to the same sweep."""
    numbers = [int(one.sweep_number) for one in responses if one.sweep_number is not None]
    return len(numbers) != len(set(numbers)) or not numbers


def _paired_sweeps(nwb: Any, responses: list[Any], clamp: str, path: Path, given: Given) -> Sweeps:  # noqa: ANN401
    command_unit, response_unit = CLAMPS[clamp]
    numbers, measured, commands, missing = [], [], [], ""
    for number, response, stimulus in _pairs(nwb, responses):
        numbers.append(number)
        measured.append(_values(response, response_unit, path))
        if stimulus is None and not given.stimulus:
            raise InputError(
                f"{path.name}: {response.name} has no stimulus; hhfit needs the injected current; {REMEDY}"
            )
        if stimulus is not None and not given.stimulus:
            _need_same_clock(response, stimulus, path)
            commands.append(_values(stimulus, command_unit, path))
    steps = {round(_interval(response, path), 9) for response in responses}
    if len(steps) > 1:
        raise InputError(
            f"{path.name}: its sweeps are sampled every {min(steps):g} to {max(steps):g} ms, must be alike; "
            "export sweeps of one rate to CSV"
        )
    known = {"description": str(nwb.session_description)[:200], "stimulus": "stimulus series of the file"}
    return Sweeps(path.name, clamp, steps.pop(), numbers, measured, commands, missing, measured=True, provenance=known)


def _pairs(nwb: Any, responses: list[Any]) -> Iterable[tuple[int, Any, Any]]:  # noqa: ANN401
    """Number, response and stimulus of every sweep.

    Paired by the table of intracellular recordings, else by sweep number, else by order of name.
    """
    responses = sorted(responses, key=lambda one: _natural(one.name))
    numbers = [one.sweep_number for one in responses]
    numbered = None not in numbers and len(set(numbers)) == len(numbers)
    if numbered:
        responses = sorted(responses, key=lambda one: int(one.sweep_number))
    stimuli = list(nwb.stimulus.values())
    by_table = _by_table(nwb)
    by_number: dict[int, list[Any]] = {}
    for stimulus in stimuli:
        if stimulus.sweep_number is not None:
            by_number.setdefault(int(stimulus.sweep_number), []).append(stimulus)
    ordered = sorted(stimuli, key=lambda one: _natural(one.name))
    for row, response in enumerate(responses):
        number = int(response.sweep_number) if numbered else row
        if response.object_id in by_table:
            yield number, response, by_table[response.object_id]
        elif numbered and by_number:
            same = by_number.get(number, [])
            same = [one for one in same if one.electrode is response.electrode] or same
            yield number, response, same[0] if len(same) == 1 else None
        else:
            yield number, response, ordered[row] if len(ordered) == len(responses) else None


def _by_table(nwb: Any) -> dict[str, Any]:  # noqa: ANN401
    """Stimulus of every response in the table of intracellular recordings (NWB 2.4 and later)."""
    table = nwb.intracellular_recordings
    if table is None:
        return {}
    pairs = {}
    for row in range(len(table)):
        stimulus = table["stimuli"]["stimulus"][row]
        response = table["responses"]["response"][row]
        if response.timeseries is not None and stimulus.timeseries is not None and stimulus.count != 0:
            pairs[response.timeseries.object_id] = stimulus.timeseries
    return pairs


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key that puts sweep 2 before sweep 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def _interval(series: Any, path: Path) -> float:  # noqa: ANN401
    """Sampling step [ms], from the rate or from even timestamps."""
    if series.rate is not None:
        if not (np.isfinite(series.rate) and series.rate > 0):
            raise InputError(f"{path.name}: {series.name} has a rate of {series.rate} Hz, must be positive")
        return 1000.0 / float(series.rate)
    times = np.asarray(series.timestamps[()], float) if series.timestamps is not None else np.empty(0)
    steps = np.diff(times)
    if len(steps) == 0 or not np.allclose(steps, steps[0], rtol=1e-2, atol=0.0) or steps[0] <= 0:
        raise InputError(f"{path.name}: {series.name} has no constant sampling rate; resample it and export it again")
    return 1000.0 * float(times[-1] - times[0]) / len(steps)


def _need_same_clock(response: Any, stimulus: Any, path: Path) -> None:  # noqa: ANN401
    steps = _interval(response, path), _interval(stimulus, path)
    if abs(steps[0] / steps[1] - 1) > 1e-6:
        raise InputError(
            f"{path.name}: {response.name} is sampled every {steps[0]:g} ms and its stimulus every {steps[1]:g} ms, "
            "must be alike; resample the stimulus"
        )
    starts = [0.0 if one.starting_time is None else float(one.starting_time) for one in (response, stimulus)]
    shift = 1000.0 * (starts[1] - starts[0])
    if response.rate is not None and stimulus.rate is not None and abs(shift) > 0.5 * steps[0]:
        raise InputError(
            f"{path.name}: the stimulus of {response.name} starts {shift:g} ms after it, must start with it; "
            "cut both to the same stretch"
        )


def _values(series: Any, unit: str, path: Path) -> Array:  # noqa: ANN401
    """Data in hhfit's unit: conversion and offset applied, gain not, since data are stored without it."""
    try:
        scale = factor(str(series.unit), unit)
    except InputError as error:
        raise InputError(f"{path.name}: {series.name}: {error}; correct the unit in the file") from None
    data = series.data
    need_room(path, 8.0 * float(np.prod(data.shape, dtype=float)))
    values = np.asarray(data[()])
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        raise InputError(
            f"{path.name}: {series.name} has shape {values.shape} and type {values.dtype}, expected a row of numbers"
        )
    conversion = 1.0 if series.conversion is None else float(series.conversion)
    # one factor, so that what was written in hhfit's units comes back to the last bit
    return values.astype(float) * (conversion * scale) + float(series.offset or 0.0) * scale
