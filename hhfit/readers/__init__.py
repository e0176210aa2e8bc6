"""Readers: a file in, a ``Recording`` out. The suffix chooses the reader."""

import hashlib
from dataclasses import replace
from pathlib import Path

from hhfit import plugins
from hhfit.errors import InputError
from hhfit.readers._given import NOTHING, Given
from hhfit.recording import Recording

__all__ = ["NOTHING", "Given", "read"]


def read(path: str | Path, given: Given = NOTHING) -> Recording:
    """Read a recording; its file name's suffix chooses the reader.

    Args:
        path: File to read.
        given: What the user says where the file says nothing or something wrong.

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
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path.name}: cannot be opened ({error.strerror}); check its permissions") from error
    if not content:
        raise InputError(f"{path.name}: is empty; copy the file again")
    recording = plugins.get("readers", suffix).read(path, given)
    origin = {"name": path.name, "format": suffix, "sha256": hashlib.sha256(content).hexdigest()}
    return replace(recording, provenance={**recording.provenance, **origin})
