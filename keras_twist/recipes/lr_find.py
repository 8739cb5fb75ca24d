"""The learning rate range test of a recipe: with its batches, its precision and its optimizer."""

import dataclasses
import logging

from keras_twist.callbacks import lr_find
from keras_twist.files import partial_path
from keras_twist.recipes import run_folder, runtime, task
from keras_twist.recipes.memory import out_of_memory
from keras_twist.recipes.preparation import prepare
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.strategies import check_alone

logger = logging.getLogger("keras_twist.recipes")

CURVE, PICTURE = "lr_find.json", "lr_find.png"


def range_test(recipe, *, data_dir=None, runs="runs", **options):
    """Run `keras_twist.callbacks.lr_find` on a recipe, and keep the curve and its picture.

    Writes a folder `<recipe>-lr_find-<time>` with `lr_find.json` (recipe, environment, curve,
    suggestions) and `lr_find.png`. The recipe's schedule is put aside; all else is the recipe's.

    Args:
        recipe: A `Recipe`.
        data_dir: Where the data set lies; see `fit`. Defaults to None.
        runs: Folder in which the folder is made. Defaults to `"runs"`.
        **options: `start`, `end`, `steps`, `mode` and the like, for `lr_find`.

    Returns:
        The `LRCurve`, and the path of the folder.

    Raises:
        RecipeError: if the recipe or an option cannot be used, or the first loss is not finite.
        DataError: if the data set cannot be had; like RecipeError a ValueError.

    Example:
        ```python
        curve, folder = range_test(CIFAR_RECIPES["davidnet"], steps=60)
        curve.suggest("valley")
        ```
    """
    check_alone(recipe, "a range test")
    recipe, data, model, _ = prepare(recipe, data_dir)
    folder = run_folder.create(runs, f"{recipe.name}-lr_find")
    try:
        with out_of_memory(recipe):
            curve = lr_find(model, task.training_batches(recipe, data), **options)
    except BaseException as error:
        folder.rmdir()
        if isinstance(error, ValueError) and not isinstance(error, RecipeError):
            raise RecipeError(str(error)) from error
        raise
    content = {
        "recipe": dataclasses.asdict(recipe),
        "environment": runtime.describe_environment(recipe.precision, model.jit_compile),
        "suggestions": curve.suggestions(),
        "curve": curve.to_dict(),
    }
    run_folder.write_json(folder / CURVE, content)
    try:
        with partial_path(folder / PICTURE) as path:
            curve.plot().savefig(path, dpi=150)
    except (ModuleNotFoundError, OSError) as error:
        logger.warning("No picture: %s", error)
    return curve, folder
