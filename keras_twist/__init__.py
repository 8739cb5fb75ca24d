"""Twist layers, Ranger, one-cycle schedules and fast image training for Keras 3."""

from keras_twist import callbacks as callbacks
from keras_twist import data as data
from keras_twist import layers as layers
from keras_twist import models as models
from keras_twist import ops as ops
from keras_twist import optimizers as optimizers
from keras_twist import plots as plots
from keras_twist import recipes as recipes
from keras_twist import schedules as schedules

__version__ = "0.1.0.dev0"
