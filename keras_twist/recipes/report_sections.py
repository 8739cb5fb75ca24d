"""The parts of a report on one run, each a piece of HTML."""

import io
import json
import shlex

from keras_twist import plots
from keras_twist.callbacks.reporting import format_seconds
from keras_twist.plots.figures import new_figure, png
from keras_twist.plots.predictions import READABLE_CLASSES
from keras_twist.recipes.markup import element, join, picture, table

NOTHING = "\u2013"
PANELS = {
    "loss": "Loss of training and validation over the epochs",
    "accuracy": "Accuracy of training and validation over the epochs",
    "learning_rate": "Learning rate over the epochs",
}


def measures(result):
    """What a run reached, as people read it: dict from a name to a string."""
    mirrored = result["flip_averaged_accuracy"]
    return {
        f"Accuracy, {result['validated_on']}": percent(result["accuracy"]),
        **({} if mirrored is None else {"Averaged over mirror images": percent(mirrored)}),
        "Top five": percent(result["top_k_accuracy"]),
        "Loss": number(result["loss"]),
        "Epochs": number(result["epochs"]),
        "Training time": format_seconds(result["seconds"]),
        "Images per second": f"{result['images_per_second']:,.0f}",
    }


def tiles(values):
    """A few large values with their names."""
    boxes = (
        element("div", element("dt", name), element("dd", value)) for name, value in values.items()
    )
    return element("dl", *boxes, class_="tiles")


def validation(result):
    """Which images the page calls validation, if they have another name."""
    if result["validated_on"] == "validation":
        return None
    text = f"What is called validation below is the {result['validated_on']} set."
    return element("p", text, class_="faint")


def curves(run):
    """Loss, accuracy and learning rate, each its own picture, so that a narrow page stacks them.

    Of the learning rate, that of every step where there is a picture of it, else of every epoch.
    """
    charts = [
        chart(lambda panel=panel: plots.plot_history(run.rows, panels=(panel,)), description)
        for panel, description in PANELS.items()
        if panel != "learning_rate" or run.schedule is None
    ]
    if run.schedule is not None:
        text = "Learning rate of every step, as planned, and momentum if it changes"
        charts.append(picture(run.schedule, text))
    return section("Curves and schedule", element("div", *charts, class_="charts"))


def twist(run):
    """The first TwistLayer, before training and after; it scrolls where it could not be read."""
    text = "Disks, vector fields and their parts, before training and after"
    chart = picture(run.twist, text, "chart wide")
    return section("A twist", element("div", chart, class_="scroll", tabindex="0"))


def gallery(run):
    """The most confident mistakes, with what was seen in them."""
    found = run.predictions
    wrong = int((found.predicted != found.labels).sum())
    text = f"{wrong:,} of {len(found.labels):,} images are classified wrong."
    if wrong:
        few = len(found.worst) < wrong
        text += f" The {len(found.worst)} most confident mistakes" if few else " All mistakes"
        text += (
            ", with what the network takes each for and how sure it is, then the true class and "
            "the probability that it gives that one:"
        )
    figures = [
        _mistake(found, image, position)
        for image, position in zip(found.images, found.worst, strict=True)
    ]
    body = element("div", *figures, class_="gallery")
    return section("Misclassified images", element("p", text), body)


def _mistake(found, image, position):
    predicted, true = found.predicted[position], found.labels[position]
    shares = found.probabilities[position]
    seen, name = found.class_names[predicted], found.class_names[true]
    size = "image small" if max(image.shape[:2]) <= 64 else "image"
    # The picture of a class is described by its class; the caption tells the rest.
    shown = drawn(lambda: _image_bytes(image), lambda png: picture(png, name, size))
    caption = element(
        "figcaption",
        element("b", seen),
        f" {percent(shares[predicted], 0)}",
        element("div", f"true: {name} {percent(shares[true], 0)}"),
    )
    return element("figure", shown, caption)


