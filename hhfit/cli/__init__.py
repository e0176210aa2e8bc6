"""The command line: parse arguments, call one function, print the outcome."""

import typer

from hhfit.cli import _after, _features, _fit, _look, _reproduce, _simulate
from hhfit.cli._console import errors_end

app = typer.Typer(
    help="Fit Hodgkin-Huxley neuron models to patch-clamp recordings, and say how far the fit can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
COMMANDS = (_fit.fit, _fit.resume, _after.check, _after.report, _after.export, _look.inspect)
COMMANDS += (_features.features, _simulate.simulate, _reproduce.reproduce)
for command in (*COMMANDS, _look.list_, _fit.demo, _look.doctor):
    app.command(command.__name__.rstrip("_"))(command)


def main() -> None:
    """Entry point of the ``hhfit`` command."""
    with errors_end():
        app()
