"""Neurodata Without Borders 2, through pynwb, and 1 in the layout of the Allen Cell Types Database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.protocol import CLAMPS
from hhfit.readers import _hdf5, _nwb1
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
        import pynwb  # noqa: F401 - before the fork, so that it is loaded once

        return _hdf5.apart(path, lambda: _read(path, given))


def _read(path: Path, given: Given) -> Recording:
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
    """Responses of the electrode, series or stimulus that the user names, or of the only electrode."""
    names = sorted({_electrode(one) for one in responses}, key=_natural)
    if given.channel:
        chosen = [one for one in responses if given.channel in (_electrode(one), one.name, _described(one))]
        if not chosen and responses:
            kinds = sorted({_described(one) for one in responses} - {""}, key=_natural)
            said = f", or of the stimuli {', '.join(kinds[:12])}" if kinds else ""
            raise InputError(
                f"{path.name}: --channel is {given.channel!r}, must be one of the electrodes {', '.join(names)}{said}"
            )
        return chosen
    if len(names) > 1 and _overlap(responses):
        raise InputError(f"{path.name}: holds electrodes {', '.join(names)}; choose one with --channel NAME")
    return responses


def _electrode(series: Any) -> str:  # noqa: ANN401
    return str(getattr(series.electrode, "name", ""))


def _described(series: Any) -> str:  # noqa: ANN401
    """What the file calls the stimulus of a series; empty where it says nothing."""
    text = str(series.stimulus_description or "")
    return "" if text in ("N/A", "NA", "no description") else text


def _overlap(responses: list[Any]) -> bool:
    """Whether two responses belong to the same sweep."""
    numbers = [int(one.sweep_number) for one in responses if one.sweep_number is not None]
    return len(numbers) != len(set(numbers)) or not numbers


@dataclass(frozen=True, eq=False)
class _Pair:
    """A sweep: the samples of a response and of its stimulus.

    Args:
        number: Number of the sweep.
        response: Series of the response.
        stimulus: Series of the stimulus; ``None`` if there is none.
        spans: Samples of each that belong to the sweep.
    """

    number: int
    response: Any
    stimulus: Any
    spans: tuple[slice, slice] = (slice(None), slice(None))

    @property
    def kind(self) -> tuple[int, float]:
        """Number of samples, and sampling step [ms]."""
        length = len(range(*self.spans[0].indices(len(self.response.data))))
        return length, round(_interval(self.response), 9)


def _paired_sweeps(nwb: Any, responses: list[Any], clamp: str, path: Path, given: Given) -> Sweeps:  # noqa: ANN401
    """Sweeps that have a stimulus, of the most common length and rate; the others are left out, and said to be."""
    command_unit, response_unit = CLAMPS[clamp]
    found = list(_pairs(nwb, responses, clamp))
    usable = found if given.stimulus else [pair for pair in found if pair.stimulus is not None]
    if not usable:
        raise InputError(
            f"{path.name}: {found[0].response.name} has no stimulus; hhfit needs the injected current; {REMEDY}"
        )
    kinds = [pair.kind for pair in usable]
    kind = max(dict.fromkeys(kinds), key=kinds.count)
    kept = [pair for pair in usable if pair.kind == kind]
    scale = given.voltage_scale if clamp == "current" else float("nan")
    measured = [_values(pair.response, pair.spans[0], response_unit, path, scale) for pair in kept]
    commands = []
    for pair in [] if given.stimulus else kept:
        _need_same_clock(pair.response, pair.stimulus, path)
        commands.append(_values(pair.stimulus, pair.spans[1], command_unit, path, float("nan")))
    left_out = {
        "which have no stimulus": [pair.number for pair in found if pair not in usable],
        "of another length or sampling rate": [pair.number for pair in usable if pair not in kept],
    }
    known = {"description": str(nwb.session_description)[:200], "stimulus": "stimulus series of the file"}
    said = [f"sweeps {', '.join(map(str, numbers))}, {why}" for why, numbers in left_out.items() if numbers]
    known |= {"left out": "; ".join(said)} if said else {}
    numbers = [pair.number for pair in kept]
    return Sweeps(path.name, clamp, kind[1], numbers, measured, commands, measured=True, provenance=known)


def _drives(series: Any, clamp: str) -> bool:  # noqa: ANN401
    """Whether a stimulus can be that of a clamp: those of the other kind are no candidates."""
    from pynwb.icephys import CurrentClampStimulusSeries, VoltageClampStimulusSeries

    other = VoltageClampStimulusSeries if clamp == "current" else CurrentClampStimulusSeries
    return not isinstance(series, other)


def _pairs(nwb: Any, responses: list[Any], clamp: str) -> Iterable[_Pair]:  # noqa: ANN401
    """Response and stimulus of every sweep.

    Paired by the table of intracellular recordings, else by sweep number, else by order of name.
    """
    responses = sorted(responses, key=lambda one: _natural(one.name))
    by_table = _by_table(nwb)
    numbers = [one.sweep_number for one in responses]
    numbered = None not in numbers and len(set(numbers)) == len(numbers)
    numbered = numbered and all(len(rows) == 1 for rows in by_table.values())
    if numbered:
        responses = sorted(responses, key=lambda one: int(one.sweep_number))
    stimuli = [one for one in nwb.stimulus.values() if _drives(one, clamp)]
    by_number: dict[int, list[Any]] = {}
    for stimulus in stimuli:
        if stimulus.sweep_number is not None:
            by_number.setdefault(int(stimulus.sweep_number), []).append(stimulus)
    ordered = sorted(stimuli, key=lambda one: _natural(one.name))
    count = 0
    for row, response in enumerate(responses):
        number = int(response.sweep_number) if numbered else count
        if response.object_id in by_table:
            rows = by_table[response.object_id]
            for k, (stimulus, *spans) in enumerate(rows):
                yield _Pair(number + k, response, stimulus, (spans[0], spans[1]))
            count += len(rows)
            continue
        count += 1
        if numbered and by_number:
            same = by_number.get(number, [])
            same = [one for one in same if one.electrode is response.electrode] or same
            yield _Pair(number, response, same[0] if len(same) == 1 else None)
        else:
            yield _Pair(number, response, ordered[row] if len(ordered) == len(responses) else None)


def _by_table(nwb: Any) -> dict[str, list[tuple[Any, slice, slice]]]:  # noqa: ANN401
    """Stimuli of every response in the table of intracellular recordings (NWB 2.4 and later).

    With each the samples of the response, and of the stimulus, that make the sweep: a long series may hold many.
    """
    table = nwb.intracellular_recordings
    if table is None:
        return {}
    pairs: dict[str, list[tuple[Any, slice, slice]]] = {}
    for row in range(len(table)):
        stimulus = table["stimuli"]["stimulus"][row]
        response = table["responses"]["response"][row]
        if response.timeseries is not None and stimulus.timeseries is not None and stimulus.count != 0:
            entry = stimulus.timeseries, _span(response), _span(stimulus)
            pairs.setdefault(response.timeseries.object_id, []).append(entry)
    return pairs


def _span(reference: Any) -> slice:  # noqa: ANN401 - pynwb
    """Samples that a reference names; all of them where its numbers are negative."""
    if reference.count < 0 or reference.idx_start < 0:
        return slice(None)
    return slice(int(reference.idx_start), int(reference.idx_start) + int(reference.count))


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key that puts sweep 2 before sweep 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def _interval(series: Any) -> float:  # noqa: ANN401
    """Sampling step [ms], from the rate or from even timestamps."""
    if series.rate is not None:
        if not (np.isfinite(series.rate) and series.rate > 0):
            raise InputError(f"{series.name} has a rate of {series.rate} Hz, must be positive")
        return 1000.0 / float(series.rate)
    times = np.asarray(series.timestamps[()], float) if series.timestamps is not None else np.empty(0)
    steps = np.diff(times)
    if len(steps) == 0 or not np.allclose(steps, steps[0], rtol=1e-2, atol=0.0) or steps[0] <= 0:
        raise InputError(f"{series.name} has no constant sampling rate; resample it and export it again")
    return 1000.0 * float(times[-1] - times[0]) / len(steps)


def _need_same_clock(response: Any, stimulus: Any, path: Path) -> None:  # noqa: ANN401
    steps = _interval(response), _interval(stimulus)
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


def _values(series: Any, span: slice, unit: str, path: Path, given_scale: float) -> Array:  # noqa: ANN401
    """Data in hhfit's unit: conversion and offset applied, gain not, since data are stored without it."""
    data = series.data
    need_room(path, 8.0 * float(np.prod(data.shape, dtype=float)))
    values = np.asarray(data[span])
    if values.dtype.kind not in "fiu" or values.ndim != 1:
        raise InputError(
            f"{path.name}: {series.name} has shape {values.shape} and type {values.dtype}, expected a row of numbers"
        )
    if not np.isnan(given_scale):
        return values.astype(float) * given_scale
    try:
        scale = factor(str(series.unit), unit)
    except InputError as error:
        raise InputError(f"{path.name}: {series.name}: {error}; correct the unit in the file") from None
    conversion = 1.0 if series.conversion is None else float(series.conversion)
    # one factor, so that what was written in hhfit's units comes back to the last bit
    return values.astype(float) * (conversion * scale) + float(series.offset or 0.0) * scale
