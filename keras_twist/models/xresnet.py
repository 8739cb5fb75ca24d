"""fastai's XResNets: with groups, with squeeze-and-excitation, and with two more stages."""

from keras_twist.models.residual import Family, residual_net

DEPTHS = {
    18: ((2, 2, 2, 2), 1),
    34: ((3, 4, 6, 3), 1),
    50: ((3, 4, 6, 3), 4),
    101: ((3, 4, 23, 3), 4),
    152: ((3, 8, 36, 3), 4),
}

# Options of `Family`, and the words for them.
KINDS = {
    "XResNet": ({}, ""),
    "XResNeXt": ({"groups": 32}, ", with 32 groups"),
    "XSEResNet": ({"squeeze": 16}, ", with squeeze-and-excitation"),
    "XSEResNeXt": ({"groups": 32, "squeeze": 16}, ", with 32 groups and squeeze-and-excitation"),
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
        stem_strides: Stride of the first convolution. 1 makes every map twice as large, as in
            the records of `DepthwiseXResNet`, for four times the work. Defaults to 2.
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
        `(batch, num_classes)`. Layers are named `stem_conv1`, `stage2_block1_norm3`, ...

    Raises:
        ValueError: if an option is unknown, or `widths` has not one number per stage or one that
            groups do not divide.
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

    widths = (32,) * len(family.layers)
    call = f"{name}(widths={widths}, num_classes=3).output_shape"
    # Run where it takes no time.
    small = sum(family.layers) <= 8
    example = f">>> {call}\n        (None, 3)" if small else f"`{call}` is `(None, 3)`."
    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"""{about}
{OPTIONS.format(stem=family.stem_filters, lower=lower)}
    Example:
        {example}

    Reference:
        {reference}
    """
    return build


def _xresnet(kind, depth, deep=False):
    layers, expansion = DEPTHS[depth]
    layers += (1, 1) * deep
    options, what = KINDS[kind]
    name = f"{kind}{depth}" + "Deep" * deep
    stages = ", ".join(map(str, layers[:-1])) + f" and {layers[-1]}"
    about = (
        f"{name}: fastai's residual network of {depth} layers{what}, "
        f"in {len(layers)} stages of {stages} blocks."
    )
    reference = (
        "[fastai](https://docs.fast.ai/vision.models.xresnet.html). Differs from it in: Mish\n"
        "        where fastai's default is ReLU, 10 classes where it is 1,000.\n"
        "        `load_torch_state_dict` takes over its weights."
    )
    return network(name, Family(layers, expansion, **options), about, reference)


XResNet18 = _xresnet("XResNet", 18)
XResNet34 = _xresnet("XResNet", 34)
XResNet50 = _xresnet("XResNet", 50)
XResNet101 = _xresnet("XResNet", 101)
XResNet152 = _xresnet("XResNet", 152)
XResNet18Deep = _xresnet("XResNet", 18, deep=True)
XResNet34Deep = _xresnet("XResNet", 34, deep=True)
XResNet50Deep = _xresnet("XResNet", 50, deep=True)

XResNeXt18 = _xresnet("XResNeXt", 18)
XResNeXt34 = _xresnet("XResNeXt", 34)
XResNeXt50 = _xresnet("XResNeXt", 50)

XSEResNet18 = _xresnet("XSEResNet", 18)
XSEResNet34 = _xresnet("XSEResNet", 34)
XSEResNet50 = _xresnet("XSEResNet", 50)

XSEResNeXt18 = _xresnet("XSEResNeXt", 18)
XSEResNeXt34 = _xresnet("XSEResNeXt", 34)
XSEResNeXt50 = _xresnet("XSEResNeXt", 50)
XSEResNeXt18Deep = _xresnet("XSEResNeXt", 18, deep=True)
XSEResNeXt34Deep = _xresnet("XSEResNeXt", 34, deep=True)
XSEResNeXt50Deep = _xresnet("XSEResNeXt", 50, deep=True)
