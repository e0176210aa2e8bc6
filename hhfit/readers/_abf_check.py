"""Whether the counts in an ABF header can be, before anything is allocated for them."""

import struct
from pathlib import Path

from hhfit.errors import InputError

_BLOCK = 512
_FIRST_SECTION, _N_SECTIONS, _DATA_SECTION = 76, 18, 10
_MOST_SWEEPS, _MOST_CHANNELS = 200_000, 64


def check(path: Path) -> None:
    """Raise unless every section that the header names lies inside the file.

    Raises:
        InputError: If it is no ABF file, or a part of it is missing.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_FIRST_SECTION + 16 * _N_SECTIONS)
        file.seek(0)
        start = file.read(2 * _BLOCK)
    if len(start) < _BLOCK or start[:4] not in (b"ABF ", b"ABF2"):
        raise InputError(f"{path.name}: is no ABF file; it begins with {start[:4]!r}, expected b'ABF ' or b'ABF2'")
    if start[:4] == b"ABF ":
        _check_abf1(path.name, start, size)
    else:
        _check_abf2(path.name, head, size)


def _check_abf1(name: str, head: bytes, size: int) -> None:
    n_samples, _, n_sweeps = struct.unpack_from("<ihi", head, 10)
    (pointer,) = struct.unpack_from("<i", head, 40)
    (n_tags,) = struct.unpack_from("<i", head, 48)
    (kind,) = struct.unpack_from("<h", head, 100)
    (n_channels,) = struct.unpack_from("<h", head, 120)
    _need_inside(name, "data", pointer * _BLOCK + n_samples * (4 if kind == 1 else 2), size)
    _need_counts(name, n_samples, n_sweeps, n_channels)
    if not 0 <= n_tags <= size // 64:
        raise InputError(f"{name}: claims {n_tags} tags in {size} bytes; the header is damaged, so copy the file again")


def _check_abf2(name: str, head: bytes, size: int) -> None:
    (n_sweeps,) = struct.unpack_from("<I", head, 12)
    counts = []
    for k in range(_N_SECTIONS):
        block, width, count = struct.unpack_from("<IIq", head, _FIRST_SECTION + 16 * k)
        if count < 0:
            raise InputError(f"{name}: section {k} has {count} entries; the header is damaged, so copy the file again")
        _need_inside(name, f"section {k}", block * _BLOCK + width * count if count else 0, size + 4 * _BLOCK)
        if width == 0 and count:
            raise InputError(
                f"{name}: section {k} has entries of no bytes; the header is damaged, so copy the file again"
            )
        counts.append(count)
    block, width, count = struct.unpack_from("<IIq", head, _FIRST_SECTION + 16 * _DATA_SECTION)
    _need_inside(name, "data", block * _BLOCK + width * count, size)
    _need_counts(name, counts[_DATA_SECTION], n_sweeps, counts[1])


def _need_inside(name: str, what: str, end: int, size: int) -> None:
    if not 0 <= end <= size:
        raise InputError(f"{name}: its {what} should end at byte {end}, but the file has {size}; copy the file again")


def _need_counts(name: str, n_samples: int, n_sweeps: int, n_channels: int) -> None:
    possible = n_samples > 0 and 0 <= n_sweeps <= _MOST_SWEEPS and 0 < n_channels <= _MOST_CHANNELS
    if not possible or n_sweeps > n_samples:
        raise InputError(
            f"{name}: claims {n_samples} samples, {n_sweeps} sweeps and {n_channels} channels; "
            "the header is damaged, so copy the file again"
        )
