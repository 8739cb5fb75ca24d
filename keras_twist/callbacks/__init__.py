"""Keras callbacks: learning-rate policies, timing and reporting; the learning rate finder."""

from keras_twist.callbacks.lr_curve import LRCurve
from keras_twist.callbacks.lr_finder import lr_find
from keras_twist.callbacks.reporting import EpochTable, JSONLinesLogger
from keras_twist.callbacks.stopwatch import Stopwatch

__all__ = ["EpochTable", "JSONLinesLogger", "LRCurve", "Stopwatch", "lr_find"]
