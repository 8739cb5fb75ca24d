"""Training on several devices or machines: who takes part, and what they have to agree on."""

import contextlib
import json
import os
import zlib

import numpy as np

from keras_twist.data.stateless import on_jax
from keras_twist.recipes.recipe import RecipeError

# Workers talk every so many batches about what one of them wants: a checkpoint, or to stop. Each
# time they wait for the slowest.
_BATCHES_BETWEEN_TALKS = 16
_LONGEST_NAME = 255
# TensorFlow's strategies set up devices and connections once in a process.
_started = {}


def of(recipe):
    """The `Replicas` that a recipe trains on; with a strategy the same ones throughout a process.

    Args:
        recipe: A `Recipe`.

    Raises:
        RecipeError: if there are not as many devices as the recipe asks for, no cluster, or it is
            too late to set them up.
    """
    if recipe.strategy == "none":
        return Replicas()
    if on_jax():
        raise RecipeError(
            f"Field `strategy` must be 'none' on JAX. Received: strategy={recipe.strategy!r}"
        )
    if recipe.strategy not in _started:
        make = {"mirrored": _mirrored, "multi_worker": _multi_worker}[recipe.strategy]
        _started[recipe.strategy] = make(recipe.replicas)
    found = _started[recipe.strategy]
    if recipe.replicas not in (None, found.count):
        raise RecipeError(
            f"Field `replicas` must be {found.count}, the number of devices that take part. "
            f"Received: replicas={recipe.replicas}"
        )
    if recipe.batch_size % found.count:
        raise RecipeError(
            f"Field `batch_size` must be a multiple of {found.count}, the number of devices that "
            f"share a batch. Received: batch_size={recipe.batch_size}"
        )
    return found


def check_alone(recipe, what):
    """Raise `RecipeError` if something that is done on one device is asked for on several."""
    if recipe.strategy != "none":
        raise RecipeError(
            f"Field `strategy` must be 'none' for {what}, which one device does; batches, and so "
            f"learning rates, are the same. Received: strategy={recipe.strategy!r}"
        )


