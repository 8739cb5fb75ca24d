"""Where a benchmark ran, for its results."""

import os
import platform

import keras
import numpy as np
import tensorflow as tf

from keras_twist.recipes.runtime import git_commit, processor_name


def describe():
    """Dict of JSON values: processor, load of the last minutes, versions, commit."""
    return {
        "cpu": processor_name(),
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "commit": git_commit(),
    }
