"""The settings of a training run on ImageWoof or Imagenette, and the runs that have a name."""

import dataclasses
from typing import ClassVar, Literal

from keras_twist.recipes import woof_networks
from keras_twist.recipes.recipe import Recipe, RecipeError, Schedule

_OF_ADAM = ("ranger", "radam", "adam", "lookahead", "lamb")


@dataclasses.dataclass(frozen=True)
class WoofRecipe(Recipe):
    """A training run on ImageWoof or Imagenette.

    Raises:
        RecipeError: (a ValueError) if a field is out of its range, or means nothing to the model.

    Example:
        >>> WoofRecipe(name="mine", model="xresnet18").optimizer
        'ranger'
    """

    task: ClassVar[str] = "woof"
    ranges: ClassVar[dict] = Recipe.ranges | {
        "image_size": (32, 1024),
        "stem_strides": (1, 2),
        "width": (4, 1024),
        "beta_2": (0, 1),
        "epsilon": (1e-12, 1),
        "min_scale": (0.01, 1),
        "valid_scale": (1, 10),
        "erasing_area": (0, 1),
        "holdout": (0, 9_000),
    }
    needs: ClassVar[dict] = Recipe.needs | {
        "symmetric": ("self_attention", (True,)),
        "momentum": ("optimizer", (*_OF_ADAM, "sgd", "muon")),
        "beta_2": ("optimizer", (*_OF_ADAM, "rms")),
        "epsilon": ("optimizer", (*_OF_ADAM, "rms")),
    }

    # What a run of these data sets usually has, and the published scripts' defaults.
    epochs: int = 5
    batch_size: int = 64
    schedule: Schedule = "flat_cosine"
    learning_rate: float = 4e-3
    momentum: float = 0.95
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1

    dataset: Literal["imagewoof", "imagenette"] = "imagewoof"
    """Ten breeds of dogs, hard to tell apart, or ten easy classes."""

    on_error: Literal["raise", "skip"] = "raise"
    """What a picture that cannot be read does: end the run, or be left out and counted."""

    image_size: int = 128
    """Side of the images that the network sees, in pixels."""

    model: Literal[tuple(woof_networks.MODELS)] = "mxresnet50"
    """Network; see keras_twist.models."""

    conv: Literal["conv", "twist", "depthwise"] = "conv"
    """What the 3x3 convolutions are: plain; TwistLayer where they have more than 32 filters; one
    per channel."""

    self_attention: bool = False
    """SimpleSelfAttention in the last block of one stage."""

    symmetric: bool = False
    """Symmetric self-attention (with `self_attention`)."""

    pool: Literal["avg", "max", "max_blur"] = "avg"
    """Pooling that halves the shortcuts of residual networks; max_blur also blurs the stem's."""

    stem_strides: int = 2
    """Stride of the first convolution; 1 doubles height and width of all that follows, for four
    times the work."""

    width: int | None = None
    """Filters of the first stage; the others grow with it."""

    optimizer: Literal["ranger", "adam", "rms", "sgd", "radam", "lookahead", "lamb", "muon"] = (
        "ranger"
    )
    """lookahead is Adam inside Lookahead; rms has no momentum; muon moves convolution kernels by
    orthogonalized momentum, without weight decay, and all else as sgd does. Weight decay is
    decoupled, except muon's, and spares batch normalisation and biases."""

    beta_2: float = 0.99
    """Decay of the squared gradients (not sgd, muon)."""

    epsilon: float = 1e-6
    """Added to the root of the squared gradients (not sgd, muon)."""

    min_scale: float = 0.35
    """Smallest part of a picture that is shown in training, as a share of its area."""

    valid_scale: float = 1.14
    """Validation shows the central square whose side is the picture's shorter side divided by this:
    1.14 (256 / 224) as in fastai 2, 1.25 (160 / 128) as in fastai 1."""

    erasing_area: float = 0.0
    """Largest share of an image that up to three rectangles of noise cover, in three images of ten;
    0 for none."""

    def __post_init__(self):
        super().__post_init__()
        if self.beta_2 == 1 or self.momentum == 1:
            raise RecipeError(
                "Fields `momentum` and `beta_2` must be below 1. "
                f"Received: momentum={self.momentum}, beta_2={self.beta_2}"
            )
        if self.low_momentum is not None and self.optimizer != "sgd":
            raise RecipeError(
                "Field `low_momentum` needs optimizer='sgd'. "
                f"Received: low_momentum={self.low_momentum}, optimizer={self.optimizer!r}"
            )
        woof_networks.options(self)


# What each recipe is, for people who ask the script for help.
ABOUT = {
    "mxresnet50_twist": "ResNet with a Twist: MXResNet50 with Mish, self-attention and "
    "TwistLayers, Ranger, flat then cosine. The published run, 87.3 %, has --epochs 80 --bs 64 "
    "--lr 4e-3 --pool avg.",
    "mxresnet50": "The same without the twist, for comparison.",
    "xse_resnext18": "The notebook on fastai's models: XSEResNeXt18, Mish and self-attention.",
    "xse_resnext18_twist": "The same with TwistLayers in place of its wide 3x3 convolutions, "
    "groups kept: 18.9 million parameters; the notebook had 71.9 by mistake.",
    "best5": "The most in 5 epochs at 128 pixels here: the SpeedNet of CIFAR-10's records, two "
    "groups longer, and Muon.",
}

# ResNet with a Twist was trained with the first fastai, the notebook with the second. Batches of
# 64 are halved here, since 5 epochs have few updates; the rate is that of its other published run.
# Its author's later networks have blurred pools, which are better here as well
# (benchmarks/results/time_to_accuracy.json).
_FASTAI_1 = {
    "self_attention": True,
    "pool": "max_blur",
    "valid_scale": 1.25,
    "batch_size": 32,
    "learning_rate": 3e-3,
}
_FASTAI_2 = {
    "self_attention": True,
    "model": "xse_resnext18",
    "learning_rate": 3e-3,
    "anneal_start": 0.75,
    "end_factor": 1e-5,
}
WOOF_RECIPES = {
    "mxresnet50_twist": WoofRecipe(name="mxresnet50_twist", conv="twist", **_FASTAI_1),
    "mxresnet50": WoofRecipe(name="mxresnet50", **_FASTAI_1),
    "xse_resnext18": WoofRecipe(name="xse_resnext18", **_FASTAI_2),
    "xse_resnext18_twist": WoofRecipe(name="xse_resnext18_twist", conv="twist", **_FASTAI_2),
    "best5": WoofRecipe(
        name="best5",
        model="speednet",
        optimizer="muon",
        schedule="linear",
        learning_rate=0.15,
        pct_start=0.1,
        start_factor=0.2,
        momentum=0.85,
        kernel_rate=0.3,
        kernel_momentum=0.9,
        weight_decay=8.5e-4,
        valid_scale=1.25,
    ),
}
"""The recipes of `train_woof.py` by name; `dataclasses.replace` changes their fields."""
