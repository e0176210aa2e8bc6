"""The command that draws the papers' figures again."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from hhfit.cli._console import bars, stderr, stdout
from hhfit.errors import InputError


def reproduce(
    paper: Annotated[str, typer.Argument(metavar="PAPER", help="lueckmann2017, goncalves2020 or papamakarios2016.")],
    *,
    figure: Annotated[
        list[str] | None, typer.Option("--figure", metavar="NAME", help="A figure, such as 2a; all by default.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Minutes instead of hours, on smaller budgets.")] = False,
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder for figures and tables.")] = "runs/papers",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same figures.")] = 0,
    recordings: Annotated[
        str,
        typer.Option(metavar="DIR", envvar="HHFIT_RECORDINGS", help="Allen recordings; figures that need them wait."),
    ] = "",
    workers: Annotated[int, typer.Option("--workers", min=0, help="Figures made at a time; 0 for one per core.")] = 0,
) -> None:
    """Simulate, infer and draw a paper's figures again, with a table of expected and found numbers.

    Finished figures are kept in DIR and not made again.

    Example: hhfit reproduce lueckmann2017 --figure 2a --quick --out runs/papers
    """
    from hhfit import reproduce as papers

    if recordings and not Path(recordings).is_dir():
        raise InputError(f"--recordings is {recordings!r}, which is no folder")

    rows = Table(box=None)
    for heading in ("figure", "quantity", "expected", "ours", "verdict"):
        rows.add_column(heading)
    try:
        with bars() as progress:
            made = papers.run(
                paper,
                figure or [],
                out=out,
                quick=quick,
                seed=seed,
                recordings=recordings,
                workers=workers,
                progress=progress,
            )
            for done in made:
                for row in done.rows:
                    rows.add_row(
                        done.figure, *(escape(text) for text in (row.quantity, row.expected, row.ours, row.verdict))
                    )
                stderr.print(f"{done.figure}: {done.simulations:,} simulations, {done.cpu_s:,.0f} s of CPU")
    except KeyboardInterrupt:
        stderr.print(f"hhfit: interrupted; the same command goes on from what {out} holds", style="yellow")
        raise typer.Exit(1) from None
    stdout.print(rows)
    stdout.print(f"table: {Path(out) / 'REPRODUCTION.md'}", markup=False)
