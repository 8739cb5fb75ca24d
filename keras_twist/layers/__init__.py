"""Keras layers: twist, attention, blur pooling and per-image augmentation."""

from keras_twist.layers.augmentation import Cutout as Cutout
from keras_twist.layers.augmentation import RandomFlip as RandomFlip
from keras_twist.layers.augmentation import RandomPadCrop as RandomPadCrop
from keras_twist.layers.bias import Bias as Bias
from keras_twist.layers.blur_pool import MaxBlurPool2D as MaxBlurPool2D
from keras_twist.layers.mish import Mish as Mish
from keras_twist.layers.simple_self_attention import SimpleSelfAttention as SimpleSelfAttention
from keras_twist.layers.twist_layer import TWIST_VARIANTS as TWIST_VARIANTS
from keras_twist.layers.twist_layer import TwistLayer as TwistLayer
