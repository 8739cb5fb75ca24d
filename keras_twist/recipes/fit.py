"""Run a recipe: a training that can be stopped and resumed, and what is left of it."""

import contextlib
from pathlib import Path

import keras

from keras_twist import callbacks
from keras_twist.callbacks.reporting import read_json_lines
from keras_twist.files import partial_path, remove_partials
from keras_twist.recipes import (
    backends,
    checkpoint,
    epoch_logs,
    run_folder,
    run_record,
    runtime,
    strategies,
    task,
)
from keras_twist.recipes.divergence import StopOnDivergence
from keras_twist.recipes.memory import out_of_memory
from keras_twist.recipes.pictures import first_twist, save_pictures
from keras_twist.recipes.predictions import flip_averaged_accuracy
from keras_twist.recipes.preparation import prepare, warm_up
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.result import Result
from keras_twist.recipes.trainer import trainer_of
from keras_twist.recipes.training_accuracy import WithoutTrainingAccuracy

# What the result takes from the last epoch's line in `metrics.jsonl`.
_REPORTED = ("val_accuracy", "val_top_k_accuracy", "val_loss", "total_seconds")


def fit(
    recipe=None,
    *,
    data_dir=None,
    runs="runs",
    resume=None,
    checkpoint_minutes=5.0,
    progress=False,
    table=True,
    log=(),
):
    """Train a recipe and return what it reached.

    Writes a run folder with `recipe.json`, `environment.json`, `metrics.jsonl` (a line per epoch),
    `checkpoint.npz` (the exact state, for `resume`), `model.keras`, `result.json`,
    `predictions.npz` (of the validation images), `curves.png`, `schedule.png`,
    `misclassified.png`, `confusion.png`, `twist.png` (the first `TwistLayer`, if there is one,
    before and after), and `report.html`, which shows all of it; and one table row per epoch to the
    standard output, unless told otherwise.

    Args:
        recipe: A `Recipe`; may be None when resuming, since the run folder holds it.
        data_dir: Where the data set lies; see `keras_twist.data.load_cifar10` and `load_imagewoof`.
            Defaults to None.
        runs: Folder in which the run's folder is made. Defaults to `"runs"`.
        resume: Folder of a run that was stopped, to go on in, with the backend that it began with.
            It ends as it would have ended uninterrupted; on a CPU, with the same weights to the
            last bit. Defaults to None.
        checkpoint_minutes: Time between checkpoints within an epoch; there is one after each epoch
            besides. Defaults to 5.0.
        progress: Whether to show a progress bar within each epoch (needs rich). Defaults to False.
        table: Whether to write a row per epoch to the standard output. Defaults to True.
        log: Records to keep besides: `"csv"` (`training.csv`), `"tensorboard"` (a folder of that
            name; needs the package), by Keras's callbacks, which count epochs from 0. A resumed run
            goes on with those it has. Defaults to `()`.

    Returns:
        A `Result`.

    Raises:
        RecipeError: if the recipe or the run folder cannot be used.
        DataError: if the data set cannot be had; like RecipeError a ValueError.
        Interrupted: if SIGINT or SIGTERM arrived; the checkpoint and `model.keras` are written.

    Example:
        ```python
        result = fit(dataclasses.replace(CIFAR_RECIPES["davidnet"], epochs=3))
        normalize = data.normalize(data.CIFAR10_MEAN, data.CIFAR10_STD)
        logits = result.model.predict(normalize(images))  # of uint8, (n, 32, 32, 3)
        ```
    """
    if (recipe is None) == (resume is None):
        raise RecipeError("Give either `recipe` or `resume`: a stopped run brings its own recipe.")
    if not checkpoint_minutes >= 0:
        raise RecipeError(
            f"`checkpoint_minutes` must not be negative. Received: {checkpoint_minutes}"
        )
    epoch_logs.check_logs(log)
    if resume is not None:
        recipe = run_folder.read_recipe(resume)
        backends.check_backend(resume)
        run_record.read_rows(Path(resume) / run_folder.METRICS, needed=_REPORTED)
    replicas = strategies.of(recipe)
    with replicas.guard(), contextlib.ExitStack() as claimed:
        if resume is not None and replicas.is_chief:
            claimed.enter_context(run_folder.claim(resume))
            remove_partials(resume)
        recipe, data, model, steps_per_epoch = prepare(recipe, data_dir)
        begun = first_twist(model)
        origin = checkpoint.origin_of(recipe, data)
        replicas.check_same(
            recipe=recipe, images=[origin[f"{part}_images"] for part in ("train", "valid")]
        )
        trainer = trainer_of(model, replicas)
        feed = task.training_feed(recipe, data)
        with out_of_memory(recipe), feed.attach(model):  # What is compiled now is used to the end.
            warm_up(model, feed.dataset(0), trainer)
            folder = Path(resume or _make_folder(recipe, replicas, runs, claimed))
            replicas.use_folder(folder)
            # Or the run ended before it was.
            if replicas.is_chief and not (folder / run_folder.ENVIRONMENT).exists():
                environment = runtime.describe_environment(recipe.precision, model.jit_compile)
                run_folder.write_json(folder / run_folder.ENVIRONMENT, environment)
            stopwatch = callbacks.Stopwatch(recipe.batch_size)
            divergence = StopOnDivergence(steps_per_epoch, trainer)
            keeper = checkpoint.Checkpoint(
                folder,
                stopwatch,
                divergence,
                checkpoint_minutes,
                steps_per_epoch,
                trainer,
                origin,
            )
            keeper.restore(model)
            trainer.spread_seeds()
            replicas.check_same(checkpoint=keeper.step)
            metrics_path = folder / run_folder.METRICS
            done = keeper.step // steps_per_epoch
            rows = read_json_lines(metrics_path)[:done]
            if len(rows) < done:
                raise RecipeError(
                    f"{metrics_path} is damaged: of the {done} epochs that are done, it has "
                    f"{len(rows)}."
                )
            # One process writes and shows what all have in common.
            bars = _progress_bar(progress and trainer.is_chief, keeper.step % steps_per_epoch)
            logs = epoch_logs.epoch_logs(folder, log, model, rows) if trainer.is_chief else []
            best = max((row["val_accuracy"] or 0.0 for row in rows), default=None)
            used = [
                stopwatch,
                divergence,
                *([WithoutTrainingAccuracy()] if recipe.mixup else []),
                *bars,
                *([callbacks.EpochTable(best=best)] if table and trainer.is_chief else []),
                *([callbacks.JSONLinesLogger(metrics_path)] if trainer.is_chief else []),
                *logs,
                keeper,
            ]
            with keeper:
                try:
                    _train(trainer, recipe, feed, data, keeper.step, steps_per_epoch, used)
                except checkpoint.Interrupted:
                    if trainer.is_chief:
                        _save_model(model, folder)
                    raise
                finally:
                    for shown in (*bars, *logs):
                        shown.close()
        return _finish(model, recipe, data, steps_per_epoch, folder, replicas, begun)


