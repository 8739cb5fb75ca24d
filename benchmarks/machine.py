"""Where a benchmark ran, for its results."""

import os
import platform
import sys

from keras_twist.recipes import runtime

LIBRARIES = ("tensorflow", "keras", "jax", "torch", "numpy")


def describe():
    """Dict of JSON values: processor, load of the last minutes, versions, commit."""
    loaded = {name: sys.modules[name].__version__ for name in LIBRARIES if name in sys.modules}
    return {
        "cpu": runtime.processor_name(),
        "bfloat16": bool(runtime.BFLOAT16_CPU_FLAGS & runtime.cpu_flags()),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "gpus": len(runtime.gpu_capabilities()),
        "python": platform.python_version(),
        **loaded,
        "commit": runtime.git_commit(),
    }
