"""A recording as a file of the run directory."""

import json
from pathlib import Path

import numpy as np

from hhfit.errors import InputError
from hhfit.protocol import Protocol
from hhfit.recording import Recording
from hhfit.run import _files


def pack(recording: Recording) -> bytes:
    """A recording, in hhfit's units, as the content of an .npz."""
    protocol = recording.protocol
    return _files.pack(
        {
            "response": recording.response,
            "sweeps": recording.sweeps,
            "command": protocol.command,
            "dt": np.array(protocol.dt),
            "on": protocol.on,
            "off": protocol.off,
            "clamp": np.array(protocol.clamp),
            "provenance": np.array(json.dumps(dict(recording.provenance))),
        }
    )


def load(path: Path) -> Recording:
    """The recording in a file that ``pack`` made.

    Raises:
        InputError: If the file is missing or damaged.
    """
    a = _files.unpack(path)
    try:
        protocol = Protocol(a["command"], float(a["dt"]), a["on"], a["off"], str(a["clamp"]))
        return Recording(a["response"], protocol, a["sweeps"], json.loads(str(a["provenance"])))
    except KeyError as error:
        raise InputError(f"{path}: damaged: lacks {error}") from None
