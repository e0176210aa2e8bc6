"""Can a fit be trusted? Numbers that say so, and a verdict in words.

    checks = check(result, seed)        # everything below, JSON-able: FitResult.checks, summary.json
    word, reasons = verdict(checks)     # "good", "doubtful" or "bad", with one sentence each

    boundary_mass(samples, prior)       # mass in the outer 1 % of the prior, and per parameter and side
    leaked_mass(samples, prior)         # mass outside the prior's support
    contraction(samples, prior)         # 1 - posterior variance / prior variance
    correlations(samples, prior)        # between parameters, in units of the prior's CDF
    conditional_correlations(samples, prior)  # with all other parameters held fixed: compensation
    effective_sample_size(samples)      # distinct draws that repeated rows are worth
    calibration(posterior, simulations, seed)      # expected coverage, SBC ranks; needs an Amortized posterior
    novelty(x, x_o, names, seed)                   # out-of-distribution p of the recording
    spike_agreement(predictive, protocol, sweeps)  # median count within 2 or 20 % of the recorded one
    block(predictive, model, recording)            # predictions that stop firing on a plateau
    feature_errors(predictive, x_o, ...)           # posterior predictive, feature by feature
    robust(posterior, simulations, x_o, ...)    # draws that ignore features the model cannot meet
    sensitivity(samples, names, refit)  # shift of every parameter when an assumption is changed
    named(feature, spikes)              # a feature as a reader knows it, with the number of its sweep
    exit_code(checks)                   # 3 when the verdict is bad, else 0: for hhfit check

Nothing here but sensitivity simulates: a check of a 10,000-simulation fit takes seconds.
"""

from hhfit.diagnostics._calibration import calibration
from hhfit.diagnostics._check import check, later_rounds, prior_simulations, to_plain, with_verdict
from hhfit.diagnostics._identifiability import (
    boundary_mass,
    conditional_correlations,
    contraction,
    correlations,
    effective_sample_size,
    leaked_mass,
)
from hhfit.diagnostics._novelty import novelty
from hhfit.diagnostics._prediction import block, feature_errors, outcomes, spike_agreement
from hhfit.diagnostics._robust import Robust, robust, robust_table
from hhfit.diagnostics._sensitivity import DESIGN, Assumption, sensitivity, sentences
from hhfit.diagnostics._verdict import BAD, DOUBTFUL, GOOD, Reason, exit_code, named, verdict

__all__ = [
    "BAD",
    "DESIGN",
    "DOUBTFUL",
    "GOOD",
    "Assumption",
    "Reason",
    "Robust",
    "block",
    "boundary_mass",
    "calibration",
    "check",
    "conditional_correlations",
    "contraction",
    "correlations",
    "effective_sample_size",
    "exit_code",
    "feature_errors",
    "later_rounds",
    "leaked_mass",
    "named",
    "novelty",
    "outcomes",
    "prior_simulations",
    "robust",
    "robust_table",
    "sensitivity",
    "sentences",
    "spike_agreement",
    "to_plain",
    "verdict",
    "with_verdict",
]
