"""The seam of all extractors."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from hhfit.arrays import Array
from hhfit.protocol import Protocol

WINDOWS = ("before", "stimulus", "after", "sweep")
SCALES = ("none", "log")


@dataclass(frozen=True)
class Feature:
    """One scalar summary of a sweep.

    Args:
        name: Its name in the feature set.
        extractor: File in ``extractors/`` that computes it.
        function: Its name there.
        window: Part of the sweep: one of ``WINDOWS``.
        scale: How inference sees it: as it is, or ``"log"`` (sign kept: arsinh of the value).
        unit: Its unit.
    """

    name: str
    extractor: str
    function: str
    window: str
    scale: str
    unit: str


class Extractor(ABC):
    """Computes some features of one family."""

    @staticmethod
    @abstractmethod
    def functions() -> dict[str, str]:
        """Functions it offers, with the unit of each."""

    @abstractmethod
    def __call__(self, response: Array, protocol: Protocol, features: tuple[Feature, ...]) -> Array:
        """Compute features of every sweep.

        Args:
            response: Membrane potential [mV], finite, shape ``(N, S, T)``.
            protocol: The command of every sweep.
            features: K features of this family.

        Returns:
            Their values, shape ``(N, S, K)``; NaN where undefined.
        """


Settings = Mapping[str, float | bool]
