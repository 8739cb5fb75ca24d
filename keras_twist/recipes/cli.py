"""Command line of the training scripts: a recipe's name, then any field by its name."""

import contextlib
import dataclasses
import difflib
import io
import itertools
import logging
import re
import signal
import sys
import warnings
from pathlib import Path

import tyro

from keras_twist.data import DataError
from keras_twist.recipes.checkpoint import Interrupted
from keras_twist.recipes.fit import fit
from keras_twist.recipes.lr_find import range_test
from keras_twist.recipes.recipe import Recipe, RecipeError

# Flags of the published scripts, for the fields that hold the same thing here.
SHORT_FLAGS = {
    "--bs": "--batch_size",
    "--epoch": "--epochs",
    "--lr": "--learning_rate",
    "--mom": "--momentum",
    "--wd": "--weight_decay",
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Where to read and write."""

    data_dir: Path | None = None
    """Folder or file with the data set; without it the caches are searched, then the network."""

    runs: Path = Path("runs")
    """Folder in which the folder of the run is made."""

    resume: Path | None = None
    """Folder of a stopped run to go on with; it brings its own recipe."""

    checkpoint_minutes: float = 5.0
    """Time between checkpoints within an epoch."""

    lr_find: bool = False
    """Instead of training, raise the learning rate from step to step, suggest one, and draw why."""

    lr_find_start: float = 1e-7
    """First learning rate of --lr_find."""

    lr_find_end: float = 10.0
    """Last learning rate of --lr_find."""

    lr_find_steps: int = 100
    """Steps of --lr_find, one batch each."""


def main(recipes, about, default, arguments=None):
    """Parse, train, and report in one line; the scripts are nothing more than a call of this.

    Args:
        recipes: Dict from name to `Recipe`.
        about: Dict from name to a sentence for the help.
        default: Name of the recipe to run when none is given.
        arguments: List of arguments. Defaults to those of the process.

    Returns:
        Exit code: 0, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    warnings.showwarning = lambda message, *_: sys.stderr.write(f"warning: {message}\n")
    try:
        recipe, options = parse(recipes, about, default, arguments)
        if options.lr_find:
            return _find_learning_rate(recipe, options)
        result = fit(
            recipe,
            data_dir=options.data_dir,
            runs=options.runs,
            resume=options.resume,
            checkpoint_minutes=options.checkpoint_minutes,
            progress=sys.stdout.isatty(),
        )
    except Interrupted as stop:
        sys.stdout.write(f"stopped after {stop.step} steps; go on with --resume {stop.folder}\n")
        return 128 + stop.signum
    except KeyboardInterrupt:
        sys.stderr.write("stopped at once; the last checkpoint is what it was\n")
        return 128 + signal.SIGINT
    except (RecipeError, DataError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(
        f"{result.name}: {100 * result.accuracy:.2f} % {result.validated_on} accuracy "
        f"(top 5: {100 * result.top_k_accuracy:.2f} %) after {result.epochs} epochs, "
        f"{result.seconds:.1f} s of training without compilation and validation, "
        f"in {result.folder}\n"
    )
    return 0


def _find_learning_rate(recipe, options):
    """Run the range test and write what it suggests, as a table; the exit code."""
    curve, folder = range_test(
        recipe,
        data_dir=options.data_dir,
        runs=options.runs,
        start=options.lr_find_start,
        end=options.lr_find_end,
        steps=options.lr_find_steps,
    )
    suggestions = curve.suggestions()
    rows = [("method", "learning_rate", f"{curve.max_factor:g}x")]
    rows += [(name, f"{r:.3g}", f"{curve.max_factor * r:.3g}") for name, r in suggestions.items()]
    for name, rate, peak in rows:
        sys.stdout.write(f"{name:10}{rate:>14}{peak:>12}\n")
    sys.stdout.write(
        f"{recipe.name}: {len(curve.losses)} of {curve.steps} steps of batch {recipe.batch_size}, "
        f"curve and picture in {folder}\n"
    )
    if not suggestions:
        try:
            curve.suggest()
        except ValueError as error:  # It says why there is none.
            raise RecipeError(str(error)) from error
    return 0


def parse(recipes, about, default, arguments):
    """The recipe (None with `--resume`) and the `Options` that the arguments ask for.

    Raises:
        RecipeError: if something is unknown or cannot be read; one line.
        SystemExit: after `--help`, with code 0.
    """
    name, flags = default, arguments
    named = bool(arguments) and not arguments[0].startswith("-")
    if named:
        name, flags = arguments[0], arguments[1:]
    if name not in recipes:
        close = difflib.get_close_matches(name, recipes, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise RecipeError(f"unknown recipe {name!r}; there are {', '.join(recipes)}.{hint}")
    flags = [_long_flag(flag) for flag in flags]

    # `--flip False` for the fields, plain `--lr_find` for the options. This does not stand in the
    # class, whose comments tyro prints.
    @dataclasses.dataclass(frozen=True)
    class Command:
        recipe: tyro.conf.FlagConversionOff[tyro.conf.OmitArgPrefixes[Recipe]]
        options: tyro.conf.FlagCreatePairsOff[tyro.conf.OmitArgPrefixes[Options]]

    description = "Train a recipe: the name of one, then any field to change.\n\n" + "\n\n".join(
        f"{recipe}: {text}" for recipe, text in about.items()
    )
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message):
            command = tyro.cli(
                Command,
                prog=f"{Path(sys.argv[0]).name} [{'|'.join(recipes)}]",
                description=description,
                args=flags,
                default=Command(recipes[name], Options()),
                use_underscores=True,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise RecipeError(_one_line(message.getvalue())) from None
    if command.options.lr_find and command.options.resume is not None:
        raise RecipeError("--lr_find tests a recipe from its start: give no --resume.")
    if command.options.resume is None:
        return command.recipe, command.options
    if named or command.recipe != recipes[name]:
        raise RecipeError("--resume brings its own recipe: give no other, and change no field.")
    return None, command.options


def _long_flag(flag):
    short, equals, value = flag.partition("=")
    return SHORT_FLAGS.get(short, short) + equals + value


def _one_line(box):
    """The message inside the box that tyro draws, and the flag that it suggests."""
    lines = [re.sub(r"[\u2500-\u257f]", " ", line).strip() for line in box.splitlines()]
    paragraph = itertools.takewhile(bool, lines[1:])
    text = re.sub(r"^Error parsing recipe: ", "", " ".join(paragraph))
    hint = re.search(r"Perhaps you meant:\s+(--\w+)", " ".join(lines))
    return text + (f". Did you mean {hint[1]}?" if hint else "")
