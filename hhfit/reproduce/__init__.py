"""The papers' figures, simulated, inferred and drawn again, with numbers beside what they should be.

    for finished in reproduce.run("lueckmann2017", ["2a"], out="runs/papers", quick=True, seed=0):
        print(finished.rows)

One module per figure offers ``run(work) -> Result`` and ``draw(result) -> {name: Figure}``. Finished figures are kept
in the output folder and not computed again; what an interruption leaves behind is used.
"""

from hhfit.reproduce._papers import PAPERS, figures, run
from hhfit.reproduce._store import Finished, stored, table

__all__ = ["PAPERS", "Finished", "figures", "run", "stored", "table"]
