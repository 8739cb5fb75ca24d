"""The pictures of README and docs, which `python -m keras_twist.plots images/` draws again."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_twist import schedules
from keras_twist.layers import TwistLayer
from keras_twist.plots.augmented import show_augmented
from keras_twist.plots.curves import plot_schedules
from keras_twist.plots.twist import plot_twist


def draw_readme_pictures(folder):
    """Draw the pictures that neither trainings nor benchmarks draw, in a clone of the repository.

    Those of CIFAR-10 only where it is.

    Args:
        folder: Path of the folder to write to.
    """
    from keras_twist.recipes.cifar_recipes import CIFAR_RECIPES
    from keras_twist.recipes.policies import build_schedules

    steps_per_epoch = 97
    names = ("davidnet", "quick", "assignment")
    recipes = {name: CIFAR_RECIPES[name] for name in names}
    longest = max(recipe.epochs for recipe in recipes.values()) * steps_per_epoch

    def until_the_end(recipe):
        steps = recipe.epochs * steps_per_epoch
        rate, _ = build_schedules(recipe, steps)
        # NaN draws nothing: a schedule keeps its last value for ever, a training ends.
        return lambda at: np.where(at < steps, ops.convert_to_numpy(rate(at)), np.nan)

    rates = {name: until_the_end(recipe) for name, recipe in recipes.items()}
    plot_schedules(rates, longest, steps_per_epoch).savefig(folder / "schedules.png", dpi=120)
    _policies_picture(folder)
    _lr_find_picture(folder)
    _twist_picture(folder)
    _field_pictures(folder)
    _augmentation_pictures(folder)


def _policies_picture(folder):
    """The four policies with one peak, over as many epochs."""
    epochs, steps_per_epoch = 24, 98
    steps = epochs * steps_per_epoch
    corners = np.array([0, 5, 20, epochs]) * steps_per_epoch
    policies = {
        "OneCycle": schedules.OneCycle(0.4, steps, pct_start=5 / epochs),
        "Cyclical": schedules.Cyclical(0.04, 0.4, step_size=4 * steps_per_epoch),
        "FlatCosine": schedules.FlatCosine(0.4, steps),
        "PiecewiseLinear": schedules.PiecewiseLinear(corners.tolist(), [0.0, 0.4, 0.04, 0.0]),
    }
    figure = plot_schedules(policies, steps, steps_per_epoch)
    figure.axes[0].legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1), fontsize=9)
    figure.savefig(folder / "policies.png", dpi=120)


def _lr_find_picture(folder):
    """Draw the kept curve: a range test on real data takes minutes."""
    from keras_twist.callbacks import LRCurve

    kept = Path(__file__).parents[2] / "benchmarks" / "results" / "lr_find.json"
    curve = LRCurve.from_dict(json.loads(kept.read_text(encoding="utf-8"))["curve"])
    curve.plot().savefig(folder / "lr_find.png", dpi=120)


def _twist_picture(folder):
    """The fields of a layer before training: what a network starts from."""
    keras.utils.set_random_seed(0)
    layer = TwistLayer(16)
    layer.build((None, 16, 16, 8))
    plot_twist(layer, title="TwistLayer(16), untrained").savefig(folder / "twist.png", dpi=100)


def _field_pictures(folder):
    """What the two ways to turn Kx into Ky make of the derivatives along X and along Y."""
    along_x, along_y = np.array([[-1, 0, 1, -2], [-1, -2, -1, 0]]) / 8  # Sobel's: a, b, c, d
    for field, turned in (("rotate_scale", "clockwise"), ("squeeze_shear", "counter-clockwise")):
        layer = TwistLayer(2, field=field, masked=False, center_range=0.0)
        layer.build((None, 16, 16, 1))
        layer.twist.assign(np.stack([along_x, along_y], axis=-1)[:, None])
        title = f"{field}: Ky is Kx turned {turned}. Kx: along X in filter 0, along Y in filter 1"
        figure = plot_twist(layer, pairs=[(0, 0), (0, 1)], title=title)
        figure.savefig(folder / f"{field}.png", dpi=100)


def _augmentation_pictures(folder):
    from keras_twist import data
    from keras_twist.data.cache import cache_path, has_cache

    if not has_cache():
        sys.stderr.write(
            f"No pictures of augmentation: there is no CIFAR-10 at {cache_path()}. "
            "keras_twist.data.load_cifar10() puts it there.\n"
        )
        return
    (images, labels), _ = data.load_cifar10()
    images, labels = images[:8], np.eye(10, dtype="float32")[labels[:8]]
    normalize = data.normalize(data.CIFAR10_MEAN, data.CIFAR10_STD)
    operations = {
        "pad and crop": data.random_pad_crop(4),
        "flip": data.random_flip(),
        "rotation by up to\n15 degrees": data.random_rotation(15),
        "random erasing": data.random_erasing(1.0),
        "cutout, then normalise:\nblack": (data.random_cutout(8), normalize),
        "normalise, then cutout:\nmean colour": (normalize, data.random_cutout(8)),
    }
    show_augmented(images, operations).savefig(folder / "augmentation.png", dpi=120)
    mixed = {"mixup, alpha 0.2": data.mixup(0.2), "mixup, alpha 1": data.mixup(1.0)}
    figure = show_augmented(images, mixed, labels, data.CIFAR10_CLASSES)
    figure.savefig(folder / "mixup.png", dpi=120)
