"""The training scripts' arguments: a recipe's name, then any field by its name; their help.

Longer than other files by a little, since flags and help are made of the same fields.
"""

import ast
import contextlib
import dataclasses
import difflib
import inspect
import io
import itertools
import math
import re
import shutil
import sys
import textwrap
import warnings
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import keras
import tyro

from keras_twist.recipes import backends
from keras_twist.recipes.options import Options
from keras_twist.recipes.published_flags import COMMON, recipe_meant, translate
from keras_twist.recipes.recipe import RecipeError
from keras_twist.recipes.run_folder import read_recipe

# The boxes of the help. Each field of the recipes and of `Options` is in one.
GROUPS = {
    "training": "name dataset image_size epochs batch_size seed runs",
    "model": "model width activation dropout pool_first whitening identity "
    "batch_norm_scale bias_rate logit_scale conv self_attention symmetric pool stem_strides",
    "optimisation and schedule": "optimizer learning_rate schedule pct_start anneal_start cycles "
    "start_factor end_factor momentum low_momentum nesterov kernel_rate kernel_momentum "
    "beta_2 epsilon weight_decay lookahead label_smoothing",
    "augmentation": "flip alternating_flip padding min_scale cutout erasing erasing_area mixup",
    "evaluation": "holdout valid_scale flip_averaged trained predict export",
    "instead of training": "dry_run dump lr_find lr_find_start lr_find_end lr_find_steps",
    "files and runs": "data_dir on_error runs_dir resume replay checkpoint_minutes log quiet json",
    "machine": "precision xla feed deterministic gpu strategy replicas",
}
# More choices than this are listed in the text on a flag, and one that is not among them is told
# the closest instead of all.
_FEW = 8
_MAX_COLUMNS = 100
_REPLAYED_OTHERWISE = {"seed", "precision", "xla"}


def parse(recipes, about, default, arguments, flags=COMMON, examples=""):
    """The recipe (None with `--resume` and `--trained`) and the `Options` that are asked for.

    Args:
        recipes: Dict from name to `Recipe`.
        about: Dict from name to a sentence for the help.
        default: Name of the recipe to run when none is given.
        arguments: List of arguments.
        flags: The published scripts' flags that are understood besides. Defaults to `COMMON`.
        examples: Text whose lines that begin with "python" end the help. Defaults to `""`.

    Returns:
        A `Recipe` or None, and `Options`.

    Raises:
        RecipeError: if something is unknown or cannot be read; one line.
        SystemExit: after `--help`, with code 0.
    """
    name, rest = recipe_meant(arguments, flags, default), arguments
    named = bool(arguments) and not arguments[0].startswith("-")
    if named:
        name, rest = arguments[0], arguments[1:]
    if name not in recipes:
        close = difflib.get_close_matches(name, recipes, 1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise RecipeError(f"unknown recipe {name!r}; there are {', '.join(recipes)}.{hint}")
    recipe = recipes[name]
    translated = translate(rest, flags)
    values = _read(recipe, about, translated, flags, examples)
    options = Options(
        **{field.name: values.pop(field.name) for field in dataclasses.fields(Options)}
    )
    _check_names(recipe, values)
    changed = dataclasses.replace(recipe, **values)
    flags = [f"--{name}" for name in ("resume", "trained", "replay") if getattr(options, name)]
    # Also one that is what the default recipe has, which is not what is gone on with.
    given = _fields_in(translated, recipe)
    # A replay may be on another machine, whose arithmetic is not that of the first.
    other = _REPLAYED_OTHERWISE & given if options.replay is not None else set()
    if flags and (named or given - other):
        but = " but seed, precision and xla" * (options.replay is not None)
        raise RecipeError(
            f"{flags[0]} brings its own recipe: give no other, and change no field{but}."
        )
    if options.replay is not None:
        changed = read_recipe(options.replay)
        if type(changed) is not type(recipe):
            raise RecipeError(f"{options.replay} is a run of the other script.")
        begun, backend = backends.begun_with(options.replay), keras.backend.backend()
        if begun not in (None, backend):
            warnings.warn(
                f"{options.replay} was trained with KERAS_BACKEND={begun}; {backend} draws other "
                "numbers, and ends with other weights.",
                stacklevel=2,
            )
        return dataclasses.replace(changed, **{name: values[name] for name in other}), options
    if flags:
        return None, options
    # By its own name: the published lines have flags that mean nothing to their own schedules.
    changed.check_used(sorted(_fields_in(rest, recipe)))
    return changed, options


def _fields_in(arguments, recipe):
    """Names of a recipe's fields that arguments set."""
    words = (word[2:].partition("=")[0] for word in arguments if word.startswith("--"))
    return {word.replace("-", "_") for word in words} & vars(recipe).keys()


def _read(recipe, about, arguments, flags, examples):
    """Dict with the values of all fields; or the help."""
    command = _command(recipe)
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message):
            found = tyro.cli(
                type(command),
                prog=f"{Path(sys.argv[0]).name} [RECIPE]",
                description="Train a recipe: the name of one, then any field to change.",
                args=arguments,
                default=command,
                use_underscores=True,
            )
    except SystemExit as stop:
        if not stop.code:
            sys.stdout.write(_epilogue(recipe, about, flags, examples))
            raise
        raise RecipeError(_told(_one_line(message.getvalue()), recipe, about)) from None
    values = {name: value for group in vars(found).values() for name, value in vars(group).items()}
    if empty := [
        name for name, value in values.items() if value == () and f"--{name}" in arguments
    ]:
        raise RecipeError(f"--{empty[0]} needs a value.")
    return values


