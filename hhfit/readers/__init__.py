"""Readers: a file in, a ``Recording`` out. The suffix chooses the reader."""

import hashlib
from pathlib import Path

from hhfit import plugins
from hhfit.errors import InputError
from hhfit.recording import Recording

__all__ = ["read"]


def read(path: str | Path) -> Recording:
    """Read a recording; its file name's suffix chooses the reader.

    Raises:
        InputError: If the file is missing, of an unknown kind, or cannot be used; the message
            names the file, what is wrong and what to do.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in plugins.names("readers"):
        known = ", ".join(plugins.names("readers"))
        raise InputError(f"{path.name}: no reader for {suffix or 'files without suffix'!r}; available: {known}")
    recording = plugins.get("readers", suffix).read(path)
    origin = {"name": path.name, "format": suffix, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return Recording(recording.response, recording.protocol, recording.sweeps, {**recording.provenance, **origin})
