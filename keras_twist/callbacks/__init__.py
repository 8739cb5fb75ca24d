"""Keras callbacks: learning-rate policies, timing and reporting."""

from keras_twist.callbacks.learning_rate import CyclicLR, FlatCosineLR, OneCycleLR
from keras_twist.callbacks.reporting import EpochTable, JSONLinesLogger
from keras_twist.callbacks.schedule_lr import ScheduleLR
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
