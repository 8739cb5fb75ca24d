"""Command-line flags of the published training scripts, in terms of this package's."""

import itertools

from keras_twist.recipes.recipe import RecipeError

_YES_NO = {"0": "False", "1": "True"}

# For any recipe.
COMMON = {
    "--bs": ("--batch_size", None),
    "--epoch": ("--epochs", None),
    "--lr": ("--learning_rate", None),
    "--mom": ("--momentum", None),
    "--wd": ("--weight_decay", None),
}

# For ImageWoof: each flag, what it is here, and what its values are here where they differ.
WOOF = COMMON | {
    "--act_fn": ("--activation", {"Mish": "mish", "ReLU": "relu", "Swish": "swish"}),
    "--ann_start": ("--anneal_start", None),
    "--arch": ("--model", None),
    "--eps": ("--epsilon", None),
    # Half precision where it is fast: on some machines it is not.
    "--fp16": ("--precision", {"0": "float32", "1": "auto"}),
    "--opt": ("--optimizer", None),
    "--pool": ("--pool", {"AvgPool": "avg", "MaxPool": "max", "MaxBlurPool": "max_blur"}),
    "--run": ("--runs", None),
    "--sa": ("--self_attention", _YES_NO),
    "--sched_type": ("--schedule", {"flat_and_anneal": "flat_cosine"}),
    "--sh": ("--erasing_area", None),
    "--size": ("--image_size", None),
    "--sqrmom": ("--beta_2", None),
    "--sym": ("--symmetric", _YES_NO),
    "--twist": ("--conv", {"0": "conv", "1": "twist"}),
    "--woof": ("--dataset", {"0": "imagenette", "1": "imagewoof"}),
    # Without a value here: there or not there.
    "--dump": ("--dump", {"0": None, "1": ""}),
}
# What a value means besides: the ends of the curve, which fastai's `fit_one_cycle` has by itself;
# and the name that this schedule had when ResNet with a Twist was published, with average pools.
_BESIDES = {
    ("--sched_type", "one_cycle"): ["--start_factor", "0.04", "--end_factor", "4e-6"],
    ("--sched_type", "flat_and_anneal"): ["--pool", "avg"],
}
# What means nothing here: notes to oneself, and a variant of RAdam that was off by default.
_IGNORED = {"--meta": None, "--beta": ("0", "0.", "0.0")}


def recipe_meant(arguments, flags, default):
    """Name of the recipe that arguments without one begin from.

    *ResNet with a Twist* twists any of its own networks unless told otherwise. The notebook has
    fastai's, whose names begin with an x, as they are, and its own learning rate.

    Args:
        arguments: List of strings.
        flags: `COMMON` or `WOOF`.
        default: Name for all others.

    Example:
        >>> recipe_meant(["--arch", "xresnet50", "--sa=1"], WOOF, "mxresnet50_twist")
        'xse_resnext18'
    """
    words = [word for argument in arguments for word in argument.split("=", 1)]
    arch = next((value for flag, value in itertools.pairwise(words) if flag == "--arch"), "")
    return "xse_resnext18" if flags is WOOF and arch.startswith("x") else default


def translate(arguments, flags):
    """Arguments with the published flags and values replaced by those of this package.

    Args:
        arguments: List of strings; `--flag value` and `--flag=value` alike.
        flags: `COMMON` or `WOOF`.

    Returns:
        List of strings.

    Raises:
        RecipeError: if a published flag has a value that nothing here corresponds to.

    Example:
        >>> translate(["--arch", "xresnet50", "--sa=1"], WOOF)
        ['--model', 'xresnet50', '--self_attention', 'True']
    """
    translated, words = [], list(arguments)
    while words:
        word = words.pop(0)
        flag, equals, value = word.partition("=")
        ignorable = flags is WOOF and flag in _IGNORED
        if flag not in flags and not ignorable:
            translated.append(word)
            continue
        if not equals:
            value = "" if not words or words[0].startswith("--") else words.pop(0)
        if ignorable:
            if _IGNORED[flag] and value not in _IGNORED[flag]:
                raise RecipeError(f"{flag} can only be 0 here. Received: {flag} {value}")
            continue
        name, values = flags[flag]
        translated = _BESIDES.get((flag, value), []) + translated  # In front: what is given counts.
        value = (values or {}).get(value, value)
        if value is not None:
            translated += [name, value] if value else [name]
    return translated
