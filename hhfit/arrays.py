"""Array type and the two checks that every frozen value makes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hhfit.errors import InputError

Array = NDArray[Any]


def read_only(values: Any, dtype: type = float) -> Array:  # noqa: ANN401 - anything that NumPy can make an array of
    """A read-only copy as a NumPy array."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


def need_shape(name: str, array: Array, shape: tuple[int | None, ...]) -> None:
    """Raise unless ``array`` has ``shape``; ``None`` stands for any length.

    Example:
        >>> need_shape("theta", np.zeros((3, 2)), (None, 2))
    """
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        wanted = "(" + ", ".join("any" if want is None else str(want) for want in shape) + ")"
        raise InputError(f"{name} has shape {array.shape}, expected {wanted}")
