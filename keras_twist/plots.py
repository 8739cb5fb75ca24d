"""Every picture; each function returns a `matplotlib.figure.Figure` and changes no global state.

`python -m keras_twist.plots images/` draws the pictures of the README again. All are in one file,
so that whoever looks for a picture has one place to look at.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
from keras import ops


def plot_history(rows, title="", train_accuracy=True):
    """Loss, accuracy and learning rate over the epochs of a run.

    Args:
        rows: List of dicts, one per epoch, as `JSONLinesLogger` writes them: `epoch`, `loss` and,
            if there, `val_loss`, `accuracy`, `val_accuracy` and `learning_rate`.
        title: Put above the picture. Defaults to `""`.
        train_accuracy: Whether to draw the accuracy on the training batches too. Defaults to True.

    Returns:
        A matplotlib `Figure` with three panels.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.

    Example:
        >>> rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5}]
        >>> len(plot_history(rows, "two epochs").axes)
        3
    """
    figure = _figure(figsize=(12, 3.8))
    loss, accuracy, rate = figure.subplots(1, 3)
    epochs = [row["epoch"] for row in rows]

    def draw(axes, key, label, style):
        values = [row.get(key) for row in rows]
        if any(value is not None for value in values):
            # NaN, unlike None, leaves a gap.
            values = [float("nan") if value is None else value for value in values]
            axes.plot(epochs, values, style, label=label, markersize=4)

    draw(loss, "loss", "training", "o-")
    draw(loss, "val_loss", "validation", "s--")
    if train_accuracy:
        draw(accuracy, "accuracy", "training", "o-")
    draw(accuracy, "val_accuracy", "validation", "s--")
    draw(rate, "learning_rate", "at the end of the epoch", "o-")
    for axes, name in ((loss, "Loss"), (accuracy, "Accuracy"), (rate, "Learning rate")):
        axes.set(title=name, xlabel="Epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    figure.suptitle(title)
    return figure


def plot_schedules(schedules, steps, steps_per_epoch=None, ylabel="Learning rate"):
    """Values of one or more schedules, step by step.

    Args:
        schedules: Dict from label to a schedule, or to a number for a constant.
        steps: Updates to draw.
        steps_per_epoch: If given, the horizontal axis counts epochs instead of updates. Defaults
            to None.
        ylabel: Name of the vertical axis. Defaults to `"Learning rate"`.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.

    Example:
        >>> schedule = keras_twist.schedules.OneCycle(0.1, total_steps=100)
        >>> figure = plot_schedules({"one cycle": schedule}, steps=100)
    """
    figure = _figure(figsize=(6.4, 4))
    axes = figure.subplots()
    at = np.arange(steps)
    for number, (label, schedule) in enumerate(schedules.items()):
        values = schedule(at) if callable(schedule) else np.full(steps, schedule)
        style = ("-", "--", "-.", ":")[number % 4]
        axes.plot(at / (steps_per_epoch or 1), ops.convert_to_numpy(values), style, label=label)
    axes.set(xlabel="Epoch" if steps_per_epoch else "Update", ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


# Colours that people of every colour vision tell apart, and shapes besides.
SUGGESTION_MARKS = {
    "valley": ("o", "#D55E00"),
    "steep": ("^", "#009E73"),
    "minimum": ("s", "#CC79A7"),
    "slide": ("D", "#000000"),
}


def plot_lr_find(curve):
    """Loss over learning rate with the suggestions of a range test marked.

    Args:
        curve: What `keras_twist.callbacks.lr_find` returned.

    Returns:
        A matplotlib `Figure`; its horizontal axis is logarithmic after an exponential sweep.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.

    Example:
        >>> rates = np.geomspace(1e-4, 10, 100)
        >>> curve = keras_twist.callbacks.LRCurve(rates, 2 - np.tanh(rates) + 0.1 * rates**2)
        >>> plot_lr_find(curve).axes[0].get_xscale()
        'log'
    """
    figure = _figure(figsize=(6.4, 4))
    axes = figure.subplots()
    rates, smoothed, used = curve.learning_rates, curve.smoothed_losses, curve.points_used
    axes.plot(rates, curve.losses, color="0.75", linewidth=1, label="loss of each batch")
    axes.plot(rates, smoothed, ":", color="#0072B2")
    axes.plot(rates[used], smoothed[used], color="#0072B2", linewidth=2, label="smoothed")
    for method, rate in curve.suggestions().items():
        marker, color = SUGGESTION_MARKS[method]
        height = np.interp(rate, rates, smoothed)
        label = f"{method}: {rate:.2g}"
        axes.plot(rate, height, marker, color=color, markeredgecolor="white", ms=9, label=label)
    # A loss that explodes would flatten all that matters.
    shown = np.concatenate([smoothed[used], curve.losses[used]])
    shown = shown[np.isfinite(shown)]
    if len(shown):
        low, high = np.min(shown), np.percentile(shown, 98)
        margin = 0.08 * max(high - low, 1e-3 * abs(high), 1e-12)
        axes.set_ylim(low - margin, high + margin)
    axes.set(xlabel="Learning rate", ylabel="Loss")
    if curve.mode == "exp":
        axes.set_xscale("log")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def show_augmented(images, operations, labels=None, class_names=None, seed=0):
    """A grid: originals in the first row, and what each operation makes of them below.

    Args:
        images: Array of shape `(n, height, width, channels)`, uint8 in `[0, 255]`.
        operations: Dict from the name of a row to what `train_dataset` takes in `augment` (one
            operation or a tuple), a layer of `keras_twist.layers`, or, where `labels` are given,
            what it takes as `mix`. A row of floats is drawn with black as its lowest value and
            white as its highest.
        labels: Array of shape `(n, classes)`, one-hot; each image below that has other labels than
            its original gets them as a title. Defaults to None.
        class_names: List of the classes' names. Defaults to their numbers.
        seed: Integer. Defaults to 0.

    Returns:
        A matplotlib `Figure`.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.

    Example:
        >>> images = np.random.randint(0, 256, (4, 32, 32, 3), "uint8")
        >>> len(show_augmented(images, {"flip": keras_twist.data.random_flip()}).axes)
        8
    """
    rows = {"original": (np.asarray(images), labels)}
    for number, (name, operation) in enumerate(operations.items()):
        rows[name] = _augmented(rows["original"], operation, [seed, number])
    columns = len(images)
    figure = _figure(figsize=(1.2 * columns + 1.2, (1.2 if labels is None else 1.5) * len(rows)))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes, (name, (pixels, targets)) in zip(grid, rows.items(), strict=True):
        pixels = np.asarray(pixels)
        if pixels.dtype != np.uint8:
            pixels = (pixels - pixels.min()) / max(np.ptp(pixels), 1e-12)
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for column in range(columns):
            axes[column].imshow(pixels[column])
            axes[column].set(xticks=[], yticks=[])
            if labels is not None and (name == "original" or targets is not labels):
                axes[column].set_title(_shares(targets[column], class_names), fontsize=7)
    return figure


def _augmented(original, operation, seed):
    """Images and labels after one operation of any kind."""
    from keras_twist.data import operator

    images, labels = original
    seed = np.array(seed, "int64")
    if isinstance(operation, keras.layers.Layer):
        return ops.convert_to_numpy(operation(images, training=True)), labels
    if isinstance(operation, tuple) and not operator.is_random(operation):
        operations = operation
    elif labels is not None and not operator.is_random(operation):
        mixed = operation(ops.convert_to_tensor(images), ops.convert_to_tensor(labels), seed)
        return tuple(map(ops.convert_to_numpy, mixed))
    else:
        operations = (operation,)
    steps = operator.Operator(operations)
    images = ops.convert_to_tensor(images)
    return ops.convert_to_numpy(steps.apply(images, steps.draw(images.shape, seed))), labels


def _shares(target, names):
    """Classes of a label with their shares, the largest first: "0.7 cat\\n0.3 dog"."""
    shown = [int(number) for number in np.argsort(target)[::-1][:2] if target[number] > 0.005]
    words = [str(number) if names is None else names[number] for number in shown]
    if len(shown) == 1:
        return words[0]
    return "\n".join(f"{target[n]:.2f} {word}" for n, word in zip(shown, words, strict=True))


def _figure(**options):
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Pictures need matplotlib: pip install 'keras_twist[plots]'."
        ) from error
    return Figure(layout="constrained", **options)


def _readme_pictures(folder):
    from keras_twist.recipes.cifar import CIFAR_RECIPES
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
    _lr_find_picture(folder)
    _augmentation_pictures(folder)


def _lr_find_picture(folder):
    """Draw the kept curve: a range test on real data takes minutes."""
    from keras_twist.callbacks import LRCurve

    kept = Path(__file__).parents[1] / "benchmarks" / "results" / "lr_find.json"
    curve = LRCurve.from_dict(json.loads(kept.read_text(encoding="utf-8"))["curve"])
    curve.plot().savefig(folder / "lr_find.png", dpi=120)


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


if __name__ == "__main__":
    _readme_pictures(Path(sys.argv[1] if len(sys.argv) > 1 else "images"))
