"""Pictures of what a classifier predicts: its most confident mistakes, and what it confuses."""

import textwrap

import numpy as np

from keras_twist.plots.figures import new_figure, show_image, verbatim
from keras_twist.plots.scores import (
    as_labels,
    check_lengths,
    confusion_matrix,
    most_confidently_wrong,
    probabilities,
)

COLUMNS = 5
# With more classes, a confusion matrix has room for neither names nor numbers.
READABLE_CLASSES = 60


def plot_misclassified(images, labels, scores, class_names=None, count=20):
    """The images that a classifier gets wrong, the most confident mistake first.

    Under each picture stand the predicted and the true class, each with the probability that the
    classifier gives it.

    Args:
        images: Array of shape `(n, height, width, channels)` with 1 or 3 channels: uint8 in
            `[0, 255]`, or floats in `[0, 1]`; what lies outside is cut off.
        labels: Integer array of shape `(n,)`: the true classes.
        scores: Probabilities or logits, an array of shape `(n, classes)`.
        class_names: List of the classes' names. Defaults to their numbers.
        count: Pictures to show at most. Defaults to 20.

    Returns:
        A matplotlib `Figure` with five pictures a row.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.
        ValueError: if the arrays do not fit each other.

    Example:
        >>> images = np.zeros((3, 8, 8, 3), "uint8")
        >>> scores = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]
        >>> figure = plot_misclassified(images, [0, 1, 0], scores, ["cat", "dog"])
        >>> figure.axes[0].get_xlabel()
        'dog 80\\xa0%\\ntrue: cat 20\\xa0%'
    """
    shares = probabilities(scores)
    labels = as_labels("labels", labels, shares.shape[1])
    images = np.asarray(images)
    check_lengths(images=images, labels=labels, scores=shares)
    names = checked_names(class_names, shares.shape[1])
    shown = most_confidently_wrong(labels, shares, count)
    rows = max(1, -(-len(shown) // COLUMNS))
    figure = new_figure(figsize=(9, 0.5 + 2.25 * rows))
    wrong = np.count_nonzero(shares.argmax(axis=1) != labels)
    title = f"{wrong:,} of {len(labels):,} images are classified wrong"
    if len(shown) < wrong:
        title += f"; the {len(shown)} most confident mistakes"
    figure.suptitle(title)
    grid = figure.subplots(rows, COLUMNS, squeeze=False).flat
    for axes, index in zip(grid, shown, strict=False):
        show_image(axes, images[index])
        predicted, true = shares[index].argmax(), labels[index]
        lines = [
            f"{names[predicted]} {100 * shares[index, predicted]:.0f}\u00a0%",
            f"true: {names[true]} {100 * shares[index, true]:.0f}\u00a0%",
        ]
        # Breeds of dogs have long names; a number stays with its sign.
        lines = [part for line in lines for part in textwrap.wrap(line, 22)]
        axes.set_xlabel(verbatim("\n".join(lines)), fontsize=9)
    for axes in list(figure.axes)[len(shown) :]:
        axes.remove()
    return figure


def plot_confusion(labels, predictions, class_names=None):
    """Confusion matrix: how many images of each class were taken for which.

    The darker a cell, the larger its share of the true class. Numbers count images, zeros are left
    out. Of more than 60 classes there are neither names nor numbers.

    Args:
        labels: Integer array of shape `(n,)`: the true classes.
        predictions: Integer array of shape `(n,)`, or probabilities or logits of shape
            `(n, classes)`.
        class_names: List of the classes' names. Defaults to the numbers that occur.

    Returns:
        A matplotlib `Figure`: rows are true classes, columns predicted ones.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.
        ValueError: if the arrays do not fit each other, or hold what is no class.

    Example:
        >>> figure = plot_confusion([0, 0, 1], [0, 1, 1], ["cat", "dog"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['1', '1', '1']
    """
    predictions = np.asarray(predictions)
    if predictions.ndim == 2:
        names = checked_names(class_names, predictions.shape[1])
        predictions = probabilities(predictions).argmax(axis=1)
    elif class_names is None:
        largest = (int(np.max(one, initial=0)) for one in (labels, predictions))
        names = checked_names(None, 1 + max(largest))
    else:
        names = list(class_names)
    counts = confusion_matrix(labels, predictions, len(names))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(3.4, 1.7 + 0.4 * min(len(names), READABLE_CLASSES))
    figure = new_figure(figsize=(side, side))
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(names) <= READABLE_CLASSES:
        for row, column in zip(*np.nonzero(counts), strict=True):
            color = "white" if shares[row, column] > 0.5 else "black"
            number = counts[row, column]
            axes.text(column, row, number, ha="center", va="center", color=color, size=9)
        ticks, labels = range(len(names)), [verbatim(name) for name in names]
        axes.set_xticks(ticks, labels, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(ticks, labels)
    axes.set(xlabel="Predicted", ylabel="True")
    figure.suptitle("Darker: a larger share of the true class", fontsize=10)
    return figure


def checked_names(class_names, classes):
    """Names of so many classes, their numbers by default; an error if there are more or less."""
    if class_names is None:
        return [str(number) for number in range(classes)]
    if len(class_names) != classes:
        raise ValueError(
            f"`class_names` must be {classes} names. Received: {len(class_names)} names"
        )
    return list(class_names)
