"""Optimizers that stay right under everything Keras 3 does."""

from keras_twist.optimizers.lookahead import Lookahead
from keras_twist.optimizers.muon import Muon
from keras_twist.optimizers.radam import RAdam
from keras_twist.optimizers.ranger import Ranger
from keras_twist.optimizers.sgd import SGD

__all__ = [
    "Lookahead",
    "Muon",
    "RAdam",
    "Ranger",
    "SGD",
]
