"""Keras callbacks: learning-rate policies, timing and reporting."""

from keras_twist.callbacks.reporting import EpochTable, JSONLinesLogger
from keras_twist.callbacks.stopwatch import Stopwatch

__all__ = ["EpochTable", "JSONLinesLogger", "Stopwatch"]
