"""Run the tests that need no TensorFlow where there is none: on JAX, on PyTorch, or on both.

    python tests/run_backends.py                          # both; a few minutes
    python tests/run_backends.py jax                      # one
    python tests/run_backends.py jax tests/conformance    # these tests only
    python tests/run_backends.py torch -x -n 2            # what else follows goes to pytest

Each backend has a virtual environment of its own, `.venv-jax` and `.venv-torch`, made on the first
call and kept. They hold the package, the backend and pytest, and are checked to hold no TensorFlow,
so that an import of it fails here first. JAX trains the recipes as well.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# On Linux PyPI's torch brings CUDA along, several gigabytes; with a CPU build at hand, install that
# into `.venv-torch` first.
BACKENDS = {"jax": ["jax"], "torch": ["torch==2.13.0"]}
EVERYWHERE = (
    "callbacks conformance layers models ops optimizers test_cyclical.py test_files.py "
    "test_schedules.py test_source.py"
).split()
TRAINING = (
    "data/test_augment.py data/test_augment_draws.py data/test_mix.py data/test_pipeline.py "
    "data/test_resident.py data/test_stretched_crop.py recipes/test_cifar.py recipes/test_jax.py "
    "recipes/test_runtime.py recipes/test_woof.py scripts/test_train_cifar.py "
    "scripts/test_train_woof.py"
).split()
TESTS = {"jax": [*EVERYWHERE, *TRAINING], "torch": EVERYWHERE}


def run(*command, **environment):
    command = [str(word) for word in command]
    sys.stderr.write(f"+ {' '.join(command)}\n")
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}).returncode


def environment_of(backend):
    """Python of the backend's environment, with everything installed."""
    folder = ROOT / f".venv-{backend}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists() and run(sys.executable, "-m", "venv", folder):
        raise SystemExit(f"{folder} could not be made.")
    tools = "pytest>=8.2 pytest-xdist>=3.6 hypothesis>=6.100".split()
    packages = ["-e", ".[train]", *BACKENDS[backend], *tools]
    if run(python, "-m", "pip", "install", "-q", *packages):
        raise SystemExit(f"{folder} could not be filled.")
    absent = "import sys, importlib.util as u; sys.exit(u.find_spec('tensorflow') is not None)"
    if run(python, "-c", absent):
        raise SystemExit(f"TensorFlow is installed in {folder}. Remove the folder and try again.")
    return python


def main(arguments):
    chosen = [arguments.pop(0)] if arguments and arguments[0] in BACKENDS else list(BACKENDS)
    named = any((ROOT / argument.partition("::")[0]).exists() for argument in arguments)
    failed = []
    for backend in chosen:
        tests = [] if named else [f"tests/{name}" for name in TESTS[backend]]
        command = environment_of(backend), "-m", "pytest", "-q", *tests, *arguments
        # Compiling takes most of the time on JAX, and these programs run for milliseconds.
        if run(*command, KERAS_BACKEND=backend, JAX_DISABLE_MOST_OPTIMIZATIONS="1"):
            failed.append(backend)
    return f"failed on {' and '.join(failed)}" if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
