"""The settings of a training run on CIFAR-10, and the runs that have a name."""

import dataclasses
import math
from typing import ClassVar, Literal

from keras_twist.recipes import cifar_networks
from keras_twist.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class CIFARRecipe(Recipe):
    """A training run on CIFAR-10.

    Raises:
        RecipeError: (a ValueError) if a field is out of its range, or means nothing to the model.

    Example:
        >>> CIFARRecipe(name="mine", width=32).model
        'davidnet'
    """

    task: ClassVar[str] = "cifar"
    ranges: ClassVar[dict] = Recipe.ranges | {
        "width": (1, 4096),
        "dropout": (0, 0.99),
        "logit_scale": (1e-6, math.inf),
        "bias_rate": (1e-6, math.inf),
        "lookahead": (0, math.inf),
        "padding": (0, 31),
        "cutout": (0, 32),
        "erasing": (0, 1),
        "holdout": (0, 49_999),
    }
    needs: ClassVar[dict] = Recipe.needs | {"alternating_flip": ("flip", (True,))}

    model: Literal[tuple(cifar_networks.MODELS)] = "davidnet"
    """Network; see keras_twist.models. speednet95 and speednet96 are wider SpeedNets, the latter
    with three convolutions in each group."""

    width: int | None = None
    """Filters of the first convolution (SpeedNet: of the first group, behind the whitening); the
    others grow with it."""

    dropout: float | None = None
    """Dropout rate inside the residual pairs of DavidNet."""

    pool_first: bool | None = None
    """Pool before batch normalisation instead of after the activation (DavidNet, SpeedNet)."""

    whitening: bool | None = None
    """Begin with a frozen convolution that makes neighbouring pixels uncorrelated (SpeedNet)."""

    identity: bool | None = None
    """Start convolutions as copies of their input (SpeedNet)."""

    batch_norm_scale: bool | None = None
    """Let batch normalisation learn a factor for each channel (SpeedNet)."""

    bias_rate: float | None = None
    """Learning rate of biases, divided by that of kernels (SpeedNet; 64 unless given)."""

    logit_scale: float | None = None
    """Constant factor on the logits."""

    optimizer: Literal["sgd", "muon"] = "sgd"
    """muon moves convolution kernels by orthogonalized momentum, at 0.145 times the learning rate
    unless `--kernel_rate` is given and without weight decay, and all other weights as sgd does."""

    nesterov: bool = True
    """Nesterov's form of momentum."""

    lookahead: int = 0
    """Pull the weights towards their running average every so many updates (Lookahead); 0 for
    never. The average counts for nothing at first, and most at the end."""

    alternating_flip: bool = False
    """Mirror a random half of the images in one epoch and the other half in the next (with
    `--flip True`)."""

    padding: int = 4
    """Pixels of reflected border before the random crop; 0 for no crop."""

    cutout: int = 8
    """Side of the square set to the mean colour in every image; 0 for none."""

    erasing: float = 0.0
    """Share of the images in which a random rectangle becomes noise."""

    def __post_init__(self):
        super().__post_init__()
        cifar_networks.options(self)


# What each recipe is, for people who ask the script for help.
ABOUT = {
    "quick": "A small SpeedNet, 4 epochs: about 87 %.",
    "fast": "airbench94_muon for 12 epochs instead of 8: SpeedNet, orthogonal steps of kernels. "
    "94 % where logits are averaged over mirror images, which the result tells besides; without "
    "that, with --epochs 26 --cutout 8.",
    "fast95": "airbench95: a wider SpeedNet, 15 epochs, SGD and Lookahead, goal 95 %: 94.9 % where "
    "logits are averaged over mirror images, in one run.",
    "fast96": "airbench96: ten convolutions, 37 epochs and cutout, goal 96 %: 95.7 % where logits "
    "are averaged over mirror images, in one run.",
    "davidnet": "cifar10-fast: DavidNet, 24 epochs, rate 0 -> 0.4 at epoch 5 -> 0, goal 94.1 %: "
    "94.0 % in one run.",
    "resnet9": "ResNet9 with one cycle that peaks at epoch 5 of 24, at 0.023, and cutout 8x8. "
    "Momentum falls from 0.95 to 0.85 and comes back, as torch's OneCycleLR does unasked. The "
    "rate ends near 0, as in the published code; with --end_factor 0.04, as in its text, it ends "
    "where it began.",
    "assignment": "A course's Keras notebook: DavidNet with dropout 0.1, 20 epochs, triangular "
    "rate, pad-crop, flip, random erasing and mixup. Its slips are corrected: batch-norm momentum "
    "0.9 (0.1 averages nothing); L2 once and not doubled; no `decay`, which Keras 3 ignores; 2 "
    "whole cycles, since 2.5 would end at the highest rate; erasing noise in the units of the "
    "pixels; pad before crop. Rotation and blur are left out.",
}

# airbench's numbers are for the sum of the losses of a batch; these are for the mean.
_AIRBENCH = CIFARRecipe(
    name="airbench94",
    model="speednet",
    epochs=10,
    batch_size=1024,
    learning_rate=1.5,
    pct_start=0.23,
    start_factor=0.2,
    end_factor=0.07,
    momentum=0.85,
    weight_decay=1.33e-3,
    label_smoothing=0.2,
    lookahead=5,
    alternating_flip=True,
    flip_averaged=True,
    padding=2,
    cutout=0,
)

CIFAR_RECIPES = {
    "quick": CIFARRecipe(
        name="quick",
        model="speednet",
        width=32,
        epochs=4,
        learning_rate=0.75,
        pct_start=0.23,
        start_factor=0.2,
        end_factor=0.07,
        momentum=0.85,
        weight_decay=1.3e-3,
        label_smoothing=0.2,
        padding=2,
        cutout=0,
    ),
    "fast": dataclasses.replace(
        _AIRBENCH,
        name="fast",
        optimizer="muon",
        epochs=12,
        batch_size=2000,
        learning_rate=1.656,
        pct_start=0.001,
        start_factor=1.0,
        end_factor=0.0,
        weight_decay=2.4e-3,
        lookahead=0,
    ),
    "fast95": dataclasses.replace(
        _AIRBENCH,
        name="fast95",
        model="speednet95",
        epochs=15,
        learning_rate=1.304,
        weight_decay=1.53e-3,
    ),
    "fast96": dataclasses.replace(
        _AIRBENCH,
        name="fast96",
        model="speednet96",
        epochs=37,
        learning_rate=1.174,
        weight_decay=1.333e-3,
        pct_start=0.1,
        end_factor=0.0,
        padding=4,
        cutout=12,
    ),
    "davidnet": CIFARRecipe(name="davidnet", dropout=0.0, logit_scale=0.125),
    "resnet9": CIFARRecipe(
        name="resnet9",
        model="resnet9",
        schedule="one_cycle",
        learning_rate=0.023,
        start_factor=1 / 25,
        end_factor=1 / 25e4,
        momentum=0.95,
        low_momentum=0.85,
        nesterov=False,
        weight_decay=0.0,
    ),
    "assignment": CIFARRecipe(
        name="assignment",
        epochs=20,
        schedule="cyclic",
        learning_rate=0.4,
        start_factor=0.0025,
        cutout=0,
        erasing=0.5,
        mixup=0.2,
    ),
}
"""The recipes of `train_cifar.py` by name; `dataclasses.replace` changes their fields."""
