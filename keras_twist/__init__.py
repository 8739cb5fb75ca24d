"""Twist layers, Ranger, one-cycle schedules and fast image training for Keras 3."""

__version__ = "0.1.0.dev0"
