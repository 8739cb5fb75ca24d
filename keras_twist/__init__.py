"""Twist layers, Ranger, one-cycle schedules and fast image training for Keras 3."""

import contextlib
import sys

from keras_twist.quiet_start import hushed, is_program

# Here, since nothing of a package can run before this, not even what `python -m` asks for.
with hushed() if is_program(sys.argv[0], sys.orig_argv) else contextlib.nullcontext():
    from keras_twist import (
        callbacks,
        data,
        layers,
        models,
        ops,
        optimizers,
        plots,
        recipes,
        schedules,
    )

__all__ = [
    "callbacks",
    "data",
    "layers",
    "models",
    "ops",
    "optimizers",
    "plots",
    "recipes",
    "schedules",
]

__version__ = "0.1.0.dev0"
