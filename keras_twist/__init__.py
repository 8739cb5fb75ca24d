"""Twist layers, Ranger, one-cycle schedules and fast image training for Keras 3."""

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
