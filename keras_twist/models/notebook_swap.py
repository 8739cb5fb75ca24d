"""The swap of convolutions for twists that was published with a mistake, to reproduce its counts.

The notebook "Can we improve model accuracy by using TwistLayer?" swaps the convolutions of fastai's
xresnets for twists. It finds 71,904,811 trainable parameters where xse_resnext18 has 13,142,123,
and asks whether that is to be expected. (Its table says 71,878,890 and 13,142,122: fastai's summary
misses radii, centres and the factor of the self-attention.) It is not. Undone step by step:

    13,142,123  xse_resnext18 with self-attention, no twist
    71,904,811  as published
    66,280,619  without the 1x1 convolutions. The condition `module.kernel_size == 1` compares a
                pair with an int and never holds, so that 1x1 convolutions, those of the
                squeeze-and-excitation among them, become 3x3 twists: 11 of 28 swapped layers. On
                images of 1x1 pixels a twist adds exactly nothing.
    38,853,803  with the groups kept, which were dropped: 32 groups have a 32nd of the kernel.
                This is `replace_convs` with `partial(TwistLayer, field="free", full_kernels=True)`.
    18,869,419  with 4 numbers for the twist instead of two whole kernels beside K, of which one
                was overwritten by a turn of the other in every step: 9 + 4 instead of 27 numbers
                per channel pair, and 3 per filter. This is what `replace_convs` does.

The other networks:

                                         no twist    as published    `replace_convs`
    xse_resnext18_deep                 15,756,938      93,371,722         22,586,570
    xse_resnext18_deep, attention      15,822,475      93,437,259         22,652,107
    xse_resnext50, attention           25,616,155     782,222,555         26,275,931
    xresnet50, attention               23,613,291     361,698,987         28,662,891

The row of the notebook that is labelled xse_resnext50 has the counts of xresnet50. Its accuracies
are of one run each, on 3,929 images: 61.4 % with the twist and 60.8 % without, where the standard
error is 0.8 points.
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
