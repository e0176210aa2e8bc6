"""Neurodata Without Borders 2, through pynwb."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.errors import InputError
from hhfit.readers._assemble import Sweep, assemble
from hhfit.recording import Recording
from hhfit.units import factor

_UNITS = {"current": ("pA", "mV"), "voltage": ("mV", "pA")}


def read(path: Path) -> Recording:
    """Read the current- or voltage-clamp sweeps of an NWB 2 file.

    Raises:
        InputError: If it is not such a file, or a response has no stimulus.
    """
    import warnings

    from pynwb import NWBHDF5IO

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with NWBHDF5IO(str(path), "r", load_namespaces=True) as file:
                return _recording(file.read(), path.name)
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"{path.name}: cannot be read as NWB 2: {type(error).__name__}: {error}") from None


def _recording(nwb: Any, name: str) -> Recording:  # noqa: ANN401 - pynwb
    from pynwb.icephys import CurrentClampSeries, VoltageClampSeries

    for clamp, kind in (("current", CurrentClampSeries), ("voltage", VoltageClampSeries)):
        responses = [series for series in nwb.acquisition.values() if isinstance(series, kind)]
        if responses:
            pairs = _paired(nwb, responses, name)
            sweeps = [_sweep(response, stimulus, clamp, number, name) for number, response, stimulus in pairs]
            return assemble(sweeps, clamp, name)
    raise InputError(f"{name}: holds no CurrentClampSeries or VoltageClampSeries; hhfit reads intracellular recordings")


def _paired(nwb: Any, responses: list[Any], name: str) -> Iterable[tuple[int, Any, Any]]:  # noqa: ANN401
    stimuli = list(nwb.stimulus.values())
    responses = sorted(responses, key=lambda series: _natural(series.name))
    by_number = {int(s.sweep_number): s for s in stimuli if s.sweep_number is not None}
    ordered = sorted(stimuli, key=lambda series: _natural(series.name))
    for row, response in enumerate(responses):
        number = row if response.sweep_number is None else int(response.sweep_number)
        if response.sweep_number is not None and number in by_number:
            yield number, response, by_number[number]
        elif response.sweep_number is None and len(ordered) == len(responses):
            yield number, response, ordered[row]
        else:
            raise InputError(
                f"{name}: {response.name} has no stimulus; hhfit needs the injected current of every sweep"
            )


def _natural(text: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def _sweep(response: Any, stimulus: Any, clamp: str, number: int, name: str) -> Sweep:  # noqa: ANN401
    command_unit, response_unit = _UNITS[clamp]
    if response.rate is None or stimulus.rate is None:
        raise InputError(f"{name}: {response.name} has no sampling rate; export it with a constant one")
    if abs(response.rate / stimulus.rate - 1) > 1e-6:
        raise InputError(
            f"{name}: {response.name} is sampled at {response.rate:g} Hz, its stimulus at {stimulus.rate:g} Hz"
        )
    return Sweep(
        number, _values(response, response_unit, name), _values(stimulus, command_unit, name), 1000 / response.rate
    )


def _values(series: Any, unit: str, name: str) -> Any:  # noqa: ANN401
    try:
        scale = factor(series.unit, unit)
    except InputError as error:
        raise InputError(f"{name}: {series.name}: {error}") from None
    data = np.asarray(series.data[()], float) * float(series.conversion or 1.0) + float(series.offset or 0.0)
    return data * scale
