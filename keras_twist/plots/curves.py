"""Curves: what a training did, its schedules, and the range test of its learning rate."""

import keras
import numpy as np

from keras_twist.callbacks._curve import of_array, of_step
from keras_twist.plots.figures import (
    BLACK,
    BLUE,
    COLORS,
    GREEN,
    ORANGE,
    PURPLE,
    new_figure,
    verbatim,
)

# What each panel of a history shows: its title, and key, label and style of each of its lines.
PANELS = {
    "loss": ("Loss", (("loss", "training", "o-"), ("val_loss", "validation", "s--"))),
    "accuracy": (
        "Accuracy",
        (("accuracy", "training", "o-"), ("val_accuracy", "validation", "s--")),
    ),
    "learning_rate": ("Learning rate", (("learning_rate", "at the end of the epoch", "o-"),)),
}


def plot_history(rows, title="", train_accuracy=True, panels=tuple(PANELS)):
    """Loss, accuracy and learning rate over the epochs of a run.

    Args:
        rows: What `model.fit` returns; or a list of dicts, one per epoch, as `JSONLinesLogger`
            writes them: `epoch`, `loss` and, if there, `val_loss`, `accuracy`, `val_accuracy` and
            `learning_rate`.
        title: Put above the picture. Defaults to `""`.
        train_accuracy: Whether to draw the accuracy on the training batches too. Defaults to True.
        panels: Those to draw, side by side, of `"loss"`, `"accuracy"` and `"learning_rate"`.
            Defaults to all three.

    Returns:
        A matplotlib `Figure` with as many panels.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.
        ValueError: if there is no such panel.

    Example:
        >>> rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5}]
        >>> len(plot_history(rows, "two epochs").axes)
        3
    """
    unknown = [name for name in panels if name not in PANELS]
    if unknown or not panels:
        raise ValueError(f"`panels` must be some of {tuple(PANELS)}. Received: panels={panels}")
    rows = _rows(rows)
    figure = new_figure(figsize=(12 if len(panels) == 3 else 4.6 * len(panels), 3.8))
    epochs = [row["epoch"] for row in rows]
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        name, lines = PANELS[panel]
        for key, label, style in lines:
            values = _values(rows, key)
            if values is not None and (train_accuracy or key != "accuracy"):
                axes.plot(epochs, values, style, label=label, markersize=4)
        _finish(axes, name)
    figure.suptitle(verbatim(title))
    return figure


def plot_comparison(histories, key, ylabel=""):
    """One measure of several runs over their epochs.

    Args:
        histories: Dict from a run's label to its rows or history, as for `plot_history`.
        key: Of the rows, such as `"val_accuracy"`; runs without it are left out.
        ylabel: Title of the picture. Defaults to the key.

    Returns:
        A matplotlib `Figure`; the runs are told apart by colour, shape and number.

    Raises:
        ModuleNotFoundError: if matplotlib is missing; the message names the extra that brings it.

    Example:
        >>> rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5}]
        >>> figure = plot_comparison({"one": rows, "another": rows[:1]}, "loss")
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['1: one', '2: another']
    """
    figure = new_figure(figsize=(4.6, 3.8 + 0.2 * len(histories)))
    axes = figure.subplots()
    for number, (label, rows) in enumerate(histories.items()):
        rows = _rows(rows)
        values = _values(rows, key)
        if values is not None:
            axes.plot(
                [row["epoch"] for row in rows],
                values,
                ("o-", "s--", "^-.", "D:")[number % 4],
                color=COLORS[number % len(COLORS)],
                label=f"{number + 1}: {verbatim(label)}",
                markersize=4,
            )
    _finish(axes, ylabel or key, legend=False)
    if axes.lines:
        figure.legend(loc="outside lower left", fontsize=8)  # Names of folders are long.
    return figure


def _rows(history):
    """A dict per epoch, counted from 1, of what `fit` returned; rows stay as they are."""
    if not isinstance(history, keras.callbacks.History):
        return history
    rows = [{"epoch": epoch + 1} for epoch in history.epoch]
    for key, values in history.history.items():
        for row, value in zip(_rows_of(rows, key, len(values)), values, strict=True):
            row[key] = value
    return rows


def _rows_of(rows, key, count):
    """The rows with so many values: all, or every so many, as `validation_freq` has it."""
    if count == len(rows):
        return rows
    sieves = [[row for row in rows if row["epoch"] % n == 0] for n in range(2, len(rows) + 1)]
    fitting = [sieve for sieve in sieves if len(sieve) == count]
    if len(fitting) != 1:
        raise ValueError(
            f"It cannot be told at which of {len(rows)} epochs the {count} values of {key!r} were "
            "taken: give rows, dicts with an `epoch` each."
        )
    return fitting[0]


def _values(rows, key):
    """Numbers to draw, or None if there are none; NaN, unlike None, leaves a gap."""
    values = [row.get(key) for row in rows]
    if all(value is None for value in values):
        return None
    return [float("nan") if value is None else value for value in values]


def _finish(axes, title, legend=True):
    axes.set(title=title, xlabel="Epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    if axes.lines and legend:
        axes.legend()


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
    figure = new_figure(figsize=(6.4, 4))
    axes = figure.subplots()
    at = np.arange(steps)
    for number, (label, schedule) in enumerate(schedules.items()):
        values = _evaluated(schedule, at) if callable(schedule) else np.full(steps, schedule)
        style = ("-", "--", "-.", ":")[number % 4]
        axes.plot(at / (steps_per_epoch or 1), values, style, label=verbatim(label))
    axes.set(xlabel="Epoch" if steps_per_epoch else "Update", ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _evaluated(schedule, steps):
    """Values at all steps, as `ScheduleLR` sets them."""
    values = of_array(schedule, steps)
    return np.array([of_step(schedule, step) for step in steps]) if values is None else values


# Colours that people of every colour vision tell apart, and shapes besides.
SUGGESTION_MARKS = {
    "valley": ("o", ORANGE),
    "steep": ("^", GREEN),
    "minimum": ("s", PURPLE),
    "slide": ("D", BLACK),
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
    figure = new_figure(figsize=(6.4, 4))
    axes = figure.subplots()
    rates, smoothed, used = curve.learning_rates, curve.smoothed_losses, curve.points_used
    axes.plot(rates, curve.losses, color="0.75", linewidth=1, label="loss of each batch")
    axes.plot(rates, smoothed, ":", color=BLUE)
    axes.plot(rates[used], smoothed[used], color=BLUE, linewidth=2, label="smoothed")
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
