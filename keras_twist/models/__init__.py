"""Functions that build `keras.Model`s with float32 logits, and one that rebuilds any model."""

from keras_twist.models.blocks import he_normal, torch_uniform
from keras_twist.models.davidnet import DavidNet, ResNet9
from keras_twist.models.depthwise_xresnet import DepthwiseXResNet
from keras_twist.models.mxresnet import (
    MXResNet18,
    MXResNet34,
    MXResNet50,
    MXResNet101,
    MXResNet152,
)
from keras_twist.models.notebook_swap import NOTEBOOK_SWAP
from keras_twist.models.speednet import PartialIdentity, SpeedNet, whiten
from keras_twist.models.surgery import replace_convs, wide_3x3
from keras_twist.models.surgery_report import Replacement, SurgeryReport
from keras_twist.models.torch_weights import load_torch_state_dict
from keras_twist.models.xresnet import (
    XResNet18,
    XResNet18Deep,
    XResNet34,
    XResNet34Deep,
    XResNet50,
    XResNet50Deep,
    XResNet101,
    XResNet152,
    XResNeXt18,
    XResNeXt34,
    XResNeXt50,
    XSEResNet18,
    XSEResNet34,
    XSEResNet50,
    XSEResNeXt18,
    XSEResNeXt18Deep,
    XSEResNeXt34,
    XSEResNeXt34Deep,
    XSEResNeXt50,
    XSEResNeXt50Deep,
)

__all__ = [
    "DavidNet",
    "DepthwiseXResNet",
    "MXResNet101",
    "MXResNet152",
    "MXResNet18",
    "MXResNet34",
    "MXResNet50",
    "NOTEBOOK_SWAP",
    "PartialIdentity",
    "Replacement",
    "ResNet9",
    "SpeedNet",
    "SurgeryReport",
    "XResNeXt18",
    "XResNeXt34",
    "XResNeXt50",
    "XResNet101",
    "XResNet152",
    "XResNet18",
    "XResNet18Deep",
    "XResNet34",
    "XResNet34Deep",
    "XResNet50",
    "XResNet50Deep",
    "XSEResNeXt18",
    "XSEResNeXt18Deep",
    "XSEResNeXt34",
    "XSEResNeXt34Deep",
    "XSEResNeXt50",
    "XSEResNeXt50Deep",
    "XSEResNet18",
    "XSEResNet34",
    "XSEResNet50",
    "he_normal",
    "load_torch_state_dict",
    "replace_convs",
    "torch_uniform",
    "whiten",
    "wide_3x3",
]
