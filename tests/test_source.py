"""Rules about the source itself: no private APIs, nothing printed, no backend at import time."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import keras_twist

ROOT = Path(keras_twist.__file__).parent
FORBIDDEN = {
    r"\bkeras\.src\b": "a private Keras API",
    r"\btensorflow\.python\b": "a private TensorFlow API",
    r"\btf\.keras\b|from tensorflow import keras": "the Keras that comes with TensorFlow",
    r"(?<![\w.])print\(": "printing; the library returns, logs or writes to a given stream",
    r"^(import|from) (tensorflow|jax|torch)\b": "a backend at import time",
    r"safe_mode\s*=\s*False|enable_unsafe_deserialization": "models that may bring code along",
    r"\bload_model\((?![^)]*safe_mode=True)": "loading a model not expressly in safe mode",
    r"allow_pickle\s*=\s*True|\bpickle\.loads?\(|\bnp\.load\(": "unpickling by NumPy or Python",
    r"(?<![\w.])(eval|exec)\(": "running text as code",
    r"\.extract(all)?\(": "unpacking an archive to the disk",
}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_uses_nothing_forbidden(path):
    # Examples in docstrings may print.
    source = "\n".join(
        line for line in path.read_text().splitlines() if not line.lstrip().startswith(">>>")
    )
    for pattern, what in FORBIDDEN.items():
        found = re.search(pattern, source, re.MULTILINE)
        assert not found, f"{path}: {what}: {found and found[0]}"


@pytest.mark.skipif(find_spec("jax") is None, reason="needs JAX, as .ci/run has it")
def test_imports_on_another_backend_without_tensorflow():
    code = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import keras_twist\n"
        "keras_twist.layers.RandomFlip(); keras_twist.schedules.OneCycle(0.1, 10)\n"
        "keras_twist.models.DavidNet(width=4)\n"
        "keras_twist.optimizers.SGD(keras_twist.schedules.OneCycle(0.1, 10))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == done.stderr == ""
