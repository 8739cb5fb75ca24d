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
    """`kind` is where `train_dataset` takes it: "draw", "function" and "python" in `augment`,
    or "mix"."""

    make: Callable
    kind: str = "draw"


TOP_LEFT = {"top": [0, 1, 3, 2], "left": [2, 0, 1, 4]}
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
    "Mish": Layer(layers.Mish),
    "SimpleSelfAttention": Layer(layers.SimpleSelfAttention),
    "SimpleSelfAttention-symmetric": Layer(partial(layers.SimpleSelfAttention, symmetric=True)),
    "MaxBlurPool2D": Layer(layers.MaxBlurPool2D),
    "MaxBlurPool2D-odd": Layer(partial(layers.MaxBlurPool2D, pool_size=3, border="zeros")),
    "Bias": Layer(partial(layers.Bias, rate=4.0)),
    "RandomPadCrop": Layer(partial(layers.RandomPadCrop, padding=2, seed=1), draws=TOP_LEFT),
    "RandomFlip": Layer(
        partial(layers.RandomFlip, "horizontal_and_vertical", seed=1),
        draws={"horizontal": [True, True, False, False], "vertical": [True, False, True, False]},
    ),
    "Cutout": Layer(partial(layers.Cutout, size=3, seed=1), draws=TOP_LEFT),
}

# Each takes a learning rate and what every Keras optimizer takes. The pulls of Lookahead come at
# every second update, so that eight updates see four of them.
OPTIMIZERS = {
    "SGD": partial(optimizers.SGD, momentum=0.9, nesterov=True, weight_decay=1e-3, coupled=True),
    "RAdam": partial(optimizers.RAdam, beta_2=0.98, weight_decay=1e-3),
    "Ranger": partial(optimizers.Ranger, beta_1=0.9, beta_2=0.98, sync_period=2),
    "Lookahead": lambda learning_rate, **options: optimizers.Lookahead(
        keras.optimizers.Adam(learning_rate, **options), sync_period=2
    ),
}

SCHEDULES = {
    "PiecewiseLinear": partial(schedules.PiecewiseLinear, [0, 3, 20], [0.1, 0.4, 0.0]),
    "OneCycle": partial(schedules.OneCycle, 0.4, total_steps=20),
    "OneCycle-linear": partial(schedules.OneCycle, 0.4, total_steps=20, anneal="linear"),
    "OneCycle-phases": partial(schedules.OneCycle, 0.4, total_steps=20, three_phase=True),
}

MODELS = {
    "DavidNet": Model(partial(models.DavidNet, width=4), (8, 8, 3), (16, 24, 1), 26_620),
    "ResNet9": Model(partial(models.ResNet9, width=4), (8, 8, 3), (16, 24, 1), 26_630),
    "SpeedNet": Model(partial(models.SpeedNet, width=4), (26, 26, 3), (25, 32, 1), 9_184),
}

INITIALIZERS = {"PartialIdentity": models.PartialIdentity, "torch_uniform": models.torch_uniform}

# Each takes a folder to write to.
CALLBACKS = {
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
    "random_erasing": TFData(partial(data.random_erasing, 0.8, (0.1, 0.4), fill=(0.0, 255.0))),
    "normalize": TFData(partial(data.normalize, [120, 110, 100], [60, 50, 40]), kind="function"),
    "from_imgaug": TFData(lambda: data.from_imgaug(_add_noise), kind="python"),
    "mixup": TFData(data.mixup, kind="mix"),
}

OPS = {
    "mish": Op(ops.mish, ((8, 8, 3),)),
    "antisymmetrize": Op(ops.antisymmetrize, (IN_OUT,)),
    "antisymmetric_kernel": Op(ops.antisymmetric_kernel, ((4, 3, 4),)),
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
    models: (MODELS | INITIALIZERS, ("whiten",)),
    callbacks: (CALLBACKS, ()),
    ops: (OPS, ()),
    data: (
        TF_DATA,
        (
            "Augmentation",
            "DataError",
            "MixupGenerator",
            "PythonAugmentation",
            "ResidentFeed",
            "eval_dataset",
            "get_random_eraser",
            "load_cifar10",
            "train_dataset",
        ),
    ),
}
