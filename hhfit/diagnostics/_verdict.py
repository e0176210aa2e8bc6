"""One verdict in words, with its reasons."""

from collections.abc import Mapping
from typing import Any, NamedTuple

GOOD, DOUBTFUL, BAD, NOTE = "good", "doubtful", "bad", "note"

Checks = Mapping[str, Any]


class Reason(NamedTuple):
    """Why a verdict is as it is.

    Args:
        level: ``"bad"``, ``"doubtful"``, ``"note"`` or ``"good"``.
        sentence: In plain words.
    """

    level: str
    sentence: str


def verdict(checks: Checks) -> tuple[str, list[Reason]]:
    """The verdict on a fit: the worst level among its reasons, notes left out.

    Args:
        checks: What ``check`` returned.

    Returns:
        ``"good"``, ``"doubtful"`` or ``"bad"``, and all reasons, worst first.
    """
    rules = (_spikes, _block, _vague, _features, _validation, _failures, _novelty, _calibration, _local, _leakage)
    rules += (_boundary, _size, _doubts)
    reasons = [reason for rule in rules for reason in rule(checks)]
    order = (BAD, DOUBTFUL, NOTE, GOOD)
    levels = {reason.level for reason in reasons}
    word = next((level for level in (BAD, DOUBTFUL) if level in levels), GOOD)
    return word, sorted(reasons, key=lambda reason: order.index(reason.level))


def exit_code(checks: Checks) -> int:
    """What ``hhfit check`` ends with: 3 when the verdict is bad, else 0."""
    return 3 if verdict(checks)[0] == BAD else 0


def _spikes(checks: Checks) -> list[Reason]:
    table = checks["spikes"]
    agreeing, total = table["agreeing"], table["total"]
    if agreeing == total:
        how = "the sweep" if total == 1 else f"all {total} sweeps"
        return [Reason(GOOD, f"The predicted spike count agrees with the recorded one (within 2 or 20 %) in {how}.")]
    wrong = [row for row in table["sweeps"] if not row["agrees"]]
    pairs = [f"sweep {w['sweep']}: {w['recorded']:.0f} recorded, {_number(w['median'])} predicted" for w in wrong[:4]]
    listed = "; ".join(pairs)
    more = f"; and {len(wrong) - 4} more" if len(wrong) > 4 else ""
    if agreeing <= 0.5 * total:
        text = "THE MODEL DOES NOT REPRODUCE THE SPIKE COUNTS with the parameters found: they are off in"
        return [Reason(BAD, f"{text} {len(wrong)} of {total} {'sweep' if total == 1 else 'sweeps'} ({listed}{more}).")]
    level = DOUBTFUL if agreeing < 0.8 * total else NOTE
    return [Reason(level, f"The spike count is off in {len(wrong)} of {total} sweeps ({listed}{more}).")]


def _block(checks: Checks) -> list[Reason]:
    """A median spike count may agree although the predicted cell stops firing on a plateau."""
    test = checks.get("block", {"recorded": False, "share": 0.0})
    if test["recorded"] or test["share"] <= 0.1:
        return []
    text = f"In {100 * test['share']:.0f} % of the predictions spiking stops on a plateau (depolarisation block)"
    level = BAD if test["share"] > 0.5 else DOUBTFUL
    return [Reason(level, f"{text}, which the recorded cell does not do.")]


def _vague(checks: Checks) -> list[Reason]:
    """A median may agree while single draws do anything."""
    ranges = [row for row in checks["spikes"]["sweeps"] if row["low"] is not None]
    wide = [row for row in ranges if row["high"] - row["low"] > max(5.0, row["recorded"])]
    if not wide:
        return []
    worst = max(wide, key=lambda row: row["high"] - row["low"])
    text = f"Predicted spike counts vary widely between draws in {len(wide)} of {len(ranges)} sweeps"
    where = f"sweep {worst['sweep']}: {worst['low']:.0f} to {worst['high']:.0f}, {worst['recorded']:.0f} recorded"
    return [Reason(NOTE, f"{text} ({where}); more simulations would narrow the posterior.")]


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


FEATURE_ERROR = 0.5
"""Error [prior-predictive sd] from which a feature may count as missed."""

FEATURE_Z = 3.5
"""Error [posterior-predictive sd] from which it may: 1 in 2000 by chance, so that 100 features raise no alarm."""