def _make_folder(recipe, replicas, runs, claimed):
    """A new run folder, made and claimed by the chief; its path."""
    folder = None
    if replicas.is_chief:
        folder = run_folder.create(runs, recipe.name)
        claimed.enter_context(run_folder.claim(folder))
        run_folder.write_recipe(folder, recipe)
    return Path(runs) / replicas.share_name(folder and folder.name)


def _finish(model, recipe, data, steps_per_epoch, folder, replicas, begun):
    """Write what a run leaves behind, and return its result."""
    rows = read_json_lines(folder / run_folder.METRICS)
    if replicas.is_chief:
        _save_model(model, folder)
        if replicas.strategy:  # To predict with on one device.
            path = folder / run_folder.MODEL
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    last = rows[-1]
    images = recipe.epochs * steps_per_epoch * recipe.batch_size
    mirrored = recipe.flip_averaged and replicas.is_chief
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
        model=model if replicas.is_chief else None,
        flip_averaged_accuracy=flip_averaged_accuracy(model, recipe, data) if mirrored else None,
    )
    if replicas.is_chief:
        run_folder.write_json(folder / run_folder.RESULT, result.to_dict())
        save_pictures(model, data, rows, folder, recipe, steps_per_epoch, begun)
    return result


def _train(trainer, recipe, feed, data, step, steps_per_epoch, used):
    """Epochs from the given step to the end; the first may be the rest of one."""
    validation = task.validation_batches(recipe, data)
    begun, done = divmod(step, steps_per_epoch)
    parts = [(begun, recipe.epochs, steps_per_epoch)]
    if done:
        parts = [(begun, begun + 1, steps_per_epoch - done), (begun + 1, *parts[0][1:])]
    for first, last, steps in parts:
        if first < last:
            trainer.fit(
                feed.dataset(step),
                steps,
                initial_epoch=first,
                epochs=last,
                validation_data=validation,
                callbacks=used,
            )
            step += steps


def _progress_bar(wanted, first_step):
    if not wanted:
        return []
    from keras_twist.recipes.terminal import ProgressBar

    return [ProgressBar(first_step)]


def _save_model(model, folder):
    with partial_path(folder / run_folder.MODEL) as path:
        model.save(path)
