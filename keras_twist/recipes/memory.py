"""Batches that do not fit into the memory: said in a line, before or after the machine says it."""

import contextlib
import math
from pathlib import Path

from keras_twist.data.stateless import on_jax
from keras_twist.recipes import runtime
from keras_twist.recipes.recipe import RecipeError


def check_memory(model, batch_size, workers=1):
    """Refuse a batch that cannot be trained on in this machine's memory.

    Where memory runs out on a CPU, the system kills the process, which then can say nothing. What
    a training step keeps at the least is counted instead: half of what all layers put out, since
    the rest may be computed in place. A GPU's runtime speaks for itself (`out_of_memory`).

    Args:
        model: Built `keras.Model`.
        batch_size: Images per step.
        workers: Machines that share them. Defaults to 1.

    Raises:
        RecipeError: if that is more than the memory there is.
    """
    available = available_memory()
    if available is None or runtime.gpu_capabilities():
        return
    needed = batch_size * bytes_per_image(model) / 2 / workers
    if needed > available:
        fitting = 2 ** math.floor(math.log2(max(available / needed * batch_size, 1)))
        raise RecipeError(
            f"Field `batch_size`: a step keeps at least {needed / 2**30:.1f} GiB, and this machine "
            f"has {available / 2**30:.1f} GiB; try {fitting} or less. "
            f"Received: batch_size={batch_size}"
        )


def bytes_per_image(model):
    """Bytes of what all layers put out for one image, in the types that they compute in."""
    total = 0
    for layer in model.layers:
        numbers = sum(math.prod(output.shape[1:]) for output in _outputs(layer))
        total += numbers * (2 if "16" in layer.compute_dtype else 4)
    return total


def _outputs(layer):
    outputs = layer.output
    return outputs if isinstance(outputs, list | tuple) else [outputs]


def available_memory():
    """Bytes that this process may use, or None where Linux does not say."""
    limits = []
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                limits.append(1024 * int(line.split()[1]))
    with contextlib.suppress(OSError, ValueError):  # A container's limit, or "max".
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8")))
    return min(limits, default=None)


@contextlib.contextmanager
def out_of_memory(recipe):
    """Turn the backend's pages about exhausted memory into one line of advice.

    Args:
        recipe: The `Recipe` that a `with` block trains.

    Raises:
        RecipeError: in place of a MemoryError or of the backend's error.
    """
    if on_jax():
        kind = RuntimeError
    else:
        import tensorflow as tf

        kind = tf.errors.ResourceExhaustedError
    try:
        yield
    except (MemoryError, kind) as error:
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise RecipeError(
            "out of memory; a smaller `batch_size`, 16-bit `precision` or a narrower network needs "
            f"less. Received: batch_size={recipe.batch_size}, precision={recipe.precision!r}"
        ) from error
