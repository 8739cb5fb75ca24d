"""Run the tests marked `imgaug` with the real library, and the versions that it still runs with.

    python tests/run_imgaug.py            # what is marked
    python tests/run_imgaug.py -x         # what follows goes to pytest

The virtual environment, `.venv-imgaug`, is made on the first call and kept. It holds the package
with its extras `cpu` and `imgaug`, and pytest.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*command):
    command = [str(word) for word in command]
    sys.stderr.write(f"+ {' '.join(command)}\n")
    return subprocess.run(command, cwd=ROOT).returncode


def main(arguments):
    folder = ROOT / ".venv-imgaug"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists() and run(sys.executable, "-m", "venv", folder):
        return f"{folder} could not be made."
    packages = ["-e", ".[cpu,imgaug]", "pytest>=8.2", "hypothesis>=6.100"]
    if run(python, "-m", "pip", "install", "-q", *packages):
        return f"{folder} could not be filled."
    # The check first: without the library its tests would be skipped, which looks like success.
    if run(python, "-c", "import imgaug.augmenters"):
        return "imgaug cannot be imported."
    return run(python, "-m", "pytest", "-q", "-m", "imgaug", "tests/data", *arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
