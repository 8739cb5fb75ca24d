"""Other layers in place of a model's convolutions, with everything else kept.

Longer than other files by a little, because a third of it documents the arguments.
"""

import keras
import numpy as np
from keras import ops

from keras_twist.layers.fast_conv2d import FastConv2D
from keras_twist.layers.twist_layer import TwistLayer
from keras_twist.models.surgery_report import report_on

__all__ = ["replace_convs", "wide_3x3"]

# What a convolution hands on to the layer in its place, besides its dtype policy.
ARGUMENTS = (
    "filters strides groups use_bias activation kernel_initializer bias_initializer "
    "kernel_regularizer bias_regularizer activity_regularizer kernel_constraint bias_constraint "
    "name trainable"
).split()


def wide_3x3(conv):
    """Returns whether a convolution is a plain 3x3 one with more than 32 filters.

    The condition of the published networks with a twist. 1x1 convolutions stay, since a twist
    differentiates the image; so do dilated ones and those of classes derived from `Conv2D`, which
    may compute something else, but for `FastConv2D`, which does not.

    Args:
        conv: `keras.layers.Conv2D`.

    Returns:
        bool.

    Example:
        >>> conv = keras.layers.Conv2D(64, 3)
        >>> keras_twist.models.wide_3x3(conv)
        True
    """
    plain = type(conv) in (keras.layers.Conv2D, FastConv2D) and set(conv.dilation_rate) == {1}
    return plain and tuple(conv.kernel_size) == (3, 3) and conv.filters > 32


def replace_convs(model, make_layer=TwistLayer, where=wide_3x3, keep_kernels=True, report=False):
    """Returns a copy of a model with other layers in place of convolutions.

    The weights of all other layers are copied, and the model that is given stays as it is. Shared
    layers stay shared, nested functional and Sequential models are searched too. Convolutions
    inside of other layers, such as `TimeDistributed` or layers of one's own, are not found.

    A kept kernel becomes K, the plain part of the twist. The twist itself is new and random, so
    that the model computes something else at once. Where it shall begin as the trained model and
    learn to twist, set the twists to zero:

        for layer in model.layers:
            if isinstance(layer, TwistLayer):
                layer.twist.assign(np.zeros(layer.twist.shape))

    Args:
        model: built functional or Sequential `keras.Model`.
        make_layer: function that returns the layer for a convolution. It is called with keywords
            only: `filters`, `strides`, `groups`, `padding`, `use_bias`, `activation`, `name`,
            `dtype`, `trainable`, and the initializers, regularizers and constraints of
            `keras.layers.Conv2D`, all as the convolution has them. A 1x1 kernel needs no padding,
            so that its `padding` is given as `"same"`: a larger kernel then keeps the size.
            Defaults to `TwistLayer`; options go in by `functools.partial`.
        where: function of a `keras.layers.Conv2D` that says whether to replace it; it meets no
            other layers, and no depthwise, separable or transposed convolutions. Defaults to
            `wide_3x3`.
        keep_kernels: bool, whether the new layers start with the kernels and biases of the
            convolutions; otherwise they are initialized. Defaults to `True`.
        report: bool, whether to return a `SurgeryReport` besides. Defaults to `False`.

    Returns:
        The new model, not compiled, its layers named as the old ones; with `report=True` a pair
        of it and the `SurgeryReport`. A model whose class builds itself otherwise than from
        inputs and outputs becomes a plain `keras.Model`.

    Raises:
        ValueError: if `model` is not functional or Sequential, or not built; if `where` chooses
            nothing, a channels-first or a dilated convolution; if `make_layer` returns no layer,
            or with `keep_kernels` one whose kernel or bias has another shape.

    Example:
        >>> model = keras.Sequential(
        ...     [
        ...         keras.Input((32, 32, 3)),
        ...         keras.layers.Conv2D(32, 3, name="narrow"),
        ...         keras.layers.Conv2D(64, 3, strides=2, groups=2, name="wide"),
        ...     ]
        ... )
        >>> twisted, report = keras_twist.models.replace_convs(model, report=True)
        >>> print(report)
        layer  kernel  filters  groups  strides  before   after
        wide      3x3       64       2      2x2   9,280  13,568
        1 layer replaced
        parameters: 10,176 -> 14,464
        trainable:  10,176 -> 14,464

    Reference:
        - `model_created_callback` of the notebook "Can we improve model accuracy by using
          TwistLayer?", which `NOTEBOOK_SWAP` reproduces

        Differs from it in: only 3x3 convolutions are replaced, their groups, biases, kernels and
        initializers kept, and the twist takes 4 more numbers per channel pair instead of 18.
    """
    _check_model(model)
    copied, chosen = {}, set()

    def copy(layer):
        """The copy of a layer, one for each however often it is called."""
        if id(layer) not in copied:
            if _has_graph(layer):
                new = _rewired(layer, copy)
            elif isinstance(layer, keras.layers.Conv2D) and where(layer):
                new = _replacement(layer, make_layer)
                chosen.add(id(layer))
            else:
                new = _again(layer)
            copied[id(layer)] = (layer, new)
        return copied[id(layer)][1]

    new_model = copy(model)
    if not chosen:
        raise ValueError(
            "`where` must choose at least one convolution of the model; by default those of 3x3 "
            f"with more than 32 filters. Received: model={model.name!r}, where={where}."
        )
    # Operations such as a sum are no layers. The outermost layers come last and are set first,
    # since to freeze a model freezes all that is in it.
    pairs = [pair for pair in reversed(copied.values()) if isinstance(pair[0], keras.Layer)]
    for old, new in pairs:
        if new.trainable != old.trainable:
            new.trainable = old.trainable
    for old, new in pairs:
        if id(old) in chosen:
            if keep_kernels:
                _copy_kernel(old, new)
        elif not _has_graph(old):
            _copy_weights(old, new)
    if not report:
        return new_model
    names = {}
    for name, layer in _layers_with_paths(model):
        if id(layer) in chosen:
            names.setdefault(id(layer), name)
    return new_model, report_on(model, new_model, [(n, *copied[key]) for key, n in names.items()])


