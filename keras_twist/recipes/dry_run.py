"""What a training will take, found out by its first steps."""

import math
import sys
import time

import keras

from keras_twist.callbacks.reporting import format_seconds
from keras_twist.data.stateless import on_jax
from keras_twist.recipes import runtime, task
from keras_twist.recipes.memory import out_of_memory
from keras_twist.recipes.preparation import prepare
from keras_twist.recipes.strategies import check_alone

# Enough to measure by on a fast machine; on a slow one, the step that these seconds end in.
STEPS, SECONDS = 20, 10.0


class _Clock(keras.callbacks.Callback):
    """Seconds and number of the steps after the first, which waits for its batch."""

    def on_train_batch_begin(self, batch, logs=None):
        if batch and on_jax():  # It has ordered the steps before, and computed none of them yet.
            int(self.model.optimizer.iterations)
        if batch == 0:
            self.begun = time.perf_counter()
        if batch == 1:
            self.started = time.perf_counter()
        self.steps = batch
        if batch and time.perf_counter() - self.begun > SECONDS:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.started


def dry_run(recipe, data_dir=None, runs=1):
    """Checks data and model, trains a few steps, and tells what a training takes. Writes nothing.

    Args:
        recipe: A `Recipe`.
        data_dir: Where the data set lies; see `keras_twist.recipes.fit`. Defaults to None.
        runs: Number of trainings. Defaults to 1.

    Returns:
        Dict of JSON values; sizes in bytes, times in seconds. `total_seconds` holds compilation,
        validation and all runs; `device_peak_bytes` is None without a GPU.

    Raises:
        RecipeError: if the recipe does not fit the data or the network.
        DataError: if the data set cannot be had.

    Example:
        ```python
        dry_run(CIFAR_RECIPES["davidnet"])["total_seconds"]
        ```
    """
    check_alone(recipe, "a dry run")
    recipe, data, model, steps_per_epoch = prepare(recipe, data_dir)
    feed = task.training_feed(recipe, data)
    batches, clock = feed.dataset(0), _Clock()
    validation = task.validation_batches(recipe, data)
    with out_of_memory(recipe), feed.attach(model):
        first = _seconds(lambda: _fit(model, batches, 1))
        _fit(model, batches, STEPS + 1, clock)
        step = clock.seconds / clock.steps
        first_validation = _seconds(lambda: model.evaluate(validation, steps=1, verbose=0))
        part = first_validation
        if part < SECONDS:  # Else it hardly matters that it holds a compilation.
            part = _seconds(lambda: model.evaluate(validation, steps=1, verbose=0))
    compilation = max(first - step, 0) + max(first_validation - part, 0)
    training, judging = steps_per_epoch * step, len(validation) * part
    return {
        "name": recipe.name,
        "training_images": len(data.train[1]),
        "validation_images": len(data.valid[1]),
        "validated_on": data.valid_name,
        "batch_size": recipe.batch_size,
        "steps_per_epoch": steps_per_epoch,
        "epochs": recipe.epochs,
        "runs": runs,
        "parameters": model.count_params(),
        "trainable_parameters": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "peak_memory_bytes": peak_memory(),
        "device_peak_bytes": device_peak_memory(),
        "compile_seconds": compilation,
        "images_per_second": recipe.batch_size / step,
        "training_seconds_per_epoch": training,
        "validation_seconds_per_epoch": judging,
        "total_seconds": runs * (compilation + recipe.epochs * (training + judging)),
        "precision": recipe.precision,
        "xla": model.jit_compile,
        "devices": [str(device) for device in keras.distribution.list_devices()],
    }


def table(found):
    """The lines that people read of it.

    Args:
        found: Dict, as `dry_run` gives it.

    Returns:
        String of lines.
    """
    epoch = found["training_seconds_per_epoch"] + found["validation_seconds_per_epoch"]
    runs = f" of {found['runs']} runs" if found["runs"] > 1 else ""
    memory = [_size(found["peak_memory_bytes"])]
    if found["device_peak_bytes"] is not None:
        memory.append(f"{_size(found['device_peak_bytes'])} on the device")
    rows = {
        "recipe": found["name"],
        "training images": f"{found['training_images']:,}",
        f"{found['validated_on']} images": f"{found['validation_images']:,}",
        "batches per epoch": f"{found['steps_per_epoch']:,} of {found['batch_size']:,} images",
        "parameters": f"{found['parameters']:,} ({found['trainable_parameters']:,} trainable)",
        "devices": ", ".join(found["devices"]),
        "precision": found["precision"],
        "XLA": "on" if found["xla"] else "off",
        "peak memory": ", ".join(memory),
        "compilation": f"{found['compile_seconds']:.1f} s",
        "images/s": f"{found['images_per_second']:,.0f}",
        "time per epoch": f"{format_seconds(epoch)}, "
        f"{format_seconds(found['validation_seconds_per_epoch'])} of it validation",
        "time in all": f"{format_seconds(found['total_seconds'])} "
        f"for {found['epochs']} epochs{runs}, with compilation",
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items())


def peak_memory():
    """Most memory that this process has held, in bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def device_peak_memory():
    """Most memory held on any one GPU, in bytes; None without one."""
    if on_jax():
        device = runtime.jax_device()
        return (device.memory_stats() or {}).get("peak_bytes_in_use")
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    info = tf.config.experimental.get_memory_info
    return max((info(gpu.name.removeprefix("/device:"))["peak"] for gpu in gpus), default=None)


def _fit(model, batches, steps, *callbacks):
    model.fit(
        batches, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[*callbacks]
    )


def _seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _size(count):
    return "unknown" if count is None else f"{count / 2**30:.2f} GiB"
