"""How a learning rate is read off the curve of a range test: the four rules of fastai, in NumPy.

Each takes the learning rates and the smoothed losses of the points that count, both of shape
`(n,)`, and returns a learning rate.
"""

import numpy as np

SLIDE_POINTS = 15  # between the two ends of the interval that slides
SLIDE_TOLERANCE = 0.005


def valley(rates, losses):
    """Rate about half way down the longest descent.

    The descent is the longest subsequence of falling losses, of which the first to be completed
    counts. With its last point at index `e` and `n` points in it, the suggestion is the point at
    `e - n + n // 3 + n // 6`.
    """
    lengths = np.ones(len(losses), int)
    for point in range(1, len(losses)):
        higher = losses[:point] > losses[point]
        lengths[point] += np.max(lengths[:point], where=higher, initial=0)
    end = int(np.argmax(lengths))
    length = int(lengths[end])
    return float(rates[max(end - length + length // 3 + length // 6, 0)])


def steep(rates, losses):
    """Rate at which the loss falls fastest, per factor of the rate."""
    slopes = np.diff(losses) / np.diff(np.log(rates))
    return float(rates[np.argmin(slopes)])


def minimum(rates, losses):
    """A tenth of the rate at which the loss is lowest."""
    return float(rates[np.argmin(losses)]) / 10


def slide(rates, losses):
    """Rate at which an interval that slides down from the end first finds one slope at both ends.

    The interval spans 15 points; its slopes are equal when they differ by at most 0.005 per point.
    """
    slopes = np.gradient(losses)
    differences = np.abs(slopes[SLIDE_POINTS:] - slopes[:-SLIDE_POINTS])
    # The lower end of the last interval that was still too uneven, or of the first one at all.
    even = np.flatnonzero(differences <= SLIDE_TOLERANCE)
    lower = min(even[-1] + 1, len(differences) - 1) if len(even) else 0
    return float(rates[lower])


METHODS = {"valley": valley, "steep": steep, "minimum": minimum, "slide": slide}
POINTS_NEEDED = {"valley": 2, "steep": 2, "minimum": 2, "slide": SLIDE_POINTS + 1}


def smooth(losses, beta):
    """Exponential moving averages, each divided by the weight that it has gathered so far."""
    average, averages = 0.0, []
    for number, loss in enumerate(losses, 1):
        average = beta * average + (1 - beta) * loss
        averages.append(average / (1 - beta**number))
    return np.array(averages)


def has_improved(losses, smoothed):
    """Whether the loss falls by more than the differences between batches explain.

    Compares means of up to ten losses in a row: the first such mean and the lowest one, of the
    points up to the lowest smoothed loss. The fall counts if it is more than 3.5 times its standard
    error, which noise alone exceeds in about 3 of 100 tests, and a 10,000th of the loss.

    Args:
        losses: Losses of the points that count, as measured.
        smoothed: The same, smoothed.
    """
    lowest = int(np.argmin(smoothed))
    if lowest == 0:
        return False
    width = max(2, min(10, (lowest + 1) // 2))
    windows = np.lib.stride_tricks.sliding_window_view(losses[: max(lowest + 1, width)], width)
    means, variances = windows.mean(axis=1), windows.var(axis=1, ddof=1)
    best = int(np.argmin(means))
    error = ((variances[0] + variances[best]) / width) ** 0.5
    return bool(means[0] - means[best] > max(3.5 * error, 1e-4 * abs(means[0])))
