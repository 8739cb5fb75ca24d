"""What a finished run leaves to look at: predictions, pictures, the report. Off the clock."""

import logging

from keras_twist import plots
from keras_twist.files import partial_path
from keras_twist.layers import TwistLayer
from keras_twist.recipes import policies, run_record
from keras_twist.recipes.predictions import predict, save_predictions
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.report import write_report

logger = logging.getLogger("keras_twist.recipes")


def first_twist(model):
    """Name and weights, as they are now, of a model's first TwistLayer; None without one."""
    for layer in model.layers:
        if isinstance(layer, TwistLayer):
            return layer.name, layer.get_weights()
    return None


def save_pictures(model, data, rows, folder, recipe, steps_per_epoch, begun):
    """Write `predictions.npz`, the pictures and `report.html` into the folder of a finished run.

    One pass over the validation set. Without matplotlib, there are no pictures and one warning.
    Nor does a full disk fail a training that is done: it is a warning as well.

    Args:
        model: The trained `keras.Model`.
        data: The run's `Data`.
        rows: Its metrics, one dict per epoch.
        folder: Path of the run folder, which holds `result.json` already.
        recipe: The run's `Recipe`.
        steps_per_epoch: Batches in an epoch.
        begun: What `first_twist` gave before the training.
    """
    predictions = predict(model, recipe, data)
    figures = _figures(predictions, data, rows, recipe, steps_per_epoch)
    if figures and begun is not None:
        name, before = begun
        title = f"{name} of {recipe.name}"
        figures[run_record.TWIST] = plots.plot_twist(model.get_layer(name), before, title=title)
    try:
        save_predictions(predictions, folder)
        for name, figure in figures.items():
            with partial_path(folder / name) as path:  # Half a picture would spoil the report.
                figure.savefig(path, dpi=150)
        write_report(folder)
    except (RecipeError, OSError) as error:
        logger.warning("No pictures or report: %s", error)


def _figures(predictions, data, rows, recipe, steps_per_epoch):
    """Dict from the name of a file to a figure; empty, after a warning, without matplotlib."""
    steps = recipe.epochs * steps_per_epoch
    learning_rate, momentum = policies.build_schedules(recipe, steps)
    schedules = {"learning rate": learning_rate}
    if callable(momentum):  # A constant near one would leave the learning rate no height.
        schedules["momentum"] = momentum
    labels, names = predictions.labels, predictions.class_names
    try:
        return {
            "curves.png": plots.plot_history(rows, recipe.name),
            run_record.SCHEDULE: plots.plot_schedules(
                schedules, steps, steps_per_epoch, ", ".join(schedules).capitalize()
            ),
            "misclassified.png": plots.plot_misclassified(
                data.valid[0], labels, predictions.probabilities, names
            ),
            "confusion.png": plots.plot_confusion(labels, predictions.predicted, names),
        }
    except ModuleNotFoundError as error:
        logger.warning("No pictures: %s", error)
        return {}
