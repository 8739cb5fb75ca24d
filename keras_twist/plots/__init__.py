"""Every picture, each a `matplotlib.figure.Figure`, and the numbers in it; no global state changes.

`python -m keras_twist.plots images/` draws the pictures of README and docs again.
"""

from keras_twist.plots.augmented import show_augmented
from keras_twist.plots.curves import (
    plot_comparison,
    plot_history,
    plot_lr_find,
    plot_schedules,
)
from keras_twist.plots.network import plot_network
from keras_twist.plots.predictions import plot_confusion, plot_misclassified
from keras_twist.plots.scores import (
    class_table,
    confusion_matrix,
    most_confidently_wrong,
    probabilities,
)
from keras_twist.plots.twist import plot_twist
from keras_twist.plots.twist_parts import twist_parts

__all__ = [
    "class_table",
    "confusion_matrix",
    "most_confidently_wrong",
    "plot_comparison",
    "plot_confusion",
    "plot_history",
    "plot_lr_find",
    "plot_misclassified",
    "plot_network",
    "plot_schedules",
    "plot_twist",
    "probabilities",
    "show_augmented",
    "twist_parts",
]
