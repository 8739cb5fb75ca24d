"""Data sets, and pipelines of TensorFlow and JAX that make batches of them."""

from keras_twist.data.augment import (
    Augmentation,
    Examples,
    alternating_flip,
    normalize,
    random_cutout,
    random_erasing,
    random_flip,
    random_pad_crop,
)
from keras_twist.data.cifar import CIFAR10_CLASSES, CIFAR10_MEAN, CIFAR10_STD, load_cifar10
from keras_twist.data.errors import DataError
from keras_twist.data.filters import gaussian_blur, random_color_jitter, random_gaussian_blur
from keras_twist.data.image_folder import ImageFolder, load_image_folder
from keras_twist.data.imagenette import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    IMAGENETTE_CLASSES,
    IMAGEWOOF_CLASSES,
    load_imagenette,
    load_imagewoof,
)
from keras_twist.data.imgaug import PythonAugmentation, from_imgaug
from keras_twist.data.leaks import count_shared
from keras_twist.data.mix import cutmix, mixup
from keras_twist.data.mixup_generator import MixupGenerator
from keras_twist.data.pipeline import eval_dataset, train_dataset
from keras_twist.data.random_eraser import get_random_eraser
from keras_twist.data.resident import ResidentFeed
from keras_twist.data.warps import random_resized_crop, random_rotation, random_translation

__all__ = [
    "Augmentation",
    "CIFAR10_CLASSES",
    "CIFAR10_MEAN",
    "CIFAR10_STD",
    "DataError",
    "Examples",
    "IMAGENETTE_CLASSES",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "IMAGEWOOF_CLASSES",
    "ImageFolder",
    "MixupGenerator",
    "PythonAugmentation",
    "ResidentFeed",
    "alternating_flip",
    "count_shared",
    "cutmix",
    "eval_dataset",
    "from_imgaug",
    "gaussian_blur",
    "get_random_eraser",
    "load_cifar10",
    "load_image_folder",
    "load_imagenette",
    "load_imagewoof",
    "mixup",
    "normalize",
    "random_color_jitter",
    "random_cutout",
    "random_erasing",
    "random_flip",
    "random_gaussian_blur",
    "random_pad_crop",
    "random_resized_crop",
    "random_rotation",
    "random_translation",
    "train_dataset",
]
