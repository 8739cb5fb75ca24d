"""The swap of convolutions for twists that was published with a mistake, to reproduce its counts.

The notebook "Can we improve model accuracy by using TwistLayer?" swaps the convolutions of fastai's
xresnets for twists, finds 71,904,811 trainable parameters where xse_resnext18 has 13,142,123, and
asks whether that is to be expected. It is not: docs/twist.md undoes the mistakes one by one. The
condition `module.kernel_size == 1` compares a pair with an int and never holds, so that 1x1
convolutions become 3x3 twists, which add exactly nothing on images of 1x1 pixels; and groups are
dropped. Keeping both apart is `replace_convs` with `partial(TwistLayer, field="free",
full_kernels=True)`: 38,853,803.

The notebook's table says 71,878,890 and 13,142,122: fastai's summary misses radii, centres and the
factor of the self-attention. Its row that is labelled xse_resnext50 has the counts of xresnet50.
Its accuracies are of one run each, on 3,929 images: 61.4 % with the twist and 60.8 % without, where
the standard error is 0.8 points.
"""

from keras_twist.layers.twist_layer import TWIST_VARIANTS, TwistLayer
from keras_twist.models.blocks import torch_uniform

__all__ = ["NOTEBOOK_SWAP"]


def _more_than_32_filters(conv):
    return conv.filters > 32


def _ungrouped_twist(padding, groups, use_bias, kernel_initializer, **kwargs):
    """A twist as the notebook makes it: no groups, no bias, the initial kernels of PyTorch.

    A "valid" convolution of 3x3 is one whose padding is a layer of its own, and stays.
    """
    return TwistLayer(
        padding="valid" if padding == "valid" else "symmetric",
        kernel_initializer=torch_uniform(),
        **TWIST_VARIANTS["notebook"] | {"field": "free"},
        full_kernels=True,
        **kwargs,
    )


NOTEBOOK_SWAP = {
    "make_layer": _ungrouped_twist,
    "where": _more_than_32_filters,
    "keep_kernels": False,
}
"""Keyword arguments with which `replace_convs` repeats a published mistake.

What has more than 32 filters becomes a 3x3 twist of 27 numbers per channel pair and 3 per filter,
without groups and bias. Ky trains here, where the notebook overwrites it by a turn of Kx; the
counts are the same.
"""
