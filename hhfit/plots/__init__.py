"""One function per figure; each takes a `FitResult` and returns a Matplotlib `Figure`.

    traces(result)              every sweep: recorded, predicted, command below
    sweep(result, s)            one of them, for a page of small figures
    kept_sweeps(result)         the same of the sweeps that were not fitted
    spike_counts(result)        spike count against current
    first_spikes(result)        first spike of one sweep, recorded and predicted, aligned
    marginals(result)           one panel per parameter, over its prior range
    marginal(result, p)         one of them, for a page of small figures
    pairs(result)               pair plot: marginals and upper triangle
    feature_errors(result)      posterior predictive of every feature, in prior sd
    attribution(result)         bits that each feature gives on each parameter
    calibration(result)         expected coverage, ranks of the truth
    png(figure) -> bytes        save(figure, path)  PNG and PDF

Recorded is black, predicted is blue, the true value of a synthetic recording is vermilion: these
stay apart for colour-blind readers and in grey (Okabe & Ito palette). Nothing touches pyplot.
"""

from hhfit.plots._attribution import attribution
from hhfit.plots._checks import calibration, feature_errors
from hhfit.plots._posterior import marginal, marginals, pairs
from hhfit.plots._style import png, save, styled, unit_label
from hhfit.plots._traces import first_spikes, kept_sweeps, spike_counts, sweep, traces

__all__ = [
    "attribution",
    "calibration",
    "feature_errors",
    "first_spikes",
    "kept_sweeps",
    "marginal",
    "marginals",
    "pairs",
    "png",
    "save",
    "spike_counts",
    "styled",
    "sweep",
    "traces",
    "unit_label",
]