def _features(checks: Checks) -> list[Reason]:
    rows = [row for row in checks["features"] if row["observed"] is not None]
    lost = [row for row in rows if row["defined"] < 0.5]
    missed = [row for row in rows if row["defined"] >= 0.5 and _is_missed(row)]
    reasons = []
    if lost:
        few = _few([named(row["name"], checks["spikes"]) for row in lost])
        level = BAD if len(lost) > 0.25 * len(rows) else DOUBTFUL
        text = f"{len(lost)} of {len(rows)} features are undefined in most predicted traces although the recording has"
        reasons.append(Reason(level, f"{text} them ({few})."))
    if missed:
        worst = sorted(missed, key=lambda row: -abs(row["error"]))
        few = _few([f"{named(row['name'], checks['spikes'])} by {_signed(row['error'])} sd" for row in worst])
        level = BAD if len(missed) > 0.25 * len(rows) else DOUBTFUL
        text = f"{len(missed)} of {len(rows)} features are not what the draws predict: the prediction is off in"
        reasons.append(Reason(level, f"{text} {few}, in sd of what the prior predicts."))
    if not reasons:
        reasons.append(Reason(GOOD, f"No feature of the recording is far from the prediction ({len(rows)} compared)."))
    return reasons


def _is_missed(row: Mapping[str, Any]) -> bool:
    far = row["z"] is None or abs(row["z"]) > FEATURE_Z
    return far and row["error"] is not None and abs(row["error"]) > FEATURE_ERROR


def _validation(checks: Checks) -> list[Reason]:
    """Sweeps that the fit has not seen: the only prediction that deserves the name."""
    test = checks.get("validation")
    if test is None:
        return []
    table = test["spikes"]
    total, wrong = table["total"], [row for row in table["sweeps"] if not row["agrees"]]
    sweeps = f"{total} sweep{'' if total == 1 else 's'} kept back from the fit"
    reasons = []
    if wrong:
        pairs = [
            f"sweep {w['sweep']}: {w['recorded']:.0f} recorded, {_number(w['median'])} predicted" for w in wrong[:4]
        ]
        level = BAD if len(wrong) >= 2 and len(wrong) > 0.5 * total else DOUBTFUL
        text = f"The predicted spike count is off in {len(wrong)} of {sweeps} ({'; '.join(pairs)})"
        reasons.append(Reason(level, f"{text}: the parameters do not carry over to steps that were not fitted."))
    rows = [row for row in test["features"] if row["observed"] is not None]
    missed = [row for row in rows if row["defined"] >= 0.5 and _is_missed(row)]
    if len(missed) > 0.25 * len(rows):
        few = _few([named(row["name"], table) for row in sorted(missed, key=lambda row: -abs(row["error"]))])
        reasons.append(Reason(DOUBTFUL, f"{len(missed)} of {len(rows)} features are missed in {sweeps} ({few})."))
    if not reasons:
        text = f"Spike counts and features are predicted in {'the' if total == 1 else 'all'} {sweeps}"
        reasons.append(Reason(GOOD, f"{text} ({len(rows) - len(missed)} of {len(rows)} features)."))
    return reasons


def named(name: str, spikes: Mapping[str, Any]) -> str:
    """A feature as a reader knows it, with the number of its sweep in the file.

    Example:
        >>> named("1:width", {"sweeps": [{"sweep": 4}, {"sweep": 9}]})
        'width of sweep 9'
    """
    place, _, feature = name.partition(":")
    return f"{feature} of sweep {spikes['sweeps'][int(place)]['sweep']}" if feature else name


