"""Optimizers that stay right under everything Keras 3 does."""

from keras_twist.optimizers.lookahead import Lookahead as Lookahead
from keras_twist.optimizers.radam import RAdam as RAdam
from keras_twist.optimizers.ranger import Ranger as Ranger
from keras_twist.optimizers.sgd import SGD as SGD
