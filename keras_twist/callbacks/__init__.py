"""Keras callbacks: learning-rate policies, timing and reporting."""

from keras_twist.callbacks.learning_rate import CyclicLR, FlatCosineLR, OneCycleLR, ScheduleLR
from keras_twist.callbacks.reporting import EpochTable, JSONLinesLogger
from keras_twist.callbacks.stopwatch import Stopwatch

__all__ = [
    "CyclicLR",
    "EpochTable",
    "FlatCosineLR",
    "JSONLinesLogger",
    "OneCycleLR",
    "ScheduleLR",
    "Stopwatch",
]
