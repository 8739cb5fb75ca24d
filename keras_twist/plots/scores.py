"""What a classifier's predictions say, in numbers: NumPy functions, no picture."""

import numpy as np

from keras_twist.arguments import check_integer


def probabilities(scores):
    """Probabilities from what a classifier gives, be they probabilities already or logits.

    Args:
        scores: Float array of shape `(n, classes)`. Rows that are not negative and sum to 1 within
            0.01 are probabilities; if any row is not, all are taken for logits.

    Returns:
        float64 array of the same shape.

    Raises:
        ValueError: if `scores` is not such an array, or holds NaN.

    Example:
        >>> probabilities([[0.0, 0.0], [100.0, 0.0]]).round(3).tolist()
        [[0.5, 0.5], [1.0, 0.0]]
        >>> probabilities([[0.25, 0.75]]).tolist()
        [[0.25, 0.75]]
    """
    scores = np.asarray(scores, "float64")
    if scores.ndim != 2 or not scores.shape[1] or np.isnan(scores).any():
        raise ValueError(
            "`scores` must be an array of shape (n, classes) without NaN. Received: "
            f"scores.shape={scores.shape}, {np.isnan(scores).sum()} NaN"
        )
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=0.01):
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def most_confidently_wrong(labels, scores, count=20):
    """Positions of the images that were classified wrong, the most confident mistake first.

    Args:
        labels: Integer array of shape `(n,)`.
        scores: Probabilities or logits, an array of shape `(n, classes)`.
        count: Positions to return at most. Defaults to 20.

    Returns:
        Integer array, ordered by the probability of the predicted class, falling.

    Raises:
        ValueError: if the arrays do not fit each other, or `count` is not a positive integer.

    Example:
        >>> scores = [[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]
        >>> most_confidently_wrong([0, 1, 0], scores).tolist()
        [2, 1]
    """
    count = check_integer("count", count, at_least=1)
    shares = probabilities(scores)
    labels = as_labels("labels", labels, shares.shape[1])
    check_lengths(labels=labels, scores=shares)
    predicted = shares.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.argsort(-shares[wrong, predicted[wrong]], kind="stable")][:count]


def confusion_matrix(labels, predictions, classes):
    """How many images of each class were taken for which.

    Args:
        labels: Integer array of shape `(n,)`, in `[0, classes)`.
        predictions: Likewise.
        classes: Number of classes.

    Returns:
        Integer array of shape `(classes, classes)`: rows are true classes, columns predicted ones.

    Raises:
        ValueError: if the arrays do not fit each other, or hold what is no class.

    Example:
        >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2).tolist()
        [[1, 1], [0, 1]]
    """
    labels = as_labels("labels", labels, classes)
    predictions = as_labels("predictions", predictions, classes)
    check_lengths(labels=labels, predictions=predictions)
    pairs = np.bincount(classes * labels + predictions, minlength=classes**2)
    return pairs.reshape(classes, classes)


def class_table(labels, predictions, class_names):
    """Accuracy of each class, and what it is taken for.

    Args:
        labels: Integer array of shape `(n,)`, positions in `class_names`.
        predictions: Likewise.
        class_names: List of the classes' names.

    Returns:
        List of dicts, one per class in order: `class`; `images` and `correct`, counts; `accuracy`,
        the share of its images that were recognised (recall), and `precision`, the share right of
        those taken for it, both in `[0, 1]`, None where there are none; `confused_with`, the name
        that its images get most often by mistake, or None.

    Raises:
        ValueError: if the arrays do not fit each other, or hold what is no class.

    Example:
        >>> cat, dog = class_table([0, 0, 1], [0, 1, 1], ["cat", "dog"])
        >>> cat["accuracy"], cat["precision"], cat["confused_with"]
        (0.5, 1.0, 'dog')
        >>> dog["confused_with"]
    """
    classes = len(class_names)
    labels = as_labels("labels", labels, classes)
    predictions = as_labels("predictions", predictions, classes)
    check_lengths(labels=labels, predictions=predictions)
    right = labels == predictions
    # Not from the confusion matrix, which 100,000 classes would make too large for any memory.
    images, taken, correct = (
        np.bincount(found, minlength=classes).tolist()
        for found in (labels, predictions, labels[right])
    )
    confused_with = _most_frequent_mistakes(labels[~right], predictions[~right])
    return [
        {
            "class": str(name),
            "images": images[number],
            "correct": correct[number],
            "accuracy": correct[number] / images[number] if images[number] else None,
            "precision": correct[number] / taken[number] if taken[number] else None,
            "confused_with": str(class_names[confused_with[number]])
            if number in confused_with
            else None,
        }
        for number, name in enumerate(class_names)
    ]


def _most_frequent_mistakes(labels, predictions):
    """Dict from a class to what its images get most often by mistake; of several, the first."""
    pairs, counts = np.unique(np.stack([labels, predictions], 1), axis=0, return_counts=True)
    found = {}
    for label, prediction in pairs[np.argsort(-counts, kind="stable")].tolist():
        found.setdefault(label, prediction)
    return found


def as_labels(name, labels, classes):
    """Labels as integers, or an error unless they are integers in `[0, classes)`."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"`{name}` must be integers of shape (n,). "
            f"Received: {name} of shape {labels.shape}, {labels.dtype}"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"`{name}` must lie in [0, {classes}). "
            f"Received: {name} from {labels.min()} to {labels.max()}"
        )
    return labels.astype("int64")


def check_lengths(**arrays):
    """Raise unless all have one length."""
    if len({len(array) for array in arrays.values()}) > 1:
        names = " and ".join(f"`{name}`" for name in arrays)
        lengths = ", ".join(f"{name} of {len(array)}" for name, array in arrays.items())
        raise ValueError(f"{names} must have the same length. Received: {lengths}")
