"""Text with one column each for time, voltage and current, and a header with their units."""

from pathlib import Path

from hhfit.readers import _text
from hhfit.readers._given import NOTHING, Given
from hhfit.recording import Recording


def read(path: Path, given: Given = NOTHING) -> Recording:
    """Read one sweep per pair of voltage and current columns.

    Raises:
        InputError: If the columns are unknown, a number is missing, or time is not even.
    """
    return _text.read(path, given)
