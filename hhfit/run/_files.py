"""Files that are whole or not there at all: written beside their place, then renamed."""

import contextlib
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hhfit.arrays import Array
from hhfit.errors import HHFitError, InputError

_TEMPORARY = ".writing"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write(path: Path, content: bytes, *, durable: bool) -> None:
    """Write a file whole.

    Args:
        path: Its place.
        content: Its content.
        durable: Whether it must outlive a power cut; costs a few milliseconds.

    Raises:
        HHFitError: If it cannot be written; what stood there before still does.
    """
    beside = path.with_name(path.name + _TEMPORARY)
    with told(path):
        try:
            with open(beside, "wb") as file:
                file.write(content)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(beside, path)
        except OSError:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
        if durable:
            sync_folder(path.parent)


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write into a sentence."""
    try:
        yield
    except OSError as error:
        raise HHFitError(
            f"{path}: cannot be written: {error.strerror or error}; make room or allow writing there, "
            "then go on with 'hhfit resume'"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pack(arrays: Mapping[str, Array]) -> bytes:
    """Arrays as an .npz without pickles; the same arrays give the same bytes.

    Raises:
        InputError: If an array holds Python objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, values in {**arrays, "sha256": np.array(digest(arrays))}.items():
            with file.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True) as member:
                try:
                    np.lib.format.write_array(member, np.asarray(values), allow_pickle=False)
                except ValueError as error:
                    raise InputError(f"array {name!r} cannot be stored: {error}") from None
    return buffer.getvalue()


def unpack(path: Path) -> dict[str, Array]:
    """Arrays of an .npz that ``pack`` made.

    Raises:
        InputError: If the file is missing, damaged, or not what was written.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Exception as error:  # zipfile, zlib and NumPy raise many kinds on damaged bytes
        raise InputError(f"{path}: damaged: {error}") from None
    stored = arrays.pop("sha256", np.array(""))
    if str(stored) != digest(arrays):
        raise InputError(f"{path}: damaged: its content does not match its checksum")
    return arrays


def digest(arrays: Mapping[str, Array]) -> str:
    """SHA-256 over names, types, shapes and values."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        total.update(b"" if values.dtype == object else values.tobytes())
    return total.hexdigest()


def to_json(value: Any) -> str:  # noqa: ANN401 - anything made of numbers and words
    """JSON text; NumPy values become numbers and lists, what is not finite becomes null."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        InputError: If the file is missing or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: damaged: not a JSON object")
    return value


def plain(value: Any) -> Any:  # noqa: ANN401 - any nesting of mappings and sequences
    """Numbers, words, lists and mappings only.

    Example:
        >>> plain({"loss": np.float64(1.5), "of": (1, np.nan)})
        {'loss': 1.5, 'of': [1, None]}
    """
    match value:
        case Mapping():
            return {str(key): plain(entry) for key, entry in value.items()}
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case list() | tuple():
            return [plain(entry) for entry in value]
        case bool() | int() | str() | None:
            return value
        case float():
            return value if np.isfinite(value) else None
        case Path():
            return str(value)
    raise InputError(f"{value!r} cannot be written as JSON")
