"""What weight decay spares, kept with an optimizer that is saved; Keras forgets it."""

import re
import warnings

# Key of a config for what `exclude_from_weight_decay` was given.
UNDECAYED = "excluded_from_weight_decay"


def undecayed(optimizer, kept):
    """The part of a config that tells what weight decay spares; empty if that is nothing.

    Args:
        optimizer: Any optimizer.
        kept: Place, path and shape of each variable that it is to spare when it is built.
    """
    # Not public in Keras. Should they be renamed, a loaded optimizer spares nothing, as there.
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    listed = getattr(optimizer, "_exclude_from_weight_decay", ())
    if optimizer.built:
        variables = enumerate(optimizer._trainable_variables)
        kept = [
            (at, one.path, list(one.shape))
            for at, one in variables
            if optimizer._var_key(one) in listed
        ]
    elif listed:
        warnings.warn(
            "What `exclude_from_weight_decay(var_list=...)` spares is saved from the first step of "
            "training on, or from `optimizer.build(model.trainable_variables)` on: a loaded "
            "optimizer will decay it.",
            stacklevel=3,
        )
    if not (pattern or kept):
        return {}
    names = [pattern.pattern] if pattern else None
    return {UNDECAYED: {"names": names, "variables": [list(one) for one in kept]}}


def spare(optimizer, kept, variables):
    """Have an optimizer that is not built yet spare variables, found by `(place, path, shape)`.

    By the path, before which the model's name may be there or not. Otherwise by the place, if the
    path there is the same but for numbers, which Keras counts up in a process.
    """
    listed = getattr(optimizer, "_exclude_from_weight_decay", None)
    if listed is None:
        return
    for at, path, shape in kept:
        there = [one for one in variables if _ends_alike(one.path, path)]
        there += [one for one in variables[at : at + 1] if _uncounted(one.path) == _uncounted(path)]
        there = [one for one in there if list(one.shape) == list(shape)]
        if there:
            # The most of the path; of several, the first.
            found = max(there, key=lambda one: min(len(one.path), len(path)))
            listed.add(optimizer._var_key(found))
        else:
            warnings.warn(
                f"The saved optimizer spared the variable {path}, of shape {tuple(shape)}, from "
                "weight decay, and it is not among those to be trained. If it was frozen since, "
                "nothing is lost. If it has another name, call `exclude_from_weight_decay` for it.",
                stacklevel=3,
            )


def _ends_alike(one, other):
    return f"/{one}".endswith(f"/{other}") or f"/{other}".endswith(f"/{one}")


def _uncounted(path):
    return re.sub(r"_[0-9]+(?=/|$)", "", path)
