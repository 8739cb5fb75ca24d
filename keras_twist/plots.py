"""Every picture; each function returns a `matplotlib.figure.Figure` and changes no global state.

`python -m keras_twist.plots images/` draws the pictures of the README again.
"""

import json
import sys
from pathlib import Path

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


def _figure(**options):
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Pictures need matplotlib: pip install 'keras_twist[plots]'."
        ) from error
    return Figure(layout="constrained", **options)


def _readme_pictures(folder):
    from keras_twist.recipes.cifar import CIFAR_RECIPES, build_schedules

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


def _lr_find_picture(folder):
    """Draw the kept curve: a range test on real data takes minutes."""
    from keras_twist.callbacks import LRCurve

    kept = Path(__file__).parents[1] / "benchmarks" / "results" / "lr_find.json"
    curve = LRCurve.from_dict(json.loads(kept.read_text(encoding="utf-8"))["curve"])
    curve.plot().savefig(folder / "lr_find.png", dpi=120)


if __name__ == "__main__":
    _readme_pictures(Path(sys.argv[1] if len(sys.argv) > 1 else "images"))
