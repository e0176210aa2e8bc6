"""Every module and every content file is in the wheel."""

import configparser
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTENT = ("models", "features", "data")


def test_setup_cfg_lists_every_package():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    on_disk = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "hhfit").rglob("__init__.py")}
    assert listed == on_disk | {f"hhfit.{name}" for name in CONTENT}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    """Names of all files in a freshly built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in files.stdout.split("\n"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(path).namelist())


def test_every_module_is_in_the_wheel(wheel):
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "hhfit").rglob("*.py")}
    assert modules <= wheel


def test_every_content_file_is_in_the_wheel(wheel):
    files = {
        f"hhfit/{path.relative_to(ROOT)}" for kind in CONTENT for path in (ROOT / kind).rglob("*") if path.is_file()
    }
    assert files
    assert files <= wheel


def test_wheel_holds_nothing_else(wheel):
    assert {name.split("/")[0] for name in wheel} == {"hhfit", *(n.split("/")[0] for n in wheel if ".dist-info" in n)}
    assert not any(name.startswith(("tests", "models/", "data/", "features/")) for name in wheel)
