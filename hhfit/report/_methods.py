"""A methods paragraph, ready to paste, with what it cites."""

from hhfit.extractors import FeatureSet
from hhfit.result import FitResult

_METHODS = {
    "tsnpe": "truncated sequential neural posterior estimation (Deistler et al. 2022)",
    "npe": "neural posterior estimation (Papamakarios & Murray 2016)",
    "snpe_a": "sequential neural posterior estimation, SNPE-A (Papamakarios & Murray 2016)",
    "snpe_b": "sequential neural posterior estimation, SNPE-B (Lueckmann et al. 2017)",
    "snpe_c": "automatic posterior transformation, SNPE-C (Greenberg et al. 2019)",
    "snpe_c_mixture": "automatic posterior transformation with mixtures, SNPE-C (Greenberg et al. 2019)",
    "abc_rejection": "rejection approximate Bayesian computation (Pritchard et al. 1999)",
    "abc_mcmc": "Markov-chain approximate Bayesian computation (Marjoram et al. 2003)",
    "abc_smc": "sequential approximate Bayesian computation (Beaumont et al. 2009)",
    "ibea": "the indicator-based evolutionary algorithm (Zitzler & Künzli 2004)",
}
_ON_FLOWS = ("tsnpe", "npe", "snpe_c")
_SIMULATORS = {
    "neuron": "NEURON (Hines & Carnevale 1997)",
    "coreneuron": "CoreNEURON (Kumbhar et al. 2019)",
    "brian2": "Brian 2 (Stimberg et al. 2019)",
    "batched": "the batched simulator of hhfit",
}
_CITED = {
    "Deistler et al. 2022": "Deistler, Goncalves & Macke, NeurIPS 35",
    "Papamakarios & Murray 2016": "NeurIPS 29",
    "Lueckmann et al. 2017": "NeurIPS 30",
    "Greenberg et al. 2019": "ICML 36",
    "Pritchard et al. 1999": "Mol Biol Evol 16:1791",
    "Marjoram et al. 2003": "PNAS 100:15324",
    "Beaumont et al. 2009": "Biometrika 96:983",
    "Zitzler & Künzli 2004": "PPSN VIII",
    "Hines & Carnevale 1997": "Neural Comput 9:1179",
    "Kumbhar et al. 2019": "Front Neuroinform 13:63",
    "Stimberg et al. 2019": "eLife 8:e47314",
    "Durkan et al. 2019": "NeurIPS 32",
    "Talts et al. 2018": "arXiv:1804.06788",
}


def methods(result: FitResult) -> str:
    """A methods paragraph, ready to paste."""
    settings, recording = result.settings, result.recording
    rounds = f" in {len(result.rounds)} rounds" if len(result.rounds) > 1 else ""
    method = _METHODS.get(settings["method"], settings["method"])
    simulator = _SIMULATORS.get(settings["simulator"], settings["simulator"])
    count = len(recording.sweeps)
    sentences = [
        f"{count} current-clamp sweep{'s' if count > 1 else ''} of {recording.protocol.duration:g} ms "
        f"{'were' if count > 1 else 'was'} fitted with hhfit {result.versions.get('hhfit', '')} by simulation-based "
        f"inference with {method}.",
        f"The model ({result.model.source}) had {len(result.posterior.names)} free parameters "
        f"({', '.join(result.posterior.names)}) with independent priors over the ranges given in the table.",
        f"{len(result.simulations)} parameter sets{rounds} were simulated with {simulator}, driven by the recorded "
        f"command, with time steps of at most {settings['step']:g} ms.",
        f"Recorded and simulated sweeps were summarised by the same {_summary(result.features)} "
        f"(feature set {result.features.name}).",
    ]
    if settings["method"] in _ON_FLOWS:
        sentences.append(
            "The posterior density was a mixture of spline flows on the prior's own range (Durkan et al. 2019)."
        )
    if result.checks["calibration"]["n"]:
        covered = result.checks["calibration"]["coverage"]["0.9"]
        sentences.append(
            f"On {result.checks['calibration']['n']} simulations not used in training the 90 % highest-density region "
            f"contained the true parameters in {100 * covered:.0f} % (Talts et al. 2018)."
        )
    if result.validation is not None:
        kept, agreeing = result.validation.recording.sweeps, result.checks["validation"]["spikes"]["agreeing"]
        sentences.append(
            f"Of {len(kept)} sweep{'s' if len(kept) > 1 else ''} that were not fitted, the spike count was predicted "
            f"within 2 or 20 % in {agreeing}."
        )
    return " ".join([*sentences, *result.assumptions, _software(result)])


def _software(result: FitResult) -> str:
    names = {"python": "Python", "numpy": "NumPy", "torch": "PyTorch", "zuko": "zuko", "efel": "eFEL", "numba": "Numba"}
    names |= {"neuron": "NEURON"} if result.settings["simulator"] in ("neuron", "coreneuron") else {}
    names |= {"brian2": "Brian 2"} if result.settings["simulator"] == "brian2" else {}
    found = [f"{name} {result.versions[key]}" for key, name in names.items() if key in result.versions]
    return f"Software: hhfit {', '.join([result.versions.get('hhfit', ''), *found])}."


def _summary(features: FeatureSet) -> str:
    parts = [f"{len(features.features)} features per sweep"] if features.features else []
    if features.embedding:
        parts.append(
            f"summary of the potential and the command every {features.embedding['step']:g} ms, which "
            f"{features.embedding['units']:g} gated recurrent units learned together with the density"
        )
    return " and by the same ".join(parts)


def citations(paragraph: str) -> list[str]:
    """Where to find what a methods paragraph cites.

    Example:
        >>> citations("with NEURON (Hines & Carnevale 1997)")
        ['Hines & Carnevale 1997: Neural Comput 9:1179']
    """
    return [f"{name}: {place}" for name, place in _CITED.items() if name in paragraph]
