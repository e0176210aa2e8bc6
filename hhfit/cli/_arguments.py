"""Texts of the command line turned into values."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated

import typer

from hhfit.errors import InputError

if TYPE_CHECKING:
    from hhfit.model import Model
    from hhfit.readers import Given

NAN = float("nan")

Stimulus = Annotated[
    str, typer.Option(metavar="TEXT", help="Injected current when the file lacks it: 'on=100 off=600 first=-50 by=25'.")
]
VoltageScale = Annotated[
    float, typer.Option(metavar="MV", help="Millivolts per unit of the voltage channel.", show_default=False)
]
Channel = Annotated[str, typer.Option(metavar="NAME", help="Channel, electrode or series that holds the response.")]
Columns = Annotated[
    str, typer.Option(metavar="NAMES", help="Columns of a text or MATLAB file that does not name them.")
]
LiquidJunction = Annotated[
    float,
    typer.Option(
        "--ljp",
        metavar="MV",
        help="Liquid junction potential, added to the recorded potential [mV].",
        show_default=False,
    ),
]
Bridge = Annotated[
    float,
    typer.Option(
        metavar="MOHM",
        help="Resistance of the electrode that was left uncompensated: its R * I is taken off the potential [MOhm].",
        show_default=False,
    ),
]
Temperature = Annotated[
    float, typer.Option(metavar="C", help="Temperature of the recording [degC].", show_default=False)
]
Interval = Annotated[
    float, typer.Option(metavar="MS", help="Sampling step of a file that does not say it [ms].", show_default=False)
]


def given(stimulus: str, voltage_scale: float, channel: str, columns: str, interval: float) -> "Given":
    """What the user says about a file because the file does not.

    Raises:
        InputError: If the stimulus is not of its form.
    """
    from hhfit import readers
    from hhfit import stimulus as stimuli

    said = stimuli.parse(stimulus) if stimulus else stimuli.FROM_FILE
    return readers.Given(said, voltage_scale, channel, columns, interval)


def parse_numbers(text: str, option: str, count: int) -> tuple[float, ...]:
    """Exactly ``count`` numbers from text such as ``0,700``; none from an empty one.

    Raises:
        InputError: If it is not such a list.

    Example:
        >>> parse_numbers("0,700", "--window", 2)
        (0.0, 700.0)
    """
    try:
        numbers = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        numbers = (NAN,)
    if (text and len(numbers) != count) or any(number != number for number in numbers):
        example = ",".join(["100", "900"][:count])
        raise InputError(f"{option} is {text!r}, must be {count} number(s), such as {example}")
    return numbers


def parse_assignments(texts: list[str]) -> dict[str, float]:
    """Values of quantities from texts such as ``g_na=50``.

    Raises:
        InputError: If one is not of that form.

    Example:
        >>> parse_assignments(["g_na=50"])
        {'g_na': 50.0}
    """
    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        values[name.strip()] = parse_numbers(value or "?", f"--set {name}", 1)[0]
    return values


def fixed_values(neuron: "Model", texts: list[str]) -> dict[str, float]:
    """Values of quantities of a model from texts such as ``g_na=50``.

    Raises:
        InputError: If one is not of that form, or the model has no such quantity.
    """
    values = parse_assignments(texts)
    for name in values:
        if name not in neuron.quantities:
            near = get_close_matches(name, neuron.quantities, n=3) or neuron.free
            raise InputError(f"{neuron.name}: unknown quantity {name!r} in --set; nearest are {', '.join(near)}")
    return values


def parse_area(text: str) -> tuple[float, bool]:
    """Membrane area [um2] and whether to fit it, from a number, ``fit``, or nothing.

    Example:
        >>> parse_area("fit")
        (nan, True)
    """
    if text == "fit":
        return NAN, True
    return (parse_numbers(text, "--area", 1)[0], False) if text else (NAN, False)
