"""Write recordings so that others can read them: NWB 2."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import InputError
from hhfit.recording import Recording

MV_IN_V = 1e-3
PA_IN_A = 1e-12


def write_nwb(recording: Recording, path: str | Path, *, description: str) -> None:
    """Write a current-clamp recording as NWB 2, so that reading it gives the same numbers to the last bit.

    Args:
        recording: The recording; its provenance goes into the file's notes.
        path: File to write; a file of that name is replaced.
        description: What it is; say here if it is synthetic.

    Raises:
        InputError: If it is not current clamp.
    """
    from pynwb import NWBHDF5IO, NWBFile

    if recording.protocol.clamp != "current":
        raise InputError(f"{recording.name}: only current-clamp recordings can be written")
    nwb = NWBFile(
        session_description=description,
        identifier=f"{recording.name}-{len(recording.sweeps)}-sweeps",
        session_start_time=datetime(2000, 1, 1, tzinfo=UTC),
        notes="; ".join(f"{key}: {value}" for key, value in recording.provenance.items()),
    )
    device = nwb.create_device(name="amplifier")
    electrode = nwb.create_icephys_electrode(name="electrode", description="whole cell", device=device)
    for row, number in enumerate(recording.sweeps.tolist()):
        _add_sweep(nwb, electrode, recording, row, number)
    with NWBHDF5IO(str(path), "w") as file:
        file.write(nwb)


def _add_sweep(nwb: "NWBFile", electrode: object, recording: Recording, row: int, number: int) -> None:  # noqa: F821
    from hdmf.backends.hdf5.h5_utils import H5DataIO
    from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries

    def compressed(values: Array) -> H5DataIO:
        short = values.astype("float32")
        return H5DataIO(short if (short == values).all() else values, compression="gzip", shuffle=True)

    rate = 1000.0 / recording.protocol.dt
    shared = {
        "electrode": electrode,
        "rate": rate,
        "starting_time": 0.0,
        "sweep_number": np.uint32(number),
        "gain": 1.0,
    }
    stimulus = CurrentClampStimulusSeries(
        name=f"stimulus_{number:03d}",
        data=compressed(recording.protocol.command[row]),
        conversion=PA_IN_A,
        **shared,
    )
    response = CurrentClampSeries(
        name=f"response_{number:03d}",
        data=compressed(recording.response[row]),
        conversion=MV_IN_V,
        **shared,
    )
    nwb.add_intracellular_recording(electrode=electrode, stimulus=stimulus, response=response)
