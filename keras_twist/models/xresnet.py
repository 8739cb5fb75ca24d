"""fastai's XResNets: with groups, with squeeze-and-excitation, and with two more stages."""

from keras_twist.models.residual import Family, residual_net

DEPTHS = {
    18: ((2, 2, 2, 2), 1),
    34: ((3, 4, 6, 3), 1),
    50: ((3, 4, 6, 3), 4),
    101: ((3, 4, 23, 3), 4),
    152: ((3, 8, 36, 3), 4),
}

# Documentation of every network here and in mxresnet.py.
OPTIONS = """
    Args:
        num_classes: Length of the result. Defaults to 10.
        input_shape: `(height, width, channels)`; height and width may be None. Defaults to
            `(128, 128, 3)`.
        activation: Name or function. Defaults to `"mish"`.
        self_attention: Whether the last block of one stage, the fourth from the end, has a
            `SimpleSelfAttention`. Defaults to False.
        symmetric: Whether that one is symmetric. Defaults to False.
        pool: Halves the shortcuts: `"avg"`, `"max"`, or `"max_blur"`, which then also blurs behind
            the stem's maximum. Defaults to `"avg"`, as in fastai.
        stem_strides: Stride of the first convolution. 1 makes every map twice as large: several
            points more accurate on ImageWoof at 128 pixels, four times the work. Defaults to 2.
        conv: What a 3x3 convolution is: `"conv"`; `"twist"`, a `TwistLayer` wherever there are more
            than 32 filters; `"depthwise"`, the strided or only one of each block per channel; or
            a function `(filters, strides, groups, kernel_initializer, name)` that returns a layer,
            called for every one. Defaults to `"conv"`.
        zero_gamma: Whether the last batch normalisation of each block starts with a scale of 0.
            Defaults to True.
        widths: Nominal filters of each stage. None for 64, 128, 256, 512 and 256 from there on.
            Defaults to None.
        stem_filters: Filters of the three convolutions in front; None for {stem}. Defaults to None.
        name: Defaults to `"{lower}"`.

    Returns:
        `keras.Model` from images `(batch, *input_shape)`, normalised per channel, to float32 logits
        `(batch, num_classes)`. Layers are named `stem1_conv`, `stage2_block1_norm3`, ...

    Raises:
        ValueError: if an option is unknown or `widths` has not one number per stage.
"""


def network(name, family, about, reference):
    """A function that builds a network of a family, with its documentation.

    Args:
        name: Of the function.
        family: `Family`.
        about: First line of the documentation.
        reference: Last part of the documentation.

    Returns:
        Function of the arguments that `OPTIONS` documents.
    """
    lower = name.lower()

    def build(
        num_classes=10,
        input_shape=(128, 128, 3),
        activation="mish",
        self_attention=False,
        symmetric=False,
        pool="avg",
        stem_strides=2,
        conv="conv",
        zero_gamma=True,
        widths=None,
        stem_filters=None,
        name=lower,
    ):
        return residual_net(
            family,
            name,
            num_classes,
            input_shape,
            activation,
            self_attention,
            symmetric,
            pool,
            stem_strides,
            conv,
            zero_gamma,
            widths,
            stem_filters,
        )

    options = OPTIONS.format(stem=family.stem_filters, lower=lower)
    width = (16,) * len(family.layers)
    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"""{about}
{options}
    Example:
        >>> {name}(widths={width}, num_classes=3).output_shape
        (None, 3)

    Reference:
        {reference}
    """
    return build


def _xresnet(name, depth, deep=False, **kind):
    layers, expansion = DEPTHS[depth]
    family = Family(layers + (1, 1) * deep, expansion, **kind)
    what = "groups and squeeze-and-excitation" if len(kind) == 2 else ""
    what = what or {"groups": "groups", "squeeze": "squeeze-and-excitation"}.get(*kind or [""], "")
    about = f"{name}: fastai's residual network of {depth} layers" + (f", with {what}" * bool(what))
    about += f"; {len(family.layers)} stages of {_listed(family.layers)} blocks."
    reference = (
        "[fastai](https://docs.fast.ai/vision.models.xresnet.html). Differs from it in: nothing;\n"
        "        `load_torch_state_dict` takes over its weights."
    )
    build = network(name, family, about, reference)
    build.__module__ = __name__
    return build


def _listed(numbers):
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


XResNet18 = _xresnet("XResNet18", 18)
XResNet34 = _xresnet("XResNet34", 34)
XResNet50 = _xresnet("XResNet50", 50)
XResNet101 = _xresnet("XResNet101", 101)
XResNet152 = _xresnet("XResNet152", 152)
XResNet18Deep = _xresnet("XResNet18Deep", 18, deep=True)
XResNet34Deep = _xresnet("XResNet34Deep", 34, deep=True)
XResNet50Deep = _xresnet("XResNet50Deep", 50, deep=True)

XResNeXt18 = _xresnet("XResNeXt18", 18, groups=32)
XResNeXt34 = _xresnet("XResNeXt34", 34, groups=32)
XResNeXt50 = _xresnet("XResNeXt50", 50, groups=32)

XSEResNet18 = _xresnet("XSEResNet18", 18, squeeze=16)
XSEResNet34 = _xresnet("XSEResNet34", 34, squeeze=16)
XSEResNet50 = _xresnet("XSEResNet50", 50, squeeze=16)

XSEResNeXt18 = _xresnet("XSEResNeXt18", 18, groups=32, squeeze=16)
XSEResNeXt34 = _xresnet("XSEResNeXt34", 34, groups=32, squeeze=16)
XSEResNeXt50 = _xresnet("XSEResNeXt50", 50, groups=32, squeeze=16)
XSEResNeXt18Deep = _xresnet("XSEResNeXt18Deep", 18, deep=True, groups=32, squeeze=16)
XSEResNeXt34Deep = _xresnet("XSEResNeXt34Deep", 34, deep=True, groups=32, squeeze=16)
XSEResNeXt50Deep = _xresnet("XSEResNeXt50Deep", 50, deep=True, groups=32, squeeze=16)
