"""The one table of everything public, each in the smallest setting in which it does its work.

A row's id is the public name, with `-` and a word behind it where one name has several rows. The
tests of this folder run the whole contract over every row; adding a class means adding its row
here and, where it computes something, running `python -m tests.conformance.golden` once.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import keras
import numpy as np

from keras_twist import callbacks, data, layers, models, ops, optimizers, schedules

BATCH = 4


@dataclasses.dataclass(frozen=True)
class Layer:
    """`make(**kwargs)` takes what every Keras layer takes; `draws` fixes a random layer's."""

    make: Callable
    shape: tuple = (8, 8, 3)
    draws: dict | None = None


@dataclasses.dataclass(frozen=True)
class Model:
    """`make(num_classes, input_shape)`; `params` for 10 classes and `shape`."""

    make: Callable
    shape: tuple
    other_shape: tuple
    params: int


@dataclasses.dataclass(frozen=True)
class Op:
    """A pure function and the shapes of its arguments."""

    function: Callable
    shapes: tuple


@dataclasses.dataclass(frozen=True)
class TFData:
    """`kind` is where `train_dataset` takes it: "draw", "function" and "python" in `augment`, or
    "mix".

    `dtype` is what it makes of uint8 images.
    """

    make: Callable
    kind: str = "draw"
    dtype: str = "uint8"


TOP_LEFT = {"top": [0, 1, 3, 2], "left": [2, 0, 1, 4]}
TWO_RECTANGLES = {
    "top": [[0, 5], [2, 1], [3, 0], [6, 6]],
    "left": [[1, 0], [4, 4], [0, 2], [5, 0]],
    "height": [[2, 3], [0, 4], [8, 1], [2, 2]],
    "width": [[3, 2], [5, 0], [1, 6], [3, 3]],
}
COLORS = np.random.default_rng(0).uniform(size=(BATCH, 2, 1, 1, 3)).astype("float32")
OUT = (4,)
IN_OUT = (3, 3, 3, 4)

LAYERS = {
    "TwistLayer": Layer(partial(layers.TwistLayer, 4)),
    "TwistLayer-wide": Layer(partial(layers.TwistLayer, 4), shape=(8, 8, 64)),
    "TwistLayer-strided": Layer(
        partial(layers.TwistLayer, 6, 2, 3, use_bias=True, activation="leaky_relu")
    ),
    "TwistLayer-notebook": Layer(
        partial(layers.TwistLayer, 4, **layers.TWIST_VARIANTS["notebook"])
    ),
    "TwistLayer-mxresnet": Layer(
        partial(layers.TwistLayer, 4, **layers.TWIST_VARIANTS["mxresnet"])
    ),
    "TwistLayer-full_kernels": Layer(
        partial(layers.TwistLayer, 4, **layers.TWIST_VARIANTS["mxresnet"], full_kernels=True)
    ),
    "Mish": Layer(layers.Mish),
    "SimpleSelfAttention": Layer(layers.SimpleSelfAttention),
    "SimpleSelfAttention-symmetric": Layer(partial(layers.SimpleSelfAttention, symmetric=True)),
    "MaxBlurPool2D": Layer(layers.MaxBlurPool2D),
    "MaxBlurPool2D-odd": Layer(partial(layers.MaxBlurPool2D, pool_size=3, border="zeros")),
    "BatchNormAct": Layer(partial(layers.BatchNormAct, "mish", momentum=0.9)),
    "BatchNormAct-plain": Layer(partial(layers.BatchNormAct, scale=False, center=False)),
    "FastConv2D": Layer(partial(layers.FastConv2D, 4, 3, padding="same")),
    "Bias": Layer(partial(layers.Bias, rate=4.0)),
    "RandomPadCrop": Layer(partial(layers.RandomPadCrop, padding=2, seed=1), draws=TOP_LEFT),
    "RandomFlip": Layer(
        partial(layers.RandomFlip, "horizontal_and_vertical", seed=1),
        draws={"horizontal": [True, True, False, False], "vertical": [True, False, True, False]},
    ),
    "Cutout": Layer(partial(layers.Cutout, size=3, seed=1), draws=TOP_LEFT),
    "Cutout-clipped": Layer(partial(layers.Cutout, size=3, clip=True, seed=1), draws=TOP_LEFT),
    "RandomErasing": Layer(
        partial(layers.RandomErasing, 0.8, max_count=2, seed=1),
        draws={**TWO_RECTANGLES, "noise": [5, 6, 7, 8]},
    ),
    "RandomErasing-colors": Layer(
        partial(layers.RandomErasing, 0.8, max_count=2, fill="color", seed=1),
        draws={**TWO_RECTANGLES, "noise": COLORS},
    ),
    "RandomRotation": Layer(
        partial(layers.RandomRotation, 30, seed=1), draws={"degrees": [10.0, -25.0, 0.0, 3.0]}
    ),
    "RandomTranslation": Layer(
        partial(layers.RandomTranslation, 0.2, 0.2, "reflect", seed=1),
        draws={"down": [1.0, 0.0, -1.25, 0.5], "right": [0.0, 2.0, 0.75, -1.5]},
    ),
    "RandomGaussianBlur": Layer(
        partial(layers.RandomGaussianBlur, seed=1), draws={"sigma": [0.0, 0.3, 0.6, 1.0]}
    ),
    "RandomColorJitter": Layer(
        partial(layers.RandomColorJitter, seed=1),
        draws={
            "brightness": [1.0, 0.8, 1.2, 1.1],
            "contrast": [1.1, 1.0, 0.8, 1.2],
            "saturation": [0.8, 1.2, 1.0, 0.9],
        },
    ),
}

