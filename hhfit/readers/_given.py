"""What the user says about a file because the file does not."""

from dataclasses import dataclass

from hhfit.stimulus import FROM_FILE, Stimulus


@dataclass(frozen=True)
class Given:
    """What the user says about a file because the file does not, or says wrongly.

    Args:
        stimulus: Injected current, in place of what the file says.
        voltage_scale: Millivolts per unit of the voltage channel, in place of its unit; NaN to
            believe the file.
        channel: Name or number of the channel that holds the response; empty to find it by its unit.
        columns: Names with units for the columns of a text or MATLAB file that has none, such as
            ``time_s,current_pA,voltage_mV``; empty to believe the file.
        interval: Sampling step [ms] of a file that has none; NaN to believe the file.
    """

    stimulus: Stimulus = FROM_FILE
    voltage_scale: float = float("nan")
    channel: str = ""
    columns: str = ""
    interval: float = float("nan")


NOTHING = Given()
