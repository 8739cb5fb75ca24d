"""Grids of images, and what augmentation makes of them."""

import keras
import numpy as np
from keras import ops

from keras_twist.plots.figures import new_figure, show_image, verbatim


def show_augmented(images, operations, labels=None, class_names=None, seed=0):
    """A grid: originals in the first row, and what each operation makes of them below.

    Args:
        images: Array of shape `(n, height, width, channels)`, uint8 in `[0, 255]`.
        operations: Dict from the name of a row to what `train_dataset` takes in `augment` (one
            operation or a tuple), a layer of `keras_twist.layers`, or, where `labels` are given,
            what it takes as `mix`; plain functions of images then stand in a tuple. A row of floats
            is drawn with black as its lowest value and white as its highest.
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
    figure = new_figure(figsize=(1.2 * columns + 1.2, (1.2 if labels is None else 1.5) * len(rows)))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes, (name, (pixels, targets)) in zip(grid, rows.items(), strict=True):
        pixels = np.asarray(pixels)
        if pixels.dtype != np.uint8:
            pixels = pixels.astype("float64")  # The difference of small integers may be none.
            pixels = (pixels - pixels.min()) / max(np.ptp(pixels), 1e-12)
        axes[0].set_ylabel(verbatim(name), rotation=0, ha="right", va="center")
        for column in range(columns):
            show_image(axes[column], pixels[column])
            if labels is not None and (name == "original" or targets is not labels):
                axes[column].set_title(verbatim(_shares(targets[column], class_names)), fontsize=7)
    return figure


def _augmented(original, operation, seed):
    """Images and labels after one operation of any kind."""
    from keras_twist.data import augment, operator

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
    count = len(images)
    # As of an epoch of so many images, of which each has a number of its own.
    numbers = np.linspace(0, 1, count, endpoint=False, dtype="float32")
    examples = augment.Examples(0, numbers, np.arange(count), count)
    images = ops.convert_to_tensor(images)
    drawn = steps.draw(images.shape, seed, examples)
    return ops.convert_to_numpy(steps.apply(images, drawn)), labels


def _shares(target, names):
    """Classes of a label with their shares, the largest first: "0.7 cat\\n0.3 dog"."""
    shown = [int(number) for number in np.argsort(target)[::-1][:2] if target[number] > 0.005]
    words = [str(number) if names is None else names[number] for number in shown]
    if len(shown) == 1:
        return words[0]
    return "\n".join(f"{target[n]:.2f} {word}" for n, word in zip(shown, words, strict=True))
