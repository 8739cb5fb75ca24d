"""Command line of the training scripts: a recipe's name, then any field by its name."""

import contextlib
import dataclasses
import difflib
import io
import itertools
import logging
import re
import signal
import statistics
import sys
import warnings
from pathlib import Path

import tyro

from keras_twist.data import DataError
from keras_twist.recipes import published_flags, runtime
from keras_twist.recipes.checkpoint import Interrupted
from keras_twist.recipes.fit import fit, prepare
from keras_twist.recipes.lr_find import range_test
from keras_twist.recipes.published_flags import translate
from keras_twist.recipes.recipe import RecipeError


@dataclasses.dataclass(frozen=True)
class Options:
    """Where to read and write."""

    data_dir: Path | None = None
    """Folder or file with the data set; without it the caches are searched, then the network."""

    runs_dir: Path = Path("runs")
    """Folder in which the folder of the run is made."""

    runs: int = 1
    """Trainings, one after the other, with one seed more each; then list, mean and deviation."""

    resume: Path | None = None
    """Folder of a stopped run to go on with; it brings its own recipe."""

    checkpoint_minutes: float = 5.0
    """Time between checkpoints within an epoch."""

    gpu: int | None = None
    """Number of the GPU to use, of several; without a GPU it means nothing."""

    dump: bool = False
    """Print the model and do not train."""

    lr_find: bool = False
    """Instead of training, raise the learning rate from step to step, suggest one, and draw why."""

    lr_find_start: float = 1e-7
    """First learning rate of --lr_find."""

    lr_find_end: float = 10.0
    """Last learning rate of --lr_find."""

    lr_find_steps: int = 100
    """Steps of --lr_find, one batch each."""


def main(recipes, about, default, arguments=None, flags=published_flags.COMMON):
    """Parse, train, and report in one line; the scripts are nothing more than a call of this.

    Args:
        recipes: Dict from name to `Recipe`.
        about: Dict from name to a sentence for the help.
        default: Name of the recipe to run when none is given.
        arguments: List of arguments. Defaults to those of the process.
        flags: The published scripts' flags that are understood besides. Defaults to
            `published_flags.COMMON`.

    Returns:
        Exit code: 0, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    warnings.showwarning = lambda message, *_: sys.stderr.write(f"warning: {message}\n")
    try:
        recipe, options = parse(recipes, about, default, arguments, flags)
        if options.gpu is not None:
            runtime.use_gpu(options.gpu)
        if options.dump:
            _print_model(recipe, options)
            return 0
        if options.lr_find:
            return _find_learning_rate(recipe, options)
        results = []
        for number in range(options.runs):
            one = recipe and dataclasses.replace(recipe, seed=recipe.seed + number)
            result = fit(
                one,
                data_dir=options.data_dir,
                runs=options.runs_dir,
                resume=options.resume,
                checkpoint_minutes=options.checkpoint_minutes,
                progress=sys.stdout.isatty(),
            )
            _report(result)
            results.append(result.accuracy)
        if options.runs > 1:
            _report_all(results)
    except Interrupted as stop:
        sys.stdout.write(f"stopped after {stop.step} steps; go on with --resume {stop.folder}\n")
        return 128 + stop.signum
    except KeyboardInterrupt:
        sys.stderr.write("stopped at once; the last checkpoint is what it was\n")
        return 128 + signal.SIGINT
    except (RecipeError, DataError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _report(result):
    """Write what a run reached, in one line."""
    sys.stdout.write(
        f"{result.name}: {100 * result.accuracy:.2f} % {result.validated_on} accuracy "
        f"(top 5: {100 * result.top_k_accuracy:.2f} %) after {result.epochs} epochs, "
        f"{result.seconds:.1f} s of training without compilation and validation, "
        f"in {result.folder}\n"
    )
    sys.stdout.flush()


def _report_all(accuracies):
    """Write the accuracies of several runs, their mean and their sample standard deviation."""
    listed = ", ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)
    mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
    sys.stdout.write(
        f"[{listed}] %, mean {100 * mean:.2f} %, standard deviation {100 * deviation:.2f}\n"
    )


def _print_model(recipe, options):
    """Write the layers of a recipe's network, with shapes and parameters."""
    _, _, model, _ = prepare(recipe, options.data_dir)
    model.summary(print_fn=lambda text: sys.stdout.write(text + "\n"), line_length=100)


def _find_learning_rate(recipe, options):
    """Run the range test and write what it suggests, as a table; the exit code."""
    curve, folder = range_test(
        recipe,
        data_dir=options.data_dir,
        runs=options.runs_dir,
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


def parse(recipes, about, default, arguments, flags=published_flags.COMMON):
    """The recipe (None with `--resume`) and the `Options` that the arguments ask for.

    Raises:
        RecipeError: if something is unknown or cannot be read; one line.
        SystemExit: after `--help`, with code 0.
    """
    name, rest = default, arguments
    named = bool(arguments) and not arguments[0].startswith("-")
    if named:
        name, rest = arguments[0], arguments[1:]
    if name not in recipes:
        close = difflib.get_close_matches(name, recipes, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise RecipeError(f"unknown recipe {name!r}; there are {', '.join(recipes)}.{hint}")
    rest = translate(rest, flags)

    # `--flip False` for the fields, plain `--lr_find` for the options. This does not stand in the
    # class, whose comments tyro prints.
    @dataclasses.dataclass(frozen=True)
    class Command:
        recipe: tyro.conf.FlagConversionOff[tyro.conf.OmitArgPrefixes[type(recipes[name])]]
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
                args=rest,
                default=Command(recipes[name], Options()),
                use_underscores=True,
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise RecipeError(_one_line(message.getvalue())) from None
    if command.options.resume is not None:
        if command.options.lr_find:
            raise RecipeError("--lr_find tests a recipe from its start: give no --resume.")
        if command.options.runs > 1 or command.options.dump:
            raise RecipeError("--resume goes on with one run: give neither --runs nor --dump.")
    if command.options.runs < 1:
        raise RecipeError(f"--runs must be at least 1. Received: --runs {command.options.runs}")
    if command.options.resume is None:
        return command.recipe, command.options
    if named or command.recipe != recipes[name]:
        raise RecipeError("--resume brings its own recipe: give no other, and change no field.")
    return None, command.options


def _one_line(box):
    """The message inside the box that tyro draws, and the flag that it suggests."""
    lines = [re.sub(r"[\u2500-\u257f]", " ", line).strip() for line in box.splitlines()]
    paragraph = itertools.takewhile(bool, lines[1:])
    text = re.sub(r"^Error parsing recipe: ", "", " ".join(paragraph))
    hint = re.search(r"Perhaps you meant:\s+(--\w+)", " ".join(lines))
    return text + (f". Did you mean {hint[1]}?" if hint else "")
