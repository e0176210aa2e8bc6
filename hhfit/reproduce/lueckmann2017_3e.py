"""Lueckmann et al. 2017, figure 3E to G: the same neuron and a real recording."""

import numpy as np
from matplotlib.figure import Figure

from hhfit import extractors
from hhfit import model as models
from hhfit.arrays import Array
from hhfit.plots import styled
from hhfit.prior import Prior
from hhfit.reproduce import _draw
from hhfit.reproduce._figure import Result, Row, judged
from hhfit.reproduce._neurons import AREA, CELLS, Neuron
from hhfit.reproduce._predictions import thin
from hhfit.reproduce._work import Work
from hhfit.reproduce.lueckmann2017_3a import (
    LABELS,
    full,
    infer,
    narrowing,
    posteriors,
    predictions,
    traces_of,
    voltage,
)

CELL = CELLS[0]
DENSITY_OF = 500.0
"""Step [pA] of the synthetic neuron; the area is scaled so that the recording's step has the same density."""


def run(work: Work) -> Result:
    """SNPE-B and TSNPE on Allen cell 518290966, sweep 57."""
    recording = CELL.load(work.recordings)
    area = float(recording.protocol.amplitude[0]) / DENSITY_OF * AREA
    model = models.load("lueckmann2017").with_values({"area": area})
    neuron = Neuron(model, recording.protocol, extractors.load("lueckmann2017"), work.seed, recording.protocol.dt)
    x_o, n = neuron.extract(recording.response[None])[0], work.size(2000, 10_000)
    arrays: dict[str, Array] = {"x_o": x_o, "observed": thin(recording.response[0]), "time": thin(neuron.protocol.time)}
    arrays["command"] = thin(neuron.protocol.command[0])
    for method in LABELS:
        found = work.part(method, lambda m=method: infer(work, neuron, x_o, m, n))
        arrays |= {f"{method}.{key}": value for key, value in found.items()}
        draws = found["draws"]
        found = work.part(f"{method}-traces", lambda d=draws: traces_of(neuron, d))
        arrays |= {f"{method}.{key}": value for key, value in found.items()}
    caption = (
        "The paper's cell (464212183, sweep 33) is in no public store; this is Allen cell 518290966, sweep 57, of "
        f"Goncalves et al. 2020. Area {area:.0f} um2, so that the current density is the synthetic one, no correction "
        f"of the junction potential, both as in the paper's code. {n:,} simulations at the recording's step of "
        f"{recording.protocol.dt} ms."
    )
    return Result(caption, _rows(arrays, neuron.prior), arrays)


def _rows(a: dict[str, Array], prior: Prior) -> tuple[Row, ...]:
    lines = [Row("recorded spikes", "12", f"{a['x_o'][0]:.0f}")]
    for method, label in LABELS.items():
        spikes = a[f"{method}.predicted"][:, 0]
        near = abs(np.nanmean(spikes) - a["x_o"][0]) <= 2
        text = f"{np.nanmean(spikes):.1f} +- {np.nanstd(spikes):.1f}"
        lines.append(judged(f"{label}: predicted spikes, 100 draws", "near 12 (within 2)", text, bool(near)))
        ratio = narrowing(a[f"{method}.draws"], prior)
        lines.append(Row(f"{label}: sds over prior sds", "-", f"{ratio.min():.2f} to {ratio.max():.2f}"))
    return tuple(lines)


@styled
def _drawn(a: dict[str, Array], prior: Prior) -> Figure:
    figure = _draw.sheet(50)
    left, middle, right = figure.subfigures(1, 3)
    voltage(left, a, "observed")
    few = Prior(prior.names[:3], prior.units[:3], prior.marginals[:3])
    _draw.pairs(middle, few, posteriors(a, 3), image=0, logs=True)
    predictions(right.subplots(), a, "snpe_b")
    return figure


def draw(result: Result) -> dict[str, Figure]:
    """The figure and the supplementary full posterior."""
    prior = models.load("lueckmann2017").prior
    return {"3e": _drawn(dict(result.arrays), prior), "3e_full": full(dict(result.arrays), prior)}
