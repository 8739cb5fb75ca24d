"""The folder that a run writes: what it was, where it ran, what it reached."""

import contextlib
import dataclasses
import datetime
import json
from pathlib import Path

from keras_twist.data.errors import shown
from keras_twist.files import alone_in, partial_file
from keras_twist.recipes.cifar_recipes import CIFARRecipe
from keras_twist.recipes.json_files import read_json
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.woof_recipes import WoofRecipe

RECIPE, ENVIRONMENT, METRICS, MODEL, RESULT = (
    "recipe.json",
    "environment.json",
    "metrics.jsonl",
    "model.keras",
    "result.json",
)

_NAMED_FIELDS = 5
_KINDS = {kind.task: kind for kind in (CIFARRecipe, WoofRecipe)}


def create(runs, name):
    """Make a new folder `<name>-<date>-<time>` in the folder `runs`, and return its path."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        folder = Path(runs) / (f"{name}-{stamp}" + (f"-{number}" if number > 1 else ""))
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not folder.is_dir():  # `runs` itself, or a parent of it, is a file.
                raise
            continue
        return folder
    raise FileExistsError(f"{folder} and its like exist already")


@contextlib.contextmanager
def claim(folder):
    """Keep a run folder to this process for the time of a `with` block.

    Raises:
        RecipeError: if another process trains in it.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(alone_in(folder, wait=False))
        except BlockingIOError as error:
            raise RecipeError(f"another process is training in {folder}.") from error
        yield


def write_json(path, value):
    """Write a JSON file that is whole or not there."""
    with partial_file(path) as file:
        file.write(json.dumps(value, indent=2).encode() + b"\n")


def write_recipe(folder, recipe):
    """Write `recipe.json`, from which the run can be repeated."""
    write_json(Path(folder) / RECIPE, {"task": recipe.task, **dataclasses.asdict(recipe)})


def read_recipe(folder):
    """The `Recipe` of a run folder.

    Raises:
        RecipeError: if the folder is not one of a run, or its recipe does not fit this version.
    """
    path = Path(folder) / RECIPE
    try:
        values = read_json(path)
    except OSError as error:
        raise RecipeError(
            f"{folder} is not the folder of a run: {RECIPE} cannot be read."
        ) from error
    except ValueError as error:
        raise RecipeError(f"{path} is damaged: {error}.") from error
    name = values.get("task") if isinstance(values, dict) else None
    if not isinstance(name, str) or name not in _KINDS:
        raise RecipeError(f"{path} names no task of {', '.join(_KINDS)}.")
    kind = _KINDS[values.pop("task")]
    unknown = sorted(set(values) - {field.name for field in dataclasses.fields(kind)})
    if unknown:
        named = ", ".join(shown(name[:60]) for name in unknown[:_NAMED_FIELDS])
        more = len(unknown) - _NAMED_FIELDS
        more = f" and {more} more" if more > 0 else ""
        raise RecipeError(f"{path} holds what no recipe has: {named}{more}.")
    try:
        return kind(**values)
    except TypeError as error:
        raise RecipeError(f"{path} is damaged: {error}.") from error
