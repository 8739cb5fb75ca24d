"""Run the suite with the lowest versions that setup.cfg allows, or with the highest there are.

    python tests/run_versions.py lowest                   # keras==3.8, tensorflow-cpu==2.18, ...
    python tests/run_versions.py highest -n 2             # what pip takes now; the rest: to pytest
    python tests/run_versions.py lowest --record -n 2     # and keep the counts
    python3.12 tests/run_versions.py highest              # on another Python: with its own

Each end and Python has a virtual environment of its own, such as `.venv-lowest-3.11`, made on the
first call and kept; the highest one is brought up to date by every call. `--record` keeps how many
tests passed, with which versions, in `benchmarks/results/versions.json`: a row for each end, Python
and arguments, which takes the place of the last such row.
"""

import configparser
import json
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "versions.json"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# What the lowest versions need beside them to be free of warnings, which are errors in the suite:
# pyparsing 3.3 deprecates the names that matplotlib 3.8 calls.
OF_THEIR_TIME = ["pyparsing<3.3"]


def run(*command):
    command = [str(word) for word in command]
    sys.stderr.write(f"+ {' '.join(command)}\n")
    return subprocess.run(command, cwd=ROOT).returncode


def requirements():
    """Lines of setup.cfg: those that people install, and those that the suite itself needs."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = parser["options.extras_require"]
    used = [extras[name] for name in ("cpu", "train", "tensorboard", "onnx")]
    used.append(parser["options"]["install_requires"])
    used = [line for lines in used for line in lines.splitlines() if line]
    # Not ruff and its like, which have no part in the tests and bring bounds of their own.
    names = "pytest|hypothesis|ipykernel|nbclient|build|setuptools|twine"
    tools = [line for line in extras["dev"].splitlines() if re.match(names, line)]
    return used, tools


def lowest_of(requirement):
    """The same requirement for its lowest version: `keras>=3.8,<4` becomes `keras==3.8`."""
    lowest, found = re.subn(r">=([\d.]+)[^;]*", r"==\1", requirement)
    if not found:
        raise SystemExit(f"setup.cfg names no lowest version. Received: {requirement}")
    return lowest


def environment_of(end):
    """Python of the environment of that end, with everything installed."""
    folder = ROOT / f".venv-{end}-{PYTHON}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists() and run(sys.executable, "-m", "venv", folder):
        raise SystemExit(f"{folder} could not be made.")
    used, tools = requirements()
    lowest = [*map(lowest_of, used), *OF_THEIR_TIME]
    versions = lowest if end == "lowest" else ["--upgrade", *used]
    if run(python, "-m", "pip", "install", "-q", *versions, *tools, "-e", "."):
        raise SystemExit(f"{folder} could not be filled.")
    return python


def installed(python):
    """Dict from what setup.cfg names to the versions that the environment holds."""
    command = [python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    found = {package["name"].lower().replace("_", "-"): package["version"] for package in found}
    names = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements()[0]}
    return {name: found[name] for name in sorted(names & found.keys())}


def counts(junit):
    """How many tests passed, failed and were skipped, of the file that pytest wrote, and why."""
    suite = xml.etree.ElementTree.parse(junit).getroot().find("testsuite")
    failures = {
        f"{test.get('classname')}.{test.get('name')}": found.get("message").partition(":")[0]
        for test in suite
        for found in (*test.findall("failure"), *test.findall("error"))
    }
    skipped = int(suite.get("skipped"))
    passed = int(suite.get("tests")) - len(failures) - skipped
    found = {"passed": passed, "failed": len(failures), "skipped": skipped}
    return found | {"failures": failures}


def keep(row):
    """Put a row into the results, in place of the last one of its kind."""

    def kind(row):
        return row["end"], row["python"].rpartition(".")[0], row["arguments"]

    rows = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    rows = [other for other in rows if kind(other) != kind(row)]
    RESULTS.write_text(json.dumps(sorted([*rows, row], key=kind), indent=2) + "\n")


def main(arguments):
    if not arguments or arguments[0] not in ("lowest", "highest"):
        return "Say which versions: lowest or highest."
    end, *arguments = arguments
    recorded = "--record" in arguments
    arguments = [argument for argument in arguments if argument != "--record"]
    python = environment_of(end)
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        code = run(python, "-m", "pytest", "-q", f"--junitxml={junit}", *arguments)
        if recorded and junit.exists():
            git = ["git", "describe", "--always", "--dirty", "--exclude=*"]
            commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True).stdout.strip()
            row = {"end": end, "python": sys.version.split()[0], "arguments": " ".join(arguments)}
            keep(row | counts(junit) | {"versions": installed(python), "commit": commit})
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