def _has_graph(layer):
    """Whether Keras can list the layers of a model and how they are wired."""
    functional = isinstance(layer, keras.Model) and hasattr(layer, "operations")
    return functional or isinstance(layer, keras.Sequential)


def _check_model(model):
    if not _has_graph(model):
        raise ValueError(
            "`model` must be a functional or Sequential Keras model, whose graph Keras knows. A "
            "subclassed one calls its layers in code, which must be changed there. "
            f"Received: model={model}."
        )
    if not model.built or getattr(model, "inputs", None) is None:
        raise ValueError(
            "`model` must be built, so that its weights exist: begin with a `keras.Input`. "
            f"Received: model={model}."
        )


def _layers_with_paths(model, path=""):
    for layer in model.layers:
        if _has_graph(layer):
            yield from _layers_with_paths(layer, f"{path}{layer.name}/")
        else:
            yield path + layer.name, layer


def _rewired(model, copy):
    """A model of the same graph with `copy(layer)` for each layer."""
    inputs = None
    if not isinstance(model, keras.Sequential):
        # Keras would name new input layers after the tensors instead of the layers.
        layers = {
            id(layer.output): layer
            for layer in model.layers
            if isinstance(layer, keras.layers.InputLayer)
        }
        inputs = keras.tree.map_structure(lambda t: _again(layers[id(t)]).output, model.input)
    # Newer versions of Keras compile the clone as well, for which losses and metrics must have a
    # configuration. And Keras 3.8 recurs into the first level of nested models only: hence `copy`.
    compiled, model.compiled = model.compiled, False
    try:
        return keras.models.clone_model(model, input_tensors=inputs, clone_function=copy)
    finally:
        model.compiled = compiled


def _again(layer):
    return type(layer).from_config(layer.get_config())


def _replacement(conv, make_layer):
    if conv.data_format != "channels_last":
        raise ValueError(
            "`where` must choose channels-last convolutions. "
            f"Received: data_format={conv.data_format!r} of layer {conv.name!r}."
        )
    if set(conv.dilation_rate) != {1}:
        raise ValueError(
            "`where` must choose convolutions without dilation, which would be lost. "
            f"Received: dilation_rate={conv.dilation_rate} of layer {conv.name!r}."
        )
    # Initializers, regularizers and activations may have state, which two models must not share.
    fresh = _again(conv)
    kwargs = {argument: getattr(fresh, argument) for argument in ARGUMENTS}
    padding = "same" if set(conv.kernel_size) == {1} else conv.padding
    layer = make_layer(padding=padding, dtype=fresh.dtype_policy, **kwargs)
    if not isinstance(layer, keras.Layer):
        raise ValueError(f"`make_layer` must return a Keras layer. Received: {layer!r}.")
    return layer


def _copy_kernel(conv, layer):
    for name in ("kernel", "bias"):
        old, new = getattr(conv, name, None), getattr(layer, name, None)
        if old is None:
            continue
        if new is None or tuple(new.shape) != tuple(old.shape):
            raise ValueError(
                f"`keep_kernels=True` needs a {name} of the same shape in the new layer. "
                f"Received: {tuple(old.shape)} in the convolution {conv.name!r}, "
                f"{None if new is None else tuple(new.shape)} in {layer}."
            )
        new.assign(_values(old))
    old, new = conv.activation, getattr(layer, "activation", None)
    # Keras makes the weights of an activation when it first computes. A layer of one's own may
    # have none, or another one.
    if isinstance(old, keras.Layer) and old.built and type(new) is type(old):
        if not new.built:
            new.build_from_config(old.get_build_config())
        _copy_weights(old, new)


def _copy_weights(old, new):
    # Variables, since the states of random generators are no weights.
    for theirs, ours in zip(old.variables, new.variables, strict=True):
        ours.assign(_values(theirs))
        if ours.trainable != theirs.trainable:
            ours.trainable = theirs.trainable
    # Normalization computes with tensors that it makes of its weights.
    if hasattr(new, "finalize_state"):
        new.finalize_state()


def _values(variable):
    # A copy: JAX could hand the memory of the old model's variable to the new one, whose training
    # step would delete it.
    return np.array(ops.convert_to_numpy(variable))
