"""Run a recipe: data, model, training that can be stopped and resumed, and what is left of it."""

import contextlib
import dataclasses
from pathlib import Path

import keras

from keras_twist import callbacks
from keras_twist.callbacks.reporting import read_json_lines
from keras_twist.recipes import checkpoint, run_folder, run_record, runtime, task
from keras_twist.recipes.pictures import save_pictures
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.training_accuracy import WithoutTrainingAccuracy

# What the result takes from the last epoch's line in `metrics.jsonl`.
_REPORTED = ("val_accuracy", "val_top_k_accuracy", "val_loss", "total_seconds")


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run reached.

    Attributes:
        name: The recipe's.
        accuracy: Share of the validation images classified right, one view each, in `[0, 1]`.
        top_k_accuracy: Likewise, among the five likeliest classes.
        loss: Validation loss, with the recipe's label smoothing.
        validated_on: `"test"`, `"validation"` or `"held-out"`.
        epochs: Passes over the training set.
        seconds: Training time, without compilation and validation.
        images_per_second: Training images over that time.
        folder: Path of the run folder.
        model: The trained `keras.Model`.
    """

    name: str
    accuracy: float
    top_k_accuracy: float
    loss: float
    validated_on: str
    epochs: int
    seconds: float
    images_per_second: float
    folder: Path
    model: keras.Model = dataclasses.field(repr=False)


def fit(
    recipe=None,
    *,
    data_dir=None,
    runs="runs",
    resume=None,
    checkpoint_minutes=5.0,
    progress=False,
):
    """Train a recipe and return what it reached.

    Writes a run folder with `recipe.json`, `environment.json`, `metrics.jsonl` (a line per epoch),
    `checkpoint.npz` (the exact state, for `resume`), `model.keras`, `result.json`,
    `predictions.npz` (of the validation images), `curves.png`, `schedule.png`,
    `misclassified.png`, `confusion.png` and `report.html`, which shows all of it; and one table row
    per epoch to the standard output.

    Args:
        recipe: A `Recipe`; may be None when resuming, since the run folder holds it.
        data_dir: Where the data set lies; see `keras_twist.data.load_cifar10` and `load_imagewoof`.
            Defaults to None.
        runs: Folder in which the run's folder is made. Defaults to `"runs"`.
        resume: Folder of a run that was stopped, to go on in. It ends as it would have ended
            uninterrupted; on a CPU, with the same weights to the last bit. Defaults to None.
        checkpoint_minutes: Time between checkpoints within an epoch; there is one after each epoch
            besides. Defaults to 5.0.
        progress: Whether to show a progress bar within each epoch (needs rich). Defaults to False.

    Returns:
        A `Result`.

    Raises:
        RecipeError: if the recipe or the run folder cannot be used.
        DataError: if the data set cannot be had; like RecipeError a ValueError.
        Interrupted: if SIGINT or SIGTERM arrived; the checkpoint and `model.keras` are written.

    Example:
        ```python
        result = fit(dataclasses.replace(CIFAR_RECIPES["davidnet"], epochs=3))
        result.model.predict(images)
        ```
    """
    if (recipe is None) == (resume is None):
        raise RecipeError("Give either `recipe` or `resume`: a stopped run brings its own recipe.")
    if resume is not None:
        recipe = run_folder.read_recipe(resume)
        run_record.read_rows(Path(resume) / run_folder.METRICS, needed=_REPORTED)
    recipe, data, model, steps_per_epoch = prepare(recipe, data_dir)
    policy, jit_compile = recipe.precision, recipe.xla == "on"
    feed = task.training_feed(recipe, data)
    attached = contextlib.ExitStack()  # Until the training ends: what is compiled now is used then.
    attached.enter_context(feed.attach(model))
    _warm_up(model, feed.dataset(0))

    folder = run_folder.create(runs, recipe.name) if resume is None else Path(resume)
    stopwatch = callbacks.Stopwatch(recipe.batch_size)
    keeper = checkpoint.Checkpoint(folder, stopwatch, checkpoint_minutes, steps_per_epoch)
    if resume is None:
        run_folder.write_recipe(folder, recipe)
        run_folder.write_json(
            folder / run_folder.ENVIRONMENT, runtime.describe_environment(policy, jit_compile)
        )
    else:
        keeper.restore(model)
    metrics_path = folder / run_folder.METRICS
    bars = _progress_bar(progress, keeper.step % steps_per_epoch)
    used = [
        stopwatch,
        *([WithoutTrainingAccuracy()] if recipe.mixup else []),
        *bars,
        callbacks.EpochTable(),
        callbacks.JSONLinesLogger(metrics_path),
        keeper,
    ]
    with keeper:
        try:
            _train(model, recipe, feed, data, keeper.step, steps_per_epoch, used)
        except checkpoint.Interrupted:
            _save_model(model, folder)
            raise
        finally:
            attached.close()
            for bar in bars:
                bar.close()

    rows = read_json_lines(metrics_path)
    _save_model(model, folder)
    last = rows[-1]
    images = recipe.epochs * steps_per_epoch * recipe.batch_size
    result = Result(
        name=recipe.name,
        accuracy=last["val_accuracy"],
        top_k_accuracy=last["val_top_k_accuracy"],
        loss=last["val_loss"],
        validated_on=data.valid_name,
        epochs=recipe.epochs,
        seconds=last["total_seconds"],
        images_per_second=images / last["total_seconds"],
        folder=folder,
        model=model,
    )
    summary = {name: value for name, value in vars(result).items() if name != "model"}
    run_folder.write_json(folder / run_folder.RESULT, {**summary, "folder": str(folder)})
    save_pictures(model, data, rows, folder, recipe, steps_per_epoch)
    return result


def prepare(recipe, data_dir=None):
    """What a recipe trains: everything up to the first step.

    Args:
        recipe: A `Recipe`.
        data_dir: See `fit`.

    Returns:
        The recipe with what `auto` stands for on this machine, so that a run can be resumed or
        repeated on another; its data; the compiled model; batches in an epoch.

    Raises:
        RecipeError: if the recipe does not fit the data or the network.
    """
    policy = runtime.resolve_precision(recipe.precision)
    jit_compile = runtime.resolve_xla(recipe.xla)
    recipe = dataclasses.replace(recipe, precision=policy, xla="on" if jit_compile else "off")
    if recipe.feed == "resident" and recipe.mixup and jit_compile:
        raise RecipeError(
            "Field `feed`: mixup cannot be drawn in a step that XLA compiles; take feed='tf.data' "
            f"or xla='off'. Received: feed={recipe.feed!r}, mixup={recipe.mixup}"
        )
    data = task.of(recipe).load(recipe, data_dir)
    steps_per_epoch = len(data.train[1]) // recipe.batch_size
    if steps_per_epoch == 0:
        raise RecipeError(
            f"Field `batch_size` must not be larger than the training set, {len(data.train[1])}. "
            f"Received: batch_size={recipe.batch_size}"
        )
    keras.utils.set_random_seed(recipe.seed)
    with runtime.precision_policy(policy):
        model = task.of(recipe).build_model(recipe, data)
        task.compile_model(model, recipe, recipe.epochs * steps_per_epoch, jit_compile)
    return recipe, data, model, steps_per_epoch


def _train(model, recipe, feed, data, step, steps_per_epoch, used):
    """Epochs from the given step to the end; the first may be the rest of one."""
    validation = task.validation_batches(recipe, data)
    begun, done = divmod(step, steps_per_epoch)
    parts = [(begun, recipe.epochs, steps_per_epoch)]
    if done:
        parts = [(begun, begun + 1, steps_per_epoch - done), (begun + 1, *parts[0][1:])]
    for first, last, steps in parts:
        if first < last:
            model.fit(
                feed.dataset(step),
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=steps,
                validation_data=validation,
                callbacks=used,
                shuffle=False,
                verbose=0,
            )
            step += steps


def _progress_bar(wanted, first_step):
    if not wanted:
        return []
    from keras_twist.recipes.terminal import ProgressBar

    return [ProgressBar(first_step)]


def _warm_up(model, batches):
    """Trace and compile the training step, off the clock, and leave no trace in any variable."""
    model.optimizer.build(model.trainable_variables)
    before = {
        id(v): keras.ops.convert_to_numpy(v).copy() for v in checkpoint.state_variables(model)
    }
    model.fit(batches, epochs=1, steps_per_epoch=1, shuffle=False, verbose=0)
    for variable in checkpoint.state_variables(model):
        if id(variable) in before:
            variable.assign(before[id(variable)])
    model.reset_metrics()


def _save_model(model, folder):
    """Write `model.keras`, under another name until it is whole."""
    partial = folder / ".partial.keras"
    model.save(partial)
    partial.replace(folder / "model.keras")
