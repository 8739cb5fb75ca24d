"""What a training run reached."""

import dataclasses
from pathlib import Path

import keras


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
        model: The trained `keras.Model`; None in a worker of a cluster that is not its chief.
        flip_averaged_accuracy: Likewise, of logits averaged over each image and its mirror image;
            None unless the recipe asks for it.

    Example:
        >>> result = Result(
        ...     "quick", 0.87, 0.99, 1.13, "test", 4, 478.2, 415.4, Path("runs/quick-1"), model=None
        ... )
        >>> f"{result.accuracy:.0%} on the {result.validated_on} images"
        '87% on the test images'
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
    flip_averaged_accuracy: float | None = None

    def to_dict(self):
        """Everything but the model, as values of JSON."""
        values = {name: value for name, value in vars(self).items() if name != "model"}
        return values | {"folder": str(self.folder)}
