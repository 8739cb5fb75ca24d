"""What the training scripts take besides the fields of a recipe."""

import dataclasses
from pathlib import Path
from typing import Literal

from keras_twist.recipes.recipe import RecipeError

# What is done instead of a training from the start, of which two make no sense, and which options
# of such a training it takes all the same.
_TAKEN = {
    "dry_run": {"runs", "runs_dir"},
    "dump": {"runs"},  # The notebook's published command has both.
    "lr_find": {"runs_dir"},
    "resume": {"log", "export", "checkpoint_minutes"},
    "trained": {"export"},
}
MODES = tuple(_TAKEN)
# What a training from the start takes besides, and some of these do not.
_OF_RUNS = ("runs", "runs_dir", "checkpoint_minutes", "log", "export")


@dataclasses.dataclass(frozen=True)
class Options:
    """Where to read and write, and what to do.

    Raises:
        RecipeError: if options exclude each other; one line.
    """

    data_dir: Path | None = None
    """Folder or file with the data set. Without it: the caches, else it is downloaded."""

    runs_dir: Path = Path("runs")
    """Folder in which the folder of the run is made."""

    runs: int = 1
    """Trainings, each with the next seed; then a list, the mean and the standard deviation."""

    resume: Path | None = None
    """Folder of a stopped run to go on with; it brings its own recipe."""

    replay: Path | None = None
    """Folder of a run to do over from its recipe.json, in another folder; on a CPU, to the same
    weights. Takes another --seed, and --precision and --xla of another machine."""

    checkpoint_minutes: float = 5.0
    """Time between checkpoints within an epoch."""

    log: tuple[Literal["csv", "tensorboard"], ...] = ()
    """Records to keep in the run folder besides; a resumed run goes on with them."""

    export: tuple[Literal["keras", "saved_model", "tflite", "onnx"], ...] = ()
    """Files to make of the trained model, in float32, each checked against it."""

    trained: Path | None = None
    """Folder of a run to --export or --predict with, without training."""

    predict: tuple[Path, ...] = ()
    """Pictures of any size; tells the likeliest classes of each."""

    quiet: bool = False
    """Write the result and nothing else."""

    json: bool = False
    """Write the result as one JSON object."""

    gpu: int | None = None
    """The GPU to use, counted from 0; ignored without a GPU."""

    dry_run: bool = False
    """Check data, model and a few steps, tell memory and expected time, and train nothing."""

    dump: bool = False
    """Print the model and do not train."""

    lr_find: bool = False
    """Raise the learning rate from step to step, suggest one, and draw why."""

    lr_find_start: float = 1e-7
    """First learning rate of --lr_find."""

    lr_find_end: float = 10.0
    """Last learning rate of --lr_find."""

    lr_find_steps: int = 100
    """Steps of --lr_find, one batch each; 10 or more."""

    def __post_init__(self):
        if self.runs < 1:
            raise RecipeError(f"--runs must be at least 1. Received: --runs {self.runs}")
        modes = [name for name in MODES if getattr(self, name)]
        if len(modes) > 1:
            raise RecipeError(f"{_flags(modes)} exclude each other.")
        if modes:
            changed = {name for name in _OF_RUNS if getattr(self, name) != _DEFAULT[name]}
            if refused := sorted(changed - _TAKEN[modes[0]]):
                raise RecipeError(f"--{modes[0]} cannot be given together with {_flags(refused)}.")
        changed = [
            name
            for name in ("lr_find_start", "lr_find_end", "lr_find_steps")
            if getattr(self, name) != _DEFAULT[name]
        ]
        if changed and not self.lr_find:
            raise RecipeError(f"{_flags(changed)} needs --lr_find.")
        if self.replay and (self.resume or self.trained):
            raise RecipeError("--replay starts anew: give neither --resume nor --trained.")
        if self.predict and not self.trained:
            raise RecipeError("--predict needs the folder of a run: --trained RUN.")
        if self.trained and not (self.predict or self.export):
            raise RecipeError("--trained needs something to do: --predict or --export.")
        if self.dump and (self.json or self.quiet):
            raise RecipeError("--dump prints the model as text: give neither --json nor --quiet.")


_DEFAULT = {field.name: field.default for field in dataclasses.fields(Options)}


def _flags(names):
    return " and ".join(f"--{name}" for name in names)
