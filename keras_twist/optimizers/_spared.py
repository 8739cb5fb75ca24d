"""What weight decay spares, kept with an optimizer that is saved; Keras forgets it."""

import warnings

# Key of a config for what `exclude_from_weight_decay` was given.
UNDECAYED = "excluded_from_weight_decay"


def undecayed(optimizer, kept):
    """The part of a config that tells what weight decay spares; empty if that is nothing.

    Args:
        optimizer: Any optimizer.
        kept: Place and shape of each variable that it is to spare when it is built.
    """
    # Not public in Keras. Should they be renamed, a loaded optimizer spares nothing, as there.
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    listed = getattr(optimizer, "_exclude_from_weight_decay", ())
    if optimizer.built:
        variables = enumerate(optimizer._trainable_variables)
        kept = [(at, list(one.shape)) for at, one in variables if optimizer._var_key(one) in listed]
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
    """Have an optimizer that is not built yet spare the variables of these places and shapes.

    Raises:
        ValueError: if one of them is not among the variables.
    """
    listed = getattr(optimizer, "_exclude_from_weight_decay", None)
    if listed is None:
        return
    for at, shape in kept:
        if at >= len(variables) or list(variables[at].shape) != list(shape):
            raise ValueError(
                f"The saved optimizer spared trainable variable {at}, of shape {tuple(shape)}, "
                "from weight decay: this is another model. Call `exclude_from_weight_decay` for "
                f"it. Received: shapes {[tuple(one.shape) for one in variables[:20]]}"
            )
        listed.add(optimizer._var_key(variables[at]))