class Replicas:
    """Copies of a model, each of which trains on its share of every batch.

    Args:
        strategy: `tf.distribute.Strategy`, or None for one device without any.
        workers: Number of processes.
        is_chief: Whether this process is the one that writes.

    Attributes:
        count: Number of copies, in all processes.
    """

    def __init__(self, strategy=None, workers=1, is_chief=True):
        self.strategy, self.workers, self.is_chief = strategy, workers, is_chief
        self.count = strategy.num_replicas_in_sync if strategy else 1
        self._gather = None
        self._folder = None

    def scope(self):
        """Context manager in which variables become variables of all copies."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def gather(self, numbers):
        """The integers that each copy's process gives, as an array with a row per copy."""
        if self.workers == 1:
            return np.array([numbers])
        import tensorflow as tf

        if self._gather is None:
            # As a function, because TensorFlow prepares anew what it does without one: a second.
            def gather(values):
                return self.strategy.gather(self.strategy.run(lambda: values[None]), axis=0)

            signature = [tf.TensorSpec([None], "int64")]
            self._gather = tf.function(gather, signature, autograph=False)
        return self._gather(np.array(numbers, "int64")).numpy()

    def agree(self, batch, number):
        """The largest of the numbers that the processes give; 0 where they do not talk.

        Args:
            batch: Number of the batch in its epoch; all processes ask before the same ones.
            number: Integer, 0 for nothing.
        """
        if self.workers > 1 and batch % _BATCHES_BETWEEN_TALKS:
            return 0
        return int(self.gather([number]).max())

    def check_same(self, **values):
        """Raise `RecipeError`, in all processes, unless each has the same of what is named."""
        numbers = [zlib.crc32(repr(value).encode()) for value in values.values()]
        rows = self.gather(numbers)
        for name, column in zip(values, rows.T, strict=True):
            if (column != column[0]).any():
                raise RecipeError(
                    f"the workers of the cluster differ in their {name.replace('_', ' ')}."
                )

    def share_name(self, name):
        """The chief's string of at most 255 bytes, in all processes."""
        given = (name or "").encode()[:_LONGEST_NAME] if self.is_chief else b""
        padded = np.frombuffer(given.ljust(_LONGEST_NAME, b"\0"), "uint8").astype("int64")
        return bytes(self.gather(padded).max(0).astype("uint8")).rstrip(b"\0").decode()

    def use_folder(self, folder):
        """Name the run folder for `guard`; all processes have to see it.

        Raises:
            RecipeError: if this one does not.
        """
        self._folder = folder
        if not folder.is_dir():
            raise RecipeError(
                f"this worker does not see {folder}: --runs_dir must be a folder that all workers "
                "share."
            )

    @contextlib.contextmanager
    def guard(self):
        """Turn TensorFlow's pages about a worker that is gone into one line.

        Raises:
            RecipeError: in their place.
        """
        if self.workers == 1:
            yield
            return
        import tensorflow as tf

        self._folder = None
        try:
            yield
        except tf.errors.OpError as error:
            gone = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError)
            if not isinstance(error, gone) and "Collective ops is aborted" not in str(error):
                raise
            after = f", with --resume {self._folder} from its last checkpoint" * bool(self._folder)
            raise RecipeError(
                f"another worker of the cluster is gone; start all of them again{after}."
            ) from error

    def distribute(self, batches):
        """Every batch of an endless dataset, divided among the copies in order.

        Every process makes whole batches and takes its part, so that they are those of one process,
        with the same draws; TensorFlow's own ways of sharing a dataset would have each process draw
        by itself.

        Args:
            batches: Endless `tf.data.Dataset` of `(images, labels)`, alike in all processes. Copies
                get parts of equal size, or with one image more.

        Returns:
            `tf.distribute.DistributedDataset`.
        """
        import tensorflow as tf

        def divide(context):
            each = self.count // context.num_input_pipelines
            first = each * context.input_pipeline_id

            def parts(images, labels):
                size = images.shape[0] or tf.shape(images)[0]
                found = None
                for replica in range(first, first + each):
                    rows = slice(replica * size // self.count, (replica + 1) * size // self.count)
                    part = tf.data.Dataset.from_tensors((images[rows], labels[rows]))
                    found = part if found is None else found.concatenate(part)
                return found

            return batches.flat_map(parts).prefetch(self.count)

        return self.strategy.distribute_datasets_from_function(divide)


def _mirrored(wanted):
    """`Replicas` on the GPUs of this machine, or on parts of its CPU."""
    import tensorflow as tf

    kind = "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
    if kind == "CPU" and wanted:
        (cpu,) = tf.config.list_physical_devices("CPU")
        # Too late in a process that has computed something: then its devices are what they are.
        with contextlib.suppress(RuntimeError):
            parts = [tf.config.LogicalDeviceConfiguration() for _ in range(wanted)]
            tf.config.set_logical_device_configuration(cpu, parts)
    available = len(tf.config.list_logical_devices(kind))
    if (wanted or available) > available or available < 2:
        hint = " Give replicas=2 or more to divide the CPU." if kind == "CPU" and not wanted else ""
        raise RecipeError(
            f"Field `strategy`: 'mirrored' needs {max(wanted or 0, 2)} devices, and this process "
            f"has {available} ({kind}).{hint} Received: replicas={wanted}"
        )
    devices = [f"{kind}:{number}" for number in range(wanted or available)]
    return Replicas(tf.distribute.MirroredStrategy(devices))


def _multi_worker(_):
    """`Replicas` on the cluster that the environment's TF_CONFIG describes."""
    is_chief = _is_chief(os.environ.get("TF_CONFIG"))
    import tensorflow as tf

    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0][:200]
        raise RecipeError(f"Field `strategy`: no cluster came about: {reason}") from error
    workers = sum(map(len, strategy.cluster_resolver.cluster_spec().as_dict().values()))
    return Replicas(strategy, workers, is_chief)


def _is_chief(text):
    """Whether TF_CONFIG makes this process the chief, after a look at whether it can be used."""
    try:
        config = json.loads(text or "")
        jobs = {job: len(addresses) for job, addresses in config["cluster"].items()}
        job, number = config["task"]["type"], config["task"]["index"]
        usable = set(jobs) <= {"chief", "worker"} and 0 <= number < jobs[job]
        usable = usable and jobs.get("chief", 1) == 1 and sum(jobs.values()) > 1
    except (ValueError, TypeError, KeyError, AttributeError):
        usable = False
    if not usable:
        raise RecipeError(
            "Field `strategy`: 'multi_worker' reads the environment variable TF_CONFIG, such as "
            '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", '
            f'"index": 0}}}}, of two or more workers. Received: TF_CONFIG={(text or "")[:200]!r}'
        )
    return job == "chief" or (number == 0 and "chief" not in jobs)