def _few(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _failures(checks: Checks) -> list[Reason]:
    failed = checks["predictive_failed"]
    if failed > 0.5:
        return [Reason(BAD, f"{100 * failed:.0f} % of the posterior-predictive simulations failed.")]
    if failed > 0.1:
        return [Reason(DOUBTFUL, f"{100 * failed:.0f} % of the posterior-predictive simulations failed.")]
    return []


def _novelty(checks: Checks) -> list[Reason]:
    test = checks["out_of_distribution"]
    if test["p"] is None:
        return [Reason(NOTE, f"Whether the recording resembles the simulations could not be tested: {test['reason']}.")]
    later = [row for row in test.get("rounds", []) if row["p"] is not None][-1:]
    if later and later[0]["p"] < 0.01 <= test["p"]:
        blame = " and ".join(named(row["name"], checks["spikes"]) for row in later[0]["blame"])
        text = f"Among the simulations of round {later[0]['round']}, near the recording, it stands out (p = "
        return [Reason(NOTE, f"{text}{later[0]['p']:.2g}; {blame}), though not among those of the prior.")]
    if test["p"] >= 0.05:
        return [Reason(GOOD, f"The recording lies among the simulations of its kind (p = {test['p']:.2g}).")]
    blame = " and ".join(named(row["name"], checks["spikes"]) for row in test["blame"])
    text = f"Few simulations resemble the recording (p = {test['p']:.2g}); the features that stand out are {blame}"
    if test["p"] >= 0.01:
        return [Reason(NOTE, f"{text}.")]
    return [Reason(DOUBTFUL, f"{text}; the network extrapolates there, or the model cannot do what the cell did.")]


def _local(checks: Checks) -> list[Reason]:
    """Calibration where it matters: among simulations like the recording."""
    test = checks["calibration"].get("local") or {"n": 0}
    if test["n"] < 50:
        return []
    covered, error = test["coverage"]["0.9"], (0.09 / test["n"]) ** 0.5
    if covered >= 0.9 - 3.5 * error:
        return []
    text = (
        f"Near the recording the posterior is too narrow: among the {test['n']} known simulations that resemble it most"
    )
    level = BAD if covered < min(0.7, 0.9 - 5 * error) else DOUBTFUL
    return [Reason(level, f"{text}, the 90 % region holds the truth in {100 * covered:.0f} %.")]


def _calibration(checks: Checks) -> list[Reason]:
    test = checks["calibration"]
    if not test["n"]:
        return [Reason(NOTE, f"Calibration could not be measured: {test['reason']}.")]
    covered = test["coverage"]["0.9"]
    error = (0.09 / test["n"]) ** 0.5
    where = f"the 90 % region holds the truth in {100 * covered:.0f} % of {test['n']} simulations with known parameters"
    reasons = []
    if covered < min(0.80, 0.9 - 3 * error):
        reasons.append(Reason(BAD, f"The posterior is too narrow: {where}."))
    elif covered < min(0.86, 0.9 - 3 * error):
        reasons.append(Reason(DOUBTFUL, f"The posterior is somewhat too narrow: {where}."))
    elif covered > max(0.97, 0.9 + 3 * error):
        reasons.append(Reason(NOTE, f"The posterior is wider than it need be: {where}."))
    else:
        reasons.append(Reason(GOOD, f"The posterior's width is right on average: {where}."))
    tarp = test.get("tarp")
    if tarp and tarp["p"] < 0.001 and tarp["distance"] > 0.1:
        text = f"Random regions hold the truth at a rate that is off by {tarp['distance']:.2f} (TARP)"
        reasons.append(Reason(DOUBTFUL, f"{text}: the posterior is too narrow or misplaced."))
    return reasons + _ranks(test)


def _ranks(test: Checks) -> list[Reason]:
    error = (1.0 / 12.0 / test["n"]) ** 0.5
    reasons = []
    for name, rank in test.get("rank", {}).items():
        off = abs(rank - 0.5)
        if off > max(0.05, 4 * error):
            side = "low" if rank > 0.5 else "high"
            text = f"Estimates of {name} are {side} on average (mean rank of the truth {rank:.2f}, should be 0.50)."
            reasons.append(Reason(BAD if off > max(0.1, 4 * error) else DOUBTFUL, text))
    return reasons


def _leakage(checks: Checks) -> list[Reason]:
    leaked = checks["leaked_mass"]
    if leaked > 0.001:
        level = BAD if leaked > 0.01 else DOUBTFUL
        return [
            Reason(level, f"{100 * leaked:.1f} % of the posterior lies outside the prior's range, where it cannot be.")
        ]
    return []


def _boundary(checks: Checks) -> list[Reason]:
    table = checks["boundary_mass"]
    pressed = []
    for side, word in (("low", "lower"), ("high", "upper")):
        pressed += [
            f"{name} ({word} end, {100 * mass:.0f} % of the mass)" for name, mass in table[side].items() if mass > 0.1
        ]
    if not pressed:
        return []
    text = f"The posterior presses against the outer 1 % of the prior's range: {_few(pressed)}"
    return [Reason(DOUBTFUL, f"{text}; widen the range if biology allows, or doubt the model.")]


def _size(checks: Checks) -> list[Reason]:
    size = checks["effective_sample_size"]
    if size < 400:
        level = BAD if size < 100 else DOUBTFUL
        return [Reason(level, f"The posterior rests on {size:.0f} effective samples only; 400 or more are needed.")]
    return []


def _doubts(checks: Checks) -> list[Reason]:
    """What the method itself said of its last round."""
    return [Reason(DOUBTFUL, f"{text[0].upper()}{text[1:]}.") for text in checks.get("doubts", [])]
