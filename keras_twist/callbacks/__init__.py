"""Keras callbacks: learning-rate policies, timing and reporting; the learning rate finder."""

from keras_twist.callbacks.learning_rate import CyclicLR, FlatCosineLR, OneCycleLR
from keras_twist.callbacks.lr_curve import LRCurve
from keras_twist.callbacks.lr_finder import lr_find
from keras_twist.callbacks.reporting import EpochTable, JSONLinesLogger
from keras_twist.callbacks.schedule_lr import ScheduleLR
from keras_twist.callbacks.stopwatch import Stopwatch

__all__ = [
    "CyclicLR",
    "EpochTable",
    "FlatCosineLR",
    "JSONLinesLogger",
    "LRCurve",
    "OneCycleLR",
    "ScheduleLR",
    "Stopwatch",
    "lr_find",
]
