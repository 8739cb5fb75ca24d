"""Every picture; each function returns a `matplotlib.figure.Figure` and changes no global state."""


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


def _figure(**options):
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Pictures need matplotlib: pip install 'keras_twist[plots]'."
        ) from error
    return Figure(layout="constrained", **options)