def _epilogue(recipe, about, flags, examples):
    """What defaults are shown, the recipes, the short flags and the examples.

    Not in tyro's description, whose lines it does not break.
    """
    columns = min(shutil.get_terminal_size().columns, _MAX_COLUMNS)
    defaults = (
        f"Defaults are those of {recipe.name}; RECIPE --help shows another's. Where none is shown, "
        "the network or the optimizer has its own."
    )
    texts = [
        textwrap.fill(f"{name}: {text}", columns, subsequent_indent="  ")
        for name, text in about.items()
    ]
    pairs = [f"{short} for {name}" for short, (name, _) in flags.items() if short != name]
    short = textwrap.wrap(", ".join(sorted(pairs)), columns, break_on_hyphens=False)
    lines = [line for line in examples.splitlines() if line.startswith("python")]
    parts = [textwrap.fill(defaults, columns), "\nrecipes:", *texts]
    parts += ["\nflags of the published scripts:", *short]
    return "\n".join([*parts, "\nexamples:", *lines, ""])


def _told(text, recipe, about):
    """What tyro says, or what to do about it where that does not tell."""
    unknown = re.match(r"Unrecognized options: (\S+)", text)
    if unknown and unknown[1] in about:
        return f"the recipe comes first, and is one: {unknown[1]}, then the fields to change."
    missing = re.match(r"Missing value for argument '\W*--(\w+)'", text)
    if missing and get_type_hints(type(recipe)).get(missing[1]) is bool:
        return f"--{missing[1]} needs True or False."
    return text


def _command(recipe):
    """The fields of a recipe and of `Options`, in one dataclass per group, for tyro."""
    defaults = vars(recipe) | vars(Options())
    hints = {kind: get_type_hints(kind) for kind in (type(recipe), Options)}
    texts = {kind: field_texts(kind) for kind in hints}
    groups = {}
    for title, names in GROUPS.items():
        members = []
        for name in filter(defaults.__contains__, names.split()):
            kind = type(recipe) if name in hints[type(recipe)] else Options
            text = texts[kind][name] + _limits(*getattr(kind, "ranges", {}).get(name, ()))
            hint = _flag(hints[kind][name], kind, text)
            members.append((name, hint, defaults[name]))
        group = dataclasses.make_dataclass("Group", members)
        groups[title] = (
            Annotated[tyro.conf.OmitArgPrefixes[group], tyro.conf.arg(name=title)],
            group(),
        )
    members = [(f"group_{n}", hint) for n, (hint, _) in enumerate(groups.values())]
    # Each has a default in the instance that tyro is given.
    return dataclasses.make_dataclass("Command", members)(*(value for _, value in groups.values()))


def _flag(hint, kind, text):
    """The type of a field, with what tyro shall show of it."""
    kinds = [one for one in get_args(hint) if one not in (type(None), Ellipsis)]
    choices = [choice for choice in kinds if isinstance(choice, str)]
    shown = {"help": text, "help_behavior_hint": _default}
    if len(choices) > _FEW:
        hint, shown["metavar"] = str, "NAME"
        shown["help"] = f"{text} One of {', '.join(choices)}."
    elif get_origin(hint) is tuple:
        shown["metavar"] = f"{'|'.join(get_args(kinds[0])) or 'FILE'} ..."
    elif type(None) in get_args(hint):
        shown["metavar"] = "{True,False}" if kinds == [bool] else kinds[0].__name__.upper()
    elif hint is bool and kind is Options:  # plain `--lr_find`
        hint, shown["help_behavior_hint"] = tyro.conf.FlagCreatePairsOff[hint], ""
    elif hint is bool:  # `--flip False`
        hint = tyro.conf.FlagConversionOff[hint]
    return Annotated[hint, tyro.conf.arg(**shown)]


def _limits(low=-math.inf, high=math.inf):
    """What the text on a flag says of its range; nothing where any number is taken."""
    if math.isinf(low):
        return ""
    if math.isfinite(high):
        return f" {low:.10g} to {high:.10g}."
    return f" {low:g} or more."


def _default(value):
    if value in ("", "None"):
        return ""
    return f"(default: {re.sub(r'[0-9]+[.][0-9]{5,}', lambda n: f'{float(n[0]):.4g}', value)})"


def field_texts(kind):
    """Dict from each field of a dataclass to the string that stands below it."""
    texts = {}
    for base in reversed(kind.__mro__[:-1]):
        (definition,) = ast.parse(inspect.getsource(base)).body
        for field, text in itertools.pairwise(definition.body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                texts[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return texts


def _check_names(recipe, values):
    """Raise, with the closest ones, for a name that is not among many."""
    for name, hint in get_type_hints(type(recipe)).items():
        choices = get_args(hint)
        if len(choices) > _FEW and values[name] not in choices:
            close = difflib.get_close_matches(values[name], choices, 3)
            hint = f" The closest are {', '.join(close)}." if close else ""
            raise RecipeError(
                f"invalid choice {values[name]!r} for argument --{name}.{hint} "
                f"--help lists all {len(choices)}."
            )


def _one_line(box):
    """The message inside the box that tyro draws, and the flag that it suggests."""
    # Without its sides, and underlined, where the standard output has no such characters.
    lines = [re.sub(r"[\u2500-\u257f]|-{5,}", " ", line).strip() for line in box.splitlines()]
    body = itertools.dropwhile(lambda line: not line, lines[1:])
    text = " ".join(itertools.takewhile(bool, body)).removeprefix("Error parsing ")
    hint = re.search(r"Perhaps you meant:\s+(--\w+)", " ".join(lines))
    return text + (f". Did you mean {hint[1]}?" if hint else "")
