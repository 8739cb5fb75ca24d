"""Build sdist and wheel, install each in a clean environment without TensorFlow, and import it.

    python tests/run_install.py

The virtual environment, `.venv-install`, is made anew by every call. It holds what the package's
metadata ask for, and JAX for Keras to compute with.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CHECK = """
import importlib.metadata, importlib.util, pathlib, sys
import keras_twist

assert pathlib.Path(keras_twist.__file__).is_relative_to(sys.prefix), keras_twist.__file__
assert importlib.metadata.version("keras_twist") == keras_twist.__version__
for absent in ("tensorflow", "tests", "benchmarks"):
    assert importlib.util.find_spec(absent) is None, absent
keras_twist.models.DavidNet(width=4)
keras_twist.optimizers.Ranger(keras_twist.schedules.OneCycle(0.1, 10))
"""


def run(*command, **options):
    command = [str(word) for word in command]
    sys.stderr.write(f"+ {' '.join(command)}\n")
    return subprocess.run(command, **options).returncode


def main():
    folder = ROOT / ".venv-install"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if run(sys.executable, "-m", "venv", "--clear", folder):
        return f"{folder} could not be made."
    with tempfile.TemporaryDirectory() as elsewhere:
        if run(sys.executable, "-m", "build", "--outdir", elsewhere, ROOT):
            return "sdist and wheel could not be built."
        for pattern, options in (
            ("*.whl", ["jax"]),
            ("*.tar.gz", ["--no-deps", "--force-reinstall"]),
        ):
            (built,) = Path(elsewhere).glob(pattern)
            if run(python, "-m", "pip", "install", "-q", built, *options):
                return f"{built.name} could not be installed."
            environment = os.environ | {"KERAS_BACKEND": "jax"}
            if run(python, "-c", CHECK, cwd=elsewhere, env=environment):
                return f"{built.name} does not work once installed."
    return 0


if __name__ == "__main__":
    sys.exit(main())
