"""A finished run as its folder tells it, checked, so that a report has nothing to fear."""

import dataclasses
from pathlib import Path

from keras_twist.callbacks.reporting import read_json_lines
from keras_twist.files import read_file
from keras_twist.recipes import run_folder
from keras_twist.recipes.json_files import check_value, read_json
from keras_twist.recipes.predictions import Predictions, load_predictions
from keras_twist.recipes.recipe import RecipeError

SCHEDULE, TWIST = "schedule.png", "twist.png"
_MAX_PICTURE_BYTES = 2**26
# What a result holds, and of which kind; a measure is None after a training that diverged.
_NUMBER = (int, float)
_MEASURE = (int, float, type(None))
_RESULT = {
    "name": str,
    "validated_on": str,
    "accuracy": _MEASURE,
    "top_k_accuracy": _MEASURE,
    "loss": _MEASURE,
    "flip_averaged_accuracy": _MEASURE,
    "epochs": int,
    "seconds": _NUMBER,
    "images_per_second": _NUMBER,
}


@dataclasses.dataclass(frozen=True, eq=False)
class RunRecord:
    """What a finished run left behind.

    Attributes:
        folder: Path of the run folder.
        recipe: Dict of its settings, those of other versions too.
        environment: Dict, as `runtime.describe_environment` gives it.
        rows: List of dicts, one per epoch.
        result: Dict of what it reached.
        predictions: `Predictions`, or None if none were kept.
        schedule: Bytes of `schedule.png`, or None if there is none.
        twist: Those of `twist.png`, likewise.
    """

    folder: Path
    recipe: dict
    environment: dict
    rows: list
    result: dict
    predictions: Predictions | None
    schedule: bytes | None
    twist: bytes | None

    @property
    def name(self):
        """Name of the folder."""
        return self.folder.resolve().name


def read_run(folder):
    """Reads the folder of a run that has ended.

    What a run may lack, its pictures and predictions, is None; all else has to be there and whole.

    Args:
        folder: Path of the run folder.

    Returns:
        `RunRecord`.

    Raises:
        RecipeError: if the folder is not that of a finished run, or something in it is damaged.
    """
    folder = Path(folder)
    recipe = _read_object(folder, run_folder.RECIPE, "is this the folder of a run?")
    environment = _read_object(folder, run_folder.ENVIRONMENT, "it tells where the run took place.")
    result = _read_object(folder, run_folder.RESULT, "has the run ended? --resume goes on with it.")
    for key, kind in _RESULT.items():
        if key not in result or not isinstance(result[key], kind):
            raise _damaged(folder / run_folder.RESULT, f"no usable `{key}` in it")
    path, epochs = folder / run_folder.METRICS, result["epochs"]
    rows = read_rows(path)
    if len(rows) != epochs:
        raise RecipeError(f"{path} is missing or damaged: it has {len(rows)} of {epochs} epochs.")
    predictions = load_predictions(folder)
    pictures = [_picture(folder / name) for name in (SCHEDULE, TWIST)]
    return RunRecord(folder, recipe, environment, rows, result, predictions, *pictures)


def _read_object(folder, name, hint):
    path = folder / name
    try:
        value = read_json(path)
    except OSError as error:
        raise RecipeError(f"{folder}: {name} cannot be read; {hint}") from error
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(value, dict):
        raise _damaged(path, "not an object")
    return value


def read_rows(path, needed=()):
    """The rows of `metrics.jsonl`, each that of its epoch and of numbers alone.

    Args:
        path: Path of the file, which need not exist.
        needed: Names of what every row must hold. Defaults to `()`.

    Returns:
        List of dicts.

    Raises:
        RecipeError: if a row is another's, or no row.
    """
    try:
        rows = read_json_lines(path)
        check_value(rows)
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    for number, row in enumerate(rows, start=1):
        whole = isinstance(row, dict) and row.get("epoch") == number and row.keys() >= set(needed)
        if not whole or not all(isinstance(value, _MEASURE) for value in row.values()):
            raise _damaged(path, f"line {number} is not that of epoch {number}")
    return rows


def _picture(path):
    if not path.exists():
        return None
    try:
        content = read_file(path, _MAX_PICTURE_BYTES)
    except OSError as error:
        raise _damaged(path, error) from error
    if not content.startswith(b"\x89PNG\r\n\x1a\n") or b"IEND" not in content[-12:]:
        raise _damaged(path, "not a whole PNG file")
    return content


def _damaged(path, reason):
    reason = " ".join(str(reason).split()).rstrip(".")
    return RecipeError(f"{path} is damaged: {reason}.")