# Each takes a learning rate and what every Keras optimizer takes. The pulls of Lookahead come at
# every second update, so that eight updates see four of them.
OPTIMIZERS = {
    "SGD": partial(optimizers.SGD, momentum=0.9, nesterov=True, weight_decay=1e-3, coupled=True),
    # Orthogonal steps of 3x3 kernels are much larger than others for the same rate.
    "Muon": partial(optimizers.Muon, kernel_rate=0.02, weight_decay=1e-3),
    "RAdam": partial(optimizers.RAdam, beta_2=0.98, weight_decay=1e-3),
    "Ranger": partial(optimizers.Ranger, beta_1=0.9, beta_2=0.98, sync_period=2),
    "Lookahead": lambda learning_rate, **options: optimizers.Lookahead(
        keras.optimizers.Adam(learning_rate, **options), sync_period=2
    ),
}


@keras.saving.register_keras_serializable(package="conformance")
def inverse(cycle):
    """A scale of cycles: the whole, the half, the third."""
    return 1 / cycle


SCHEDULES = {
    "PiecewiseLinear": partial(schedules.PiecewiseLinear, [0, 3, 20], [0.1, 0.4, 0.0]),
    "OneCycle": partial(schedules.OneCycle, 0.4, total_steps=20),
    "OneCycle-linear": partial(schedules.OneCycle, 0.4, total_steps=20, anneal="linear"),
    "OneCycle-phases": partial(schedules.OneCycle, 0.4, total_steps=20, three_phase=True),
    "Cyclical": partial(schedules.Cyclical, 0.1, 0.4, step_size=6.3),
    "Cyclical-triangular2": partial(schedules.Cyclical, 0.1, 0.4, 5.9, mode="triangular2"),
    "Cyclical-exp_range": partial(schedules.Cyclical, 0.1, 0.4, 6, mode="exp_range", gamma=0.9),
    "Cyclical-scale_fn": partial(schedules.Cyclical, 0.1, 0.4, 6.3, scale_fn=inverse),
    "FlatCosine": partial(schedules.FlatCosine, 0.4, total_steps=22, anneal_start=0.3),
    "MirroredMomentum": lambda: schedules.MirroredMomentum(schedules.OneCycle(0.4, 22)),
}

# A scale of 0, also that of attention, would keep the first step from what is in front of it.
SMALL = {"widths": (4, 4, 4, 4), "stem_filters": (4, 4, 4), "zero_gamma": False}
MODELS = {
    "DavidNet": Model(partial(models.DavidNet, width=4), (8, 8, 3), (16, 24, 1), 26_620),
    "ResNet9": Model(partial(models.ResNet9, width=4), (8, 8, 3), (16, 24, 1), 26_630),
    "SpeedNet": Model(partial(models.SpeedNet, width=4), (26, 26, 3), (25, 32, 1), 9_184),
    "XResNet18": Model(partial(models.XResNet18, **SMALL), (16, 16, 3), (18, 17, 1), 3_054),
    "XSEResNeXt18": Model(
        partial(
            models.XSEResNeXt18,
            **(SMALL | {"widths": (32, 32, 32, 32), "stem_filters": (4, 4, 32)}),
        ),
        (16, 16, 3),
        (18, 17, 1),
        161_446,
    ),
    "MXResNet18": Model(
        partial(models.MXResNet18, conv="twist", **(SMALL | {"widths": (36, 4, 4, 4)})),
        (16, 16, 3),
        (18, 17, 1),
        57_438,
    ),
    "DepthwiseXResNet": Model(
        partial(
            models.DepthwiseXResNet,
            blocks=(1, 1, 1, 1),
            multiplier=2,
            self_attention=False,
            **SMALL,
        ),
        (20, 20, 3),
        (18, 19, 1),
        1_960,
    ),
}

INITIALIZERS = {
    "PartialIdentity": models.PartialIdentity,
    "torch_uniform": models.torch_uniform,
    "he_normal": models.he_normal,
}
# The same function made these as made the rows; tests/models/test_xresnet.py counts layers and,
# of those whose counts are published, parameters.
OTHER_DEPTHS = (
    *(f"MXResNet{depth}" for depth in (34, 50, 101, 152)),
    *(f"XResNet{depth}" for depth in (34, 50, 101, 152)),
    *(f"XResNeXt{depth}" for depth in (18, 34, 50)),
    *(f"XSEResNet{depth}" for depth in (18, 34, 50)),
    *(f"XSEResNeXt{depth}" for depth in (34, 50)),
    *(f"{family}{depth}Deep" for family in ("XResNet", "XSEResNeXt") for depth in (18, 34, 50)),
)

