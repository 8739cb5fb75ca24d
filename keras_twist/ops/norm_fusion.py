"""Batch normalisation and the activation behind it, in four passes over the memory.

TensorFlow without XLA makes one for each operation, in float32 whatever the dtype of the images.
"""

import math

from keras import ops

from keras_twist.ops.op_by_op import compiled, pull_back
from keras_twist.ops.precision import at_least_float32

__all__ = ["batch_norm_act"]

# Numbers that are summed side by side: a whole row of vector registers, and little of the cache.
_LANES = 4096


def batch_norm_act(x, gamma, beta, shift, epsilon, activation=None):
    """Returns `activation((x - mean) / sqrt(variance + epsilon) * gamma + beta)` and statistics.

    Sums are taken of `x - shift`, which loses no digits where `shift` is near the mean. All is
    computed in float32 at least and rounded once.

    Args:
        x: float tensor of shape `(batch, ..., channels)`, all but the batch known.
        gamma: float32 tensor of shape `(channels,)`.
        beta: likewise.
        shift: likewise; it gets no gradient.
        epsilon: float, added to the variance.
        activation: function from tensor to tensor of the same shape, or None. Defaults to `None`.

    Returns:
        The images, in the dtype of `x`; mean and variance, which let no gradient through.
    """
    static = {"epsilon": epsilon, "activation": activation}

    @ops.custom_gradient
    def apply(x, gamma, beta, shift):
        outputs, mean, variance = compiled(_forward, x, gamma, beta, shift, **static)

        def gradient(upstream, *_):
            gradients = compiled(_backward, upstream, x, gamma, beta, mean, variance, **static)
            return *gradients, ops.zeros_like(shift)

        return (outputs, mean, variance), gradient

    return apply(x, gamma, beta, shift)


def _forward(x, gamma, beta, shift, epsilon, activation):
    exact = ops.cast(x, at_least_float32(x.dtype))
    count = ops.cast(ops.size(x) // x.shape[-1], exact.dtype)
    shifted = exact - shift
    mean = _sum_by_channel(shifted) / count
    variance = ops.maximum(_sum_by_channel(shifted * shifted) / count - mean * mean, 0.0)
    mean = mean + shift
    scale = gamma * ops.rsqrt(variance + epsilon)
    outputs = exact * scale + (beta - mean * scale)
    if activation is not None:
        outputs = activation(outputs)
    return ops.cast(outputs, x.dtype), mean, variance


def _backward(upstream, x, gamma, beta, mean, variance, epsilon, activation):
    exact = ops.cast(x, at_least_float32(x.dtype))
    upstream = ops.cast(upstream, exact.dtype)
    count = ops.cast(ops.size(x) // x.shape[-1], exact.dtype)
    inverse = ops.rsqrt(variance + epsilon)
    normalized = (exact - mean) * inverse
    if activation is not None:
        _, upstream = pull_back(activation, normalized * gamma + beta, upstream)
    of_beta = _sum_by_channel(upstream)
    of_gamma = _sum_by_channel(upstream * normalized)
    # What a pixel does through mean and variance is taken off what it does by itself.
    of_x = gamma * inverse * (upstream - (of_beta + normalized * of_gamma) / count)
    return ops.cast(of_x, x.dtype), of_gamma, of_beta


def _sum_by_channel(tensor):
    """Sum over all axes but the last, wide enough for vector registers."""
    channels = tensor.shape[-1]
    pixels = math.prod(tensor.shape[1:-1])
    fitting = range(2, max(_LANES // channels, 1) + 1)
    beside = max((n for n in fitting if pixels % n == 0), default=1)
    partial = ops.sum(ops.reshape(tensor, (-1, beside * channels)), axis=0)
    return ops.sum(ops.reshape(partial, (beside, channels)), axis=0)
