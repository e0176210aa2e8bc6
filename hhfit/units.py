"""The unit table and the only conversion factors.

Inside hhfit: ms, mV, pA, um2, uF/cm2, mS/cm2, uA/cm2, mM, degC, MOhm. These are coherent:
``C dV/dt = I`` holds in uF/cm2, mV, ms and uA/cm2 without a factor.
"""

from hhfit.errors import InputError

PA_PER_UM2_IN_UA_PER_CM2 = 100.0
"""A current of 1 pA spread over 1 um2 is a density of 100 uA/cm2."""

MV_PER_PA_IN_MOHM = 1000.0
"""1 mV divided by 1 pA is 1000 MOhm."""

UM2_PER_MS_PER_MOHM = 1e5
"""Membrane area [um2] of tau = 1 ms and 1 MOhm at 1 uF/cm2: area = tau / (R C)."""

MILLISIEMENS_IN_SIEMENS = 1e-3
MM_PER_MS_OF_UA_PER_CM2_IN_UM = 10.0 / (2 * 96485.33212)
"""Calcium [mM/ms] that 1 uA/cm2 brings into a shell of 1 um: I / (2 F depth)."""

MS_PER_CM2_UM2_OF_UM_PER_OHM_CM = 1e7
"""Conductance [mS/cm2 um2] through 1 ohm cm along a path whose length over cross-section is 1 /um."""

UM2_IN_CM2 = 1e-8
PA_IN_NA = 1e-3

_TO_MS = {"ms": 1.0, "msec": 1.0, "s": 1e3, "sec": 1e3, "second": 1e3, "seconds": 1e3, "us": 1e-3}
_TO_MV = {"mv": 1.0, "millivolt": 1.0, "millivolts": 1.0, "v": 1e3, "volt": 1e3, "volts": 1e3, "uv": 1e-3}
_TO_PA = {"pa": 1.0, "picoampere": 1.0, "picoamperes": 1.0, "na": 1e3, "nanoamperes": 1e3, "ua": 1e6, "ma": 1e9}
_TO_PA |= {"a": 1e12, "amp": 1e12, "ampere": 1e12, "amperes": 1e12}
_FACTORS = {"ms": _TO_MS, "mV": _TO_MV, "pA": _TO_PA}

MODEL_UNITS = (
    "1",
    "1/ms",
    "ms",
    "mV",
    "pA",
    "um2",
    "uF/cm2",
    "mS/cm2",
    "uA/cm2",
    "uA/cm2*ms^0.5",
    "mM",
    "degC",
    "MOhm",
    "um",
    "ohm*cm",
)
"""Units that a quantity of a model may have; no conversion takes place there."""


def factor(unit: str, to: str) -> float:
    """Factor that converts a file's unit into hhfit's.

    Args:
        unit: Unit as written in a file; letter case, spaces and NUL bytes do not matter.
        to: ``"ms"``, ``"mV"`` or ``"pA"``.

    Raises:
        InputError: If ``unit`` does not measure the same thing as ``to``.

    Example:
        >>> factor("nA", to="pA")
        1000.0
    """
    word = unit.replace("\x00", "").strip().replace("\u00b5", "u").replace("\u03bc", "u").lower()
    if word not in _FACTORS[to]:
        raise InputError(f"unit is {unit.strip()!r}, expected one of {', '.join(_FACTORS[to])}")
    return _FACTORS[to][word]


def measures(unit: str, to: str) -> bool:
    """Whether a file's unit can be converted to ``to`` (``"ms"``, ``"mV"``, ``"pA"``).

    Example:
        >>> measures("Volts", "mV"), measures("dB", "mV")
        (True, False)
    """
    try:
        factor(unit, to)
    except InputError:
        return False
    return True
