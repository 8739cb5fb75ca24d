"""Functions that build `keras.Model`s with float32 logits."""

from keras_twist.models.blocks import torch_uniform
from keras_twist.models.davidnet import DavidNet, ResNet9
from keras_twist.models.speednet import PartialIdentity, SpeedNet, whiten

__all__ = ["DavidNet", "PartialIdentity", "ResNet9", "SpeedNet", "torch_uniform", "whiten"]
