"""The import table of STYLE.md, enforced."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hhfit"
VALUES = ["arrays", "units", "errors", "library", "expression", "plugins", "protocol", "recording", "prior", "model"]
VALUES += ["channel", "mechanism", "morphology", "places", "soundness", "swc"]
VALUES += ["traces", "simulations", "outcomes", "sampled"]
POSTERIOR = ["journal", "posterior"]
ALLOWED = {
    "errors": [],
    "units": ["errors"],
    "arrays": ["errors"],
    "library": ["errors"],
    "plugins": ["errors"],
    "expression": ["arrays", "errors"],
    "protocol": ["arrays", "errors", "library"],
    "recording": ["arrays", "errors", "protocol", "units"],
    "prior": ["arrays", "errors"],
    "morphology": ["arrays", "errors", "expression"],
    "places": [],
    "mechanism": ["errors", "expression", "morphology"],
    "swc": ["errors", "library", "morphology"],
    "soundness": ["arrays", "errors", "expression", "morphology"],
    "channel": ["errors", "expression", "library", "morphology", "soundness"],
    "model": [
        "arrays",
        "channel",
        "errors",
        "expression",
        "library",
        "mechanism",
        "morphology",
        "outcomes",
        "places",
        "prior",
        "soundness",
        "swc",
        "units",
    ],
    "outcomes": ["arrays", "errors", "protocol", "traces", "_outcomes"],
    "_outcomes": ["arrays", "traces"],
    "traces": ["arrays", "errors"],
    "sampled": ["arrays"],
    "simulations": ["arrays", "traces"],
    "references": ["arrays", "errors", "prior", "simulations"],
    "journal": ["arrays"],
    "posterior": ["arrays", "prior"],
    "stimulus": ["arrays", "errors"],
    "plausibility": VALUES,
    "readers": [*VALUES, "stimulus", "plausibility"],
    "simulators": VALUES,
    "extractors": VALUES,
    "inference": ["arrays", "errors", "plugins", "prior", "sampled", "simulations", "traces", *POSTERIOR],
    "writing": [*VALUES, "simulated"],
    "simulated": VALUES,
    "passive": VALUES,
    "discrepancy": ["arrays", "simulations"],
    "sweeps": [*VALUES, "extractors"],
    "inspection": [*VALUES, "preparation", "passive", "plausibility", "sweeps", "extractors"],
    "preparation": [*VALUES, "passive", "plausibility", "sweeps"],
    "task": [*VALUES, "simulators", "extractors", "workers"],
    "result": [*VALUES, *POSTERIOR, "extractors"],
    "planning": [*VALUES, "extractors", "inference", "preparation", "run", "simulators", "task"],
    "workers": [*VALUES, *POSTERIOR, "result"],
    "run": [*VALUES, *POSTERIOR, "result", "extractors"],
    "diagnostics": [*VALUES, *POSTERIOR, "result"],
    "assumptions": [*VALUES, "diagnostics"],
    "plots": [*VALUES, *POSTERIOR, "result", "diagnostics"],
    "export": [*VALUES, *POSTERIOR, "result", "simulators"],
    "report": [*VALUES, *POSTERIOR, "extractors", "result", "diagnostics", "plots"],
}
COMPOSERS = {"pipeline", "finished", "cli", "reproduce", "example", "__init__"}


def unit_of(path: Path) -> str:
    """The top-level part of hhfit that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Parts of hhfit that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("hhfit.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "hhfit":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hhfit."):
            found.add(node.module.split(".")[1])
    return found - {"__version__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_what_the_table_allows(path):
    unit = unit_of(path)
    if unit in COMPOSERS:
        return
    assert imports_of(path) - {unit} <= set(ALLOWED[unit])


def test_table_catches_a_forbidden_import(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("from hhfit.simulators import get\nfrom hhfit import pipeline\n")
    assert imports_of(bad) == {"simulators", "pipeline"}
    assert not imports_of(bad) <= set(ALLOWED["inference"])


def test_import_loads_numpy_only():
    code = "import sys, hhfit; print(*{m.split('.')[0] for m in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "torch",
        "scipy",
        "neuron",
        "brian2",
        "efel",
        "matplotlib",
        "sbi",
        "numba",
        "pyabf",
        "pynwb",
        "distributed",
    }
    assert not heavy & set(loaded)


def test_content_folders_hold_no_python():
    for folder in ("models", "features", "data"):
        assert not list((PACKAGE.parent / folder).rglob("*.py"))
