"""What to conclude from which feature informs which parameter, in words."""

from collections.abc import Mapping
from typing import Any

import numpy as np

LEAST_BITS = 0.2
"""Information below it is not told from chance: the network that measures it errs by about 0.1 bit."""


def conclusions(found: Mapping[str, Any]) -> list[str]:
    """Sentences on what each parameter rests on.

    Example:
        >>> found = {"features": ["width"], "parameters": ["g_na", "tau"], "simulations": 500}
        >>> conclusions({**found, "alone": [[1.25, 0.0]], "lost": [[1.0, 0.0]], "all": [1.3, 0.1]})
        ['g_na rests most on width (1.2 bit by itself, 1.0 missed without it)', 'no feature informs tau']
    """
    alone, lost, features = np.array(found["alone"]), np.array(found["lost"]), found["features"]
    sentences, silent = [], []
    for p, name in enumerate(found["parameters"]):
        best = int(alone[:, p].argmax())
        if alone[best, p] >= LEAST_BITS:
            missed = (
                f"{lost[best, p]:.1f} missed without it" if lost[best, p] >= LEAST_BITS else "others can replace it"
            )
            sentences.append(f"{name} rests most on {features[best]} ({alone[best, p]:.1f} bit by itself, {missed})")
        elif found["all"][p] >= LEAST_BITS:
            sentences.append(f"{name} is informed by several features together, by none alone")
        else:
            silent.append(name)
    return sentences + ([f"no feature informs {', '.join(silent)}"] if silent else [])
