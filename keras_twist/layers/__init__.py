"""Keras layers: twist, attention, blur pooling, faster standard layers, per-image augmentation."""

from keras_twist.layers.augmentation import Cutout, RandomFlip, RandomPadCrop
from keras_twist.layers.batch_norm_act import BatchNormAct
from keras_twist.layers.bias import Bias
from keras_twist.layers.blur_pool import MaxBlurPool2D
from keras_twist.layers.fast_conv2d import FastConv2D
from keras_twist.layers.mish import Mish
from keras_twist.layers.random_erasing import RandomErasing
from keras_twist.layers.random_filters import RandomColorJitter, RandomGaussianBlur
from keras_twist.layers.random_warps import RandomRotation, RandomTranslation
from keras_twist.layers.simple_self_attention import SimpleSelfAttention
from keras_twist.layers.twist_layer import TWIST_VARIANTS, TwistLayer

__all__ = [
    "BatchNormAct",
    "Bias",
    "Cutout",
    "FastConv2D",
    "MaxBlurPool2D",
    "Mish",
    "RandomColorJitter",
    "RandomErasing",
    "RandomFlip",
    "RandomGaussianBlur",
    "RandomPadCrop",
    "RandomRotation",
    "RandomTranslation",
    "SimpleSelfAttention",
    "TWIST_VARIANTS",
    "TwistLayer",
]
