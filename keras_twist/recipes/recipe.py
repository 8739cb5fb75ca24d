"""An experiment as data: every setting of a training run in one frozen dataclass.

Longer than other files by a little, because half of it documents the fields.
"""

import dataclasses
import math
from typing import ClassVar, Literal

import numpy as np

from keras_twist.recipes import field_types

Schedule = Literal["linear", "one_cycle", "cyclic", "flat_cosine"]
Precision = Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
XLA = Literal["auto", "on", "off"]
Feed = Literal["tf.data", "resident"]
Strategy = Literal["none", "mirrored", "multi_worker"]


class RecipeError(ValueError):
    """A recipe or a run folder cannot be used; the message says which field and why.

    A `ValueError`, as `DataError` is: one `except` turns every bad input into a line.

    Example:
        >>> keras_twist.recipes.CIFARRecipe(name="mine", epochs=0)
        Traceback (most recent call last):
            ...
        keras_twist.recipes.recipe.RecipeError: Field `epochs` must be at least 1.
        Received: epochs=0
    """


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings that every training run has; each task adds its own.

    Those are `CIFARRecipe` and `WoofRecipe`. Fields that are None take the model's own default.

    Raises:
        RecipeError: (a ValueError) if a field is out of its range.

    Example:
        >>> recipe = keras_twist.recipes.CIFARRecipe(name="mine", epochs=3)
        >>> dataclasses.replace(recipe, seed=1).seed
        1
    """

    task: ClassVar[str]
    ranges: ClassVar[dict] = {
        "epochs": (1, math.inf),
        "batch_size": (1, math.inf),
        "learning_rate": (0, math.inf),
        "start_factor": (0, 1),
        "end_factor": (0, 1),
        "cycles": (1, math.inf),
        "momentum": (0, 1),
        "low_momentum": (0, 1),
        "kernel_rate": (1e-6, math.inf),
        "kernel_momentum": (0, 0.9999),
        "weight_decay": (0, math.inf),
        "label_smoothing": (0, 0.99),
        "mixup": (0, math.inf),
        "holdout": (0, math.inf),
        "seed": (0, 2**31 - 1),
        "replicas": (2, 4096),
    }
    # Fields that only some values of another one make use of.
    needs: ClassVar[dict] = {
        "pct_start": ("schedule", ("linear", "one_cycle")),
        "start_factor": ("schedule", ("linear", "one_cycle", "cyclic")),
        "end_factor": ("schedule", ("linear", "one_cycle", "flat_cosine")),
        "cycles": ("schedule", ("cyclic",)),
        "anneal_start": ("schedule", ("flat_cosine",)),
        "low_momentum": ("schedule", ("one_cycle",)),
        "kernel_rate": ("optimizer", ("muon",)),
        "kernel_momentum": ("optimizer", ("muon",)),
        "replicas": ("strategy", ("mirrored", "multi_worker")),
    }

    name: str
    """Names the run folder."""

    activation: str | None = None
    """Any Keras activation: relu, gelu, mish, celu, ..."""

    epochs: int = 24
    """Passes over the training set; the schedule stretches with it."""

    batch_size: int = 512
    """Images per step."""

    schedule: Schedule = "linear"
    """linear: straight up, straight down. one_cycle: torch's OneCycleLR with straight lines.
    cyclic: several triangles. flat_cosine: constant, then half a cosine down."""

    learning_rate: float = 0.4
    """Highest learning rate of the schedule, for the mean loss of a batch."""

    pct_start: float = 5 / 24
    """Share of the training that leads up to the highest rate, above 0 and below 1 (linear,
    one_cycle)."""

    start_factor: float = 0.0
    """Learning rate at the start, as a share of the highest (linear, one_cycle, cyclic). one_cycle
    needs one above 0, such as --start_factor 0.04 --end_factor 4e-6."""

    end_factor: float = 0.0
    """Learning rate at the end, as a share of the highest (linear, one_cycle, flat_cosine)."""

    cycles: int = 2
    """Triangles in the training (cyclic)."""

    anneal_start: float = 0.72
    """Share of the training before the descent, below 1 (flat_cosine)."""

    momentum: float = 0.9
    """Momentum of SGD, or beta_1 of an optimizer of Adam's kind."""

    low_momentum: float | None = None
    """If set, momentum falls to this while the learning rate rises, and comes back (one_cycle)."""

    kernel_rate: float | None = None
    """Learning rate of convolution kernels, divided by that of all other weights (muon; 0.145
    unless given)."""

    kernel_momentum: float | None = None
    """Momentum of convolution kernels (muon)."""

    weight_decay: float = 5e-4
    """Weight decay wd. In train_cifar and with muon, wd * w is added to the gradient (coupled, as
    in PyTorch's SGD); otherwise learning_rate * wd * w is taken off the weight (decoupled)."""

    label_smoothing: float = 0.0
    """Share of each label that is spread over all classes."""

    flip: bool = True
    """Mirror half of the images."""

    flip_averaged: bool = False
    """Report, besides, the accuracy at the end with horizontal-flip test-time augmentation: the
    logits of an image and of its mirror image averaged."""

    mixup: float = 0.0
    """Alpha of mixup; 0 for none. With it there is no accuracy on the training batches: a blended
    image has two right answers."""

    holdout: int = 0
    """Training images kept back to choose settings by. 0 reports on the test set."""

    precision: Precision = "auto"
    """Arithmetic; auto takes the fastest one that the device has in hardware."""

    xla: XLA = "auto"
    """Compile the step with XLA; auto does on a GPU and does not on a CPU, where it is slower. JAX
    always does."""

    feed: Feed = "tf.data"
    """Where batches are made, the same ones: tf.data, on the host; resident, inside the step, from
    images kept on the device. JAX always keeps them there."""

    seed: int = 0
    """Decides initial weights, order and augmentation."""

    deterministic: bool = False
    """The same weights to the last bit on repeat on a GPU as well, by operations that may be slower
    and without XLA. On a CPU that is so without it as well. JAX on a GPU needs the environment
    variable XLA_FLAGS=--xla_gpu_deterministic_ops=true."""

    strategy: Strategy = "none"
    """Devices that share each batch. none: one. mirrored: all GPUs of this machine. multi_worker:
    those of the cluster in the environment variable TF_CONFIG, on each machine of which the same
    command runs. Batch normalisation takes the statistics of each share."""

    replicas: int | None = None
    """Number of devices that share a batch; all there are unless given. With --strategy mirrored on
    a machine without a GPU, the CPU is divided into so many."""

    def __post_init__(self):
        wrong = field_types.of_wrong_type(self)
        if wrong:
            field, kind = wrong
            raise RecipeError(
                f"Field `{field}` must be {kind}. "
                f"Received: {field}={repr(getattr(self, field))[:60]}"
            )
        for field, value in vars(self).items():
            if isinstance(value, np.generic):  # A file of the recipe has none of NumPy's numbers.
                object.__setattr__(self, field, value.item())
        unusable = set(self.name) & set("/\\\0") or not self.name.isprintable()
        if not self.name or unusable or self.name.startswith("."):
            raise RecipeError(
                f"Field `name` must be usable as a folder's name. Received: name={self.name[:60]!r}"
            )
        for field, choices in field_types.choices(type(self)).items():
            if getattr(self, field) not in choices:
                raise RecipeError(
                    f"Field `{field}` must be one of {', '.join(choices)}. "
                    f"Received: {field}={repr(getattr(self, field))[:60]}"
                )
        for field, (low, high) in self.ranges.items():
            value = getattr(self, field)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                upper = "" if math.isinf(high) else f" and at most {high:g}"
                raise RecipeError(
                    f"Field `{field}` must be at least {low:g}{upper}. Received: {field}={value}"
                )
        if not 0 < self.pct_start < 1:
            raise RecipeError(
                f"Field `pct_start` must lie in (0, 1). Received: pct_start={self.pct_start}"
            )
        if not 0 <= self.anneal_start < 1:
            raise RecipeError(
                f"Field `anneal_start` must lie in [0, 1). Received: "
                f"anneal_start={self.anneal_start}"
            )
        # The others have a value in any case, and a recipe keeps it when its schedule is changed.
        optional = [field.name for field in dataclasses.fields(self) if field.default is None]
        self.check_used(name for name in optional if getattr(self, name) is not None)
        self._check_strategy()
        if self.deterministic and self.xla == "on":
            raise RecipeError("Field `deterministic` rules out XLA. Received: xla='on'")
        if self.schedule in ("one_cycle", "flat_cosine") and not self.learning_rate > 0:
            raise RecipeError(
                f"Field `learning_rate` must be positive with schedule={self.schedule!r}. "
                f"Received: learning_rate={self.learning_rate}"
            )
        if self.low_momentum is not None and self.low_momentum > self.momentum:
            raise RecipeError(
                "Field `low_momentum` must not be above `momentum`. Received: "
                f"low_momentum={self.low_momentum}, momentum={self.momentum}"
            )
        if self.schedule == "one_cycle" and not 0 < self.end_factor <= self.start_factor:
            raise RecipeError(
                "Fields `start_factor` and `end_factor` must be positive with schedule="
                "'one_cycle', the end not above the start. Received: "
                f"start_factor={self.start_factor}, end_factor={self.end_factor}"
            )

    def check_used(self, fields):
        """Raise for the first of some fields that means nothing beside the others.

        Args:
            fields: Names.

        Raises:
            RecipeError: It names the field, and what it needs.
        """
        for field in fields:
            other, values = self.needs.get(field, (None, ()))
            if other and getattr(self, other) not in values:
                raise RecipeError(
                    f"Field `{field}` needs {other}={' or '.join(map(repr, values))}. Received: "
                    f"{field}={getattr(self, field)!r}, {other}={getattr(self, other)!r}"
                )

    def _check_strategy(self):
        """Raise unless all that the recipe asks for can be done on several devices."""
        if self.strategy == "none":
            return
        refused = {
            # XLA cannot compile a step that works on the variables of several devices.
            "xla": ("on", "XLA compiles for one device; take 'off'"),
            "feed": ("resident", "a step makes the whole batch; take 'tf.data'"),
            # Keras asks the first copy alone whether a gradient overflowed.
            "precision": ("mixed_float16", "its loss scale is kept for one device"),
        }
        for field, (value, reason) in refused.items():
            if getattr(self, field) == value:
                raise RecipeError(
                    f"Field `{field}` must not be {value!r} with strategy={self.strategy!r}: "
                    f"{reason}. Received: {field}={value!r}"
                )
