"""The exceptions of hhfit; each message is one sentence that says what to do."""


class HHFitError(Exception):
    """Anything that hhfit itself reports."""


class InputError(HHFitError, ValueError):
    """A file, an argument or a TOML text is wrong."""


class UnsupportedError(HHFitError):
    """This backend cannot do it; the message names those that can."""


class DependencyError(HHFitError, ImportError):
    """A package is missing; the message gives the command that installs it."""


class SimulationError(HHFitError):
    """A simulator broke for a whole batch, not for one parameter set."""


class InferenceError(HHFitError):
    """A method cannot go on with what it found; the message names a remedy or another method."""