# Each takes a folder to write to. The policies give every update the rate 0.01.
CALLBACKS = {
    "ScheduleLR": lambda folder: callbacks.ScheduleLR(lambda step: 0.01),
    "CyclicLR": lambda folder: callbacks.CyclicLR(0.01, 0.01, step_size=2),
    "OneCycleLR": lambda folder: callbacks.OneCycleLR(
        0.01, 10**9, div_factor=1.0, base_momentum=None, max_momentum=None
    ),
    "FlatCosineLR": lambda folder: callbacks.FlatCosineLR(0.01, total_steps=100),
    "EpochTable": lambda folder: callbacks.EpochTable(),
    "JSONLinesLogger": lambda folder: callbacks.JSONLinesLogger(folder / "metrics.jsonl"),
    "Stopwatch": lambda folder: callbacks.Stopwatch(batch_size=4),
}


def _add_noise(image, seed):
    return image // 2 + np.random.default_rng(seed).integers(0, 99, image.shape).astype("uint8")


TF_DATA = {
    "random_pad_crop": TFData(partial(data.random_pad_crop, 2)),
    "random_flip": TFData(data.random_flip),
    "random_cutout": TFData(partial(data.random_cutout, 3, value=7)),
    "random_cutout-clipped": TFData(partial(data.random_cutout, 3, value=7, clip=True)),
    "random_erasing": TFData(partial(data.random_erasing, 0.8, (0.1, 0.4))),
    "random_erasing-colors": TFData(
        partial(data.random_erasing, 0.8, (0.2, 0.4), max_count=3, fill="color", log_aspect=True)
    ),
    "alternating_flip": TFData(data.alternating_flip),
    "random_rotation": TFData(data.random_rotation),
    "random_translation": TFData(data.random_translation),
    "random_resized_crop": TFData(data.random_resized_crop),
    "random_resized_crop-aspects": TFData(
        partial(data.random_resized_crop, aspects=[0.25, 0.5, 1, 2] * 4)
    ),
    "random_gaussian_blur": TFData(partial(data.random_gaussian_blur, (0.4, 0.9))),
    "random_color_jitter": TFData(data.random_color_jitter),
    "gaussian_blur": TFData(partial(data.gaussian_blur, 0.8), "function"),
    "from_imgaug": TFData(lambda: data.from_imgaug(_add_noise), "python"),
    "normalize": TFData(
        partial(data.normalize, [120, 110, 100], [60, 50, 40]), "function", "float32"
    ),
    "mixup": TFData(data.mixup, "mix", "float32"),
    "mixup-batch": TFData(partial(data.mixup, per_image=False), "mix", "float32"),
    "cutmix": TFData(data.cutmix, "mix"),
}

OPS = {
    "mish": Op(ops.mish, ((8, 8, 3),)),
    "antisymmetrize": Op(ops.antisymmetrize, (IN_OUT,)),
    "antisymmetric_kernel": Op(ops.antisymmetric_kernel, ((4, 3, 4),)),
    "orthogonalize": Op(partial(ops.orthogonalize, steps=3), ((6, 4),)),
    "rotate_kernel": Op(partial(ops.rotate_kernel, quarter_turns=-1), (IN_OUT,)),
    "coordinate_grid": Op(partial(ops.coordinate_grid, 5, 6, "center"), ()),
    "disk_mask": Op(partial(ops.disk_mask, ramp=0.7), ((8, 8),)),
    "twist_conv": Op(ops.twist_conv, ((2, 5, 6, 3), IN_OUT, IN_OUT, IN_OUT, OUT, OUT, OUT)),
}

# What is public in each module, by the tables whose rows it must have, and the functions that are
# no part of a network, a step or a pipeline and have tests of their own.
PUBLIC = {
    layers: (LAYERS, ()),
    optimizers: (OPTIMIZERS, ()),
    schedules: (SCHEDULES, ()),
    models: (
        MODELS | INITIALIZERS,
        (
            "Replacement",
            "SurgeryReport",
            "load_torch_state_dict",
            "replace_convs",
            "whiten",
            "wide_3x3",
            *OTHER_DEPTHS,
        ),
    ),
    callbacks: (CALLBACKS, ("LRCurve", "lr_find")),
    ops: (OPS, ()),
    data: (
        TF_DATA,
        (
            "Augmentation",
            "DataError",
            "Examples",
            "ImageFolder",
            "MixupGenerator",
            "PythonAugmentation",
            "ResidentFeed",
            "count_shared",
            "eval_dataset",
            "get_random_eraser",
            "load_cifar10",
            "load_image_folder",
            "load_imagenette",
            "load_imagewoof",
            "train_dataset",
        ),
    ),
}