def classes(run):
    """The confusion matrix, and a table of how well each class is recognised."""
    found = run.predictions
    matrix = None
    if len(found.class_names) <= READABLE_CLASSES:
        matrix = chart(
            lambda: plots.plot_confusion(found.labels, found.predicted, found.class_names),
            "Confusion matrix; the table has its main figures",
        )
    rows = [
        [
            row["class"],
            percent(row["accuracy"]),
            percent(row["precision"]),
            f"{row['images']:,}",
            row["confused_with"] or NOTHING,
        ]
        for row in plots.class_table(found.labels, found.predicted, found.class_names)
    ]
    header = ["Class", "Accuracy", "Precision", "Images", "Most often taken for"]
    note = (
        "Accuracy is the share of a class's images that are recognised, precision the share right "
        "of those taken for the class."
    )
    text = element("div", element("p", note, class_="faint"), table(header, rows))
    return section("Classes", element("div", matrix, text, class_="columns"))


def epochs(run):
    """A row of numbers for each epoch: its losses, accuracies and speed."""
    columns = {
        "loss": ("Training loss", number),
        "val_loss": ("Validation loss", number),
        "accuracy": ("Training accuracy", percent),
        "val_accuracy": ("Validation accuracy", percent),
        "learning_rate": ("Learning rate", number),
        "images_per_second": ("Images/s", lambda value: f"{value:,.0f}"),
        "seconds": ("Time", format_seconds),
    }
    there = [key for key in columns if any(row.get(key) is not None for row in run.rows)]
    rows = [
        [
            row["epoch"],
            *(NOTHING if row.get(key) is None else columns[key][1](row[key]) for key in there),
        ]
        for row in run.rows
    ]
    note = "Times and speeds are those of training, without compilation and validation."
    body = table(["Epoch", *(columns[key][0] for key in there)], rows)
    return section("Epochs and speed", element("p", note, class_="faint"), body)


def settings(run):
    """Two tables: the recipe, and where it ran."""

    def shown(header, values):
        return table(header, [(name, setting(value)) for name, value in flat(values).items()])

    recipe = shown(["Field", "Value"], run.recipe)
    environment = shown(["What", "Value"], run.environment)
    return element(
        "div",
        section("Recipe", recipe),
        section("Environment", environment),
        class_="columns",
    )


def section(title, *body):
    """A heading and what belongs to it."""
    return element("section", element("h2", title), *body)


def chart(make_figure, description):
    """A figure as part of the page, or a line in its place where matplotlib is missing."""
    return drawn(
        lambda: png(make_figure(), dpi=130), lambda contents: picture(contents, description)
    )


def drawn(make_png, show):
    """What `show` makes of the bytes, or a line that says why there are none."""
    try:
        return show(make_png())
    except ModuleNotFoundError as error:
        return element("p", f"No picture: {error}", class_="faint")


def flat(values, prefix=""):
    """Nested dicts as one, from `versions.keras` to its value."""
    found = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def setting(value):
    """A value of `flat` as people read it."""
    if value is None or value == []:
        return NOTHING
    if isinstance(value, list):
        words = [word if isinstance(word, str) else json.dumps(word) for word in value]
        return shlex.join(words)
    if isinstance(value, float):
        return number(value)
    return str(value)


def number(value):
    """A number in as many digits as matter, or a dash."""
    return NOTHING if value is None else f"{value:.5g}"


def percent(share, digits=2):
    """A share as percent, or a dash."""
    return NOTHING if share is None else f"{100 * share:.{digits}f}\u00a0%"


def _image_bytes(image):
    new_figure()  # Says which extra to install where matplotlib is missing.
    from matplotlib.image import imsave

    file = io.BytesIO()
    gray = image.shape[-1] == 1
    options = {"cmap": "gray", "vmin": 0, "vmax": 255} if gray else {}
    imsave(file, image[..., 0] if gray else image, format="png", **options)
    return file.getvalue()


def header(title, *lines):
    """The top of a page."""
    return join(element("h1", title), *(element("p", line, class_="faint") for line in lines))
