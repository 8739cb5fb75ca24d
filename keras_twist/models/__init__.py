"""Functions that build `keras.Model`s with float32 logits, and one that rebuilds any model."""

from keras_twist.models.blocks import torch_uniform
from keras_twist.models.davidnet import DavidNet, ResNet9
from keras_twist.models.notebook_swap import NOTEBOOK_SWAP
from keras_twist.models.speednet import PartialIdentity, SpeedNet, whiten
from keras_twist.models.surgery import replace_convs, wide_3x3
from keras_twist.models.surgery_report import Replacement, SurgeryReport

__all__ = [
    "DavidNet",
    "NOTEBOOK_SWAP",
    "PartialIdentity",
    "Replacement",
    "ResNet9",
    "SpeedNet",
    "SurgeryReport",
    "replace_convs",
    "torch_uniform",
    "whiten",
    "wide_3x3",
]
