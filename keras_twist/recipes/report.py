"""A page per run, one file that needs nothing else, and a page that compares several runs."""

import argparse
import json
import sys
from pathlib import Path

from keras_twist import plots
from keras_twist.files import partial_file
from keras_twist.recipes import output
from keras_twist.recipes import report_sections as sections
from keras_twist.recipes.markup import element, join, page, table
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.run_record import read_run

REPORT, COMPARISON = "report.html", "comparison.html"
# The curves of a comparison, by their key in `metrics.jsonl`.
COMPARED = {
    "val_accuracy": "Validation accuracy",
    "val_loss": "Validation loss",
    "loss": "Training loss",
    "learning_rate": "Learning rate",
}


def write_report(folder, path=None):
    """Writes the report on a run: one HTML file with all pictures in it, and no script.

    It shows result, curves, schedule, a twist, misclassified images, confusion matrix, classes,
    epochs, recipe and environment. Without matplotlib, each picture is a line that says what to
    install.

    Args:
        folder: Path of the folder of a run that has ended.
        path: File to write. Defaults to `report.html` in that folder.

    Returns:
        Path of the file.

    Raises:
        RecipeError: if something in the folder is missing or damaged.
        OSError: if the file cannot be written.

    Example:
        ```python
        write_report("runs/quick-20260101-120000")
        ```
    """
    path = Path(folder) / REPORT if path is None else Path(path)
    return _write(path, run_page(read_run(folder)))


def write_comparison(folders, path=None):
    """Writes a page that shows runs side by side: results, curves, and the settings that differ.

    Args:
        folders: Paths of two or more run folders; one that is there twice counts once.
        path: File to write. Defaults to `comparison.html` beside the first run's folder.

    Returns:
        Path of the file.

    Raises:
        RecipeError: if all are the same, or something in a folder is missing or damaged.
        OSError: if the file cannot be written.

    Example:
        ```python
        write_comparison(["runs/quick-20260101-120000", "runs/quick-20260101-123000"])
        ```
    """
    path = Path(folders[0]).resolve().parent / COMPARISON if path is None else Path(path)
    folders = list({Path(folder).resolve(): folder for folder in folders}.values())
    if len(folders) < 2:
        raise RecipeError(f"a comparison needs two different runs. Received: {folders[0]}, again")
    return _write(path, comparison_page([read_run(folder) for folder in folders]))


def run_page(run):
    """The page of one run, a string of HTML.

    Args:
        run: A `RunRecord`.

    Returns:
        `Html`.
    """
    name = run.result["name"]
    started = run.environment.get("started", "at an unknown time")
    body = [
        sections.header(name, f"{run.name}, started {started}"),
        sections.tiles(sections.measures(run.result)),
        sections.validation(run.result),
        sections.curves(run),
    ]
    if run.twist is not None:
        body.append(sections.twist(run))
    if run.predictions is None:
        text = "There are no predictions in this folder: a full disk, for one, does not keep them."
        body.append(sections.section("Classes", element("p", text)))
    else:
        body += [sections.gallery(run), sections.classes(run)]
    body += [sections.epochs(run), sections.settings(run)]
    return page(f"{name}: {sections.percent(run.result['accuracy'])}", *body)


def comparison_page(runs):
    """The page of several runs, a string of HTML.

    Args:
        runs: List of `RunRecord`.

    Returns:
        `Html`.
    """
    names = [f"{number}: {run.name}" for number, run in enumerate(runs, start=1)]
    measures = [sections.measures(run.result) for run in runs]
    histories = {run.name: run.rows for run in runs}
    if len(histories) < len(runs):  # The same name in other places.
        histories = {str(run.folder): run.rows for run in runs}

    def chart(key, title):
        return sections.chart(lambda: plots.plot_comparison(histories, key, title), title)

    charts = [chart(key, title) for key, title in COMPARED.items()]
    title = f"{len(runs)} runs compared"
    return page(
        title,
        sections.header(title),
        sections.section("Results", _side_by_side(names, measures, "Measure")),
        sections.section("Curves", element("div", *charts, class_="charts")),
        _differences("Settings", names, [run.recipe for run in runs]),
        _classes(names, runs),
        _differences("Environment", names, [run.environment for run in runs]),
    )


def _side_by_side(names, values, what):
    """A table with a column for each run; rows are the keys of all, in order."""
    keys = dict.fromkeys(key for value in values for key in value)
    rows = [[key, *(value.get(key, sections.NOTHING) for value in values)] for key in keys]
    return table([what, *names], rows)


def _differences(title, names, values):
    """Those values that are not the same in all runs."""
    values = [sections.flat(value) for value in values]
    keys = list(dict.fromkeys(key for value in values for key in value))
    shown = [{} for _ in values]
    for key in keys:
        exact = [json.dumps(value.get(key)) for value in values]
        if len(set(exact)) > 1:
            cells = [sections.setting(value.get(key)) for value in values]
            # What is the same in as many digits as matter is shown in all.
            for row, cell in zip(shown, cells if len(set(cells)) > 1 else exact, strict=True):
                row[key] = cell
    alike = len(keys) - len(shown[0])
    if not shown[0]:
        return sections.section(title, element("p", f"All {alike} are the same."))
    text = element("p", f"The other {alike} are the same.", class_="faint")
    return sections.section(title, join(_side_by_side(names, shown, "What differs"), text))


def _classes(names, runs):
    """Accuracy of each class in each run, where they have the same classes."""
    found = [run.predictions for run in runs]
    if any(one is None for one in found) or len({one.class_names for one in found}) > 1:
        return None
    values = [
        {
            row["class"]: sections.percent(row["accuracy"])
            for row in plots.class_table(one.labels, one.predicted, one.class_names)
        }
        for one in found
    ]
    return sections.section("Accuracy of each class", _side_by_side(names, values, "Class"))


def _write(path, content):
    with partial_file(path) as file:
        file.write(content.encode("utf-8", "replace"))
    return path


def main(arguments=None):
    """The command line: one run makes its report, several make a comparison.

    Args:
        arguments: List of arguments. Defaults to those of the process.

    Returns:
        Exit code: 0, or 2 for folders that cannot be used, after one line that says why.
    """
    parser = argparse.ArgumentParser(
        prog="python -m keras_twist.report",
        description="Write report.html for a run; for several, a page that compares them.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="run", help="folder of a run")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="file to write; without it report.html in the run's folder, or comparison.html "
        "beside the first run's",
    )
    options = parser.parse_args(arguments)
    try:
        if len(options.runs) == 1:
            path = write_report(options.runs[0], options.output)
        else:
            path = write_comparison(options.runs, options.output)
    except (RecipeError, OSError) as error:
        output.write_error(error)
        return 2
    sys.stdout.write(f"{path}\n")
    return 0
