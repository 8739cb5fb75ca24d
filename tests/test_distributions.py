"""What `python -m build` makes holds the package alone, and says what it is.

`python tests/run_install.py` installs the same in a clean environment.
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import keras_twist

pytest.importorskip("build", reason="needs build and twine, of the extra `dev`")
ROOT = Path(__file__).parents[1]
NAME = f"keras_twist-{keras_twist.__version__}"


def run(*command):
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """Folder with a wheel and an sdist of what git knows of; the wheel is built from the sdist."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("distributions")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    # Without isolation, where nothing is fetched.
    run("build", "--no-isolation", "--outdir", str(folder), str(source))
    return folder


@pytest.fixture(scope="module")
def package():
    """Paths of all modules."""
    return {str(path.relative_to(ROOT)) for path in (ROOT / "keras_twist").rglob("*.py")}


def test_the_wheel_holds_the_package_alone(distributions, package):
    with zipfile.ZipFile(distributions / f"{NAME}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        licenses = [name for name in names if name.endswith("/LICENSE")]
        assert [wheel.read(name) for name in licenses] == [(ROOT / "LICENSE").read_bytes()]
    assert {name for name in names if not name.startswith(f"{NAME}.dist-info/")} == package


def test_the_sdist_holds_the_package_and_how_to_build_it(distributions, package):
    with tarfile.open(distributions / f"{NAME}.tar.gz") as sdist:
        names = {file.name.removeprefix(f"{NAME}/") for file in sdist if file.isfile()}
    building = {"LICENSE", "MANIFEST.in", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"}
    names = {name for name in names if not name.startswith("keras_twist.egg-info/")}
    assert names == package | building


def test_the_metadata_are_complete(distributions):
    run("twine", "check", "--strict", *map(str, distributions.iterdir()))
    with zipfile.ZipFile(distributions / f"{NAME}-py3-none-any.whl") as wheel:
        metadata = Parser().parsestr(wheel.read(f"{NAME}.dist-info/METADATA").decode())
    assert metadata["Version"] == keras_twist.__version__
    assert metadata["License"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Summary"] and metadata["Keywords"]
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text().strip()
    # What comes without asking is small: TensorFlow is an extra.
    always = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert [line.partition(">")[0].partition("<")[0] for line in always] == ["keras", "numpy"]
