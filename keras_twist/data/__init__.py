"""Data sets and tf.data pipelines."""

from keras_twist.data.augment import (
    Augmentation,
    normalize,
    random_cutout,
    random_erasing,
    random_flip,
    random_pad_crop,
)
from keras_twist.data.cifar import CIFAR10_CLASSES, CIFAR10_MEAN, CIFAR10_STD, load_cifar10
from keras_twist.data.errors import DataError
from keras_twist.data.imgaug import PythonAugmentation, from_imgaug
from keras_twist.data.mix import mixup
from keras_twist.data.mixup_generator import MixupGenerator
from keras_twist.data.pipeline import eval_dataset, train_dataset
from keras_twist.data.random_eraser import get_random_eraser
from keras_twist.data.resident import ResidentFeed

__all__ = [
    "Augmentation",
    "CIFAR10_CLASSES",
    "CIFAR10_MEAN",
    "CIFAR10_STD",
    "DataError",
    "MixupGenerator",
    "PythonAugmentation",
    "ResidentFeed",
    "eval_dataset",
    "from_imgaug",
    "get_random_eraser",
    "load_cifar10",
    "mixup",
    "normalize",
    "random_cutout",
    "random_erasing",
    "random_flip",
    "random_pad_crop",
    "train_dataset",
]
