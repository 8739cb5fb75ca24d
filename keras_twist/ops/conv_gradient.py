"""A convolution whose kernel gets its gradient by products of matrices, as small images want it.

oneDNN, which computes TensorFlow's convolutions on a CPU, is slower at the gradient of a kernel
than at products of matrices where images are small (`benchmarks/results/fast_conv2d.json`).
"""

from keras import ops

from keras_twist.ops.op_by_op import inner_products

__all__ = ["conv2d"]


def conv2d(x, kernel):
    """Returns `ops.conv(x, kernel, padding="same")`, whose gradients are another way to the same.

    Args:
        x: float tensor of shape `(batch, height, width, channels)`, all but the batch known.
        kernel: tensor of shape `(rows, columns, channels, filters)` and the dtype of `x`.

    Returns:
        Tensor of shape `(batch, height, width, filters)`.
    """

    @ops.custom_gradient
    def apply(x, kernel):
        def gradient(upstream):
            of_x = ops.conv_transpose(upstream, kernel, 1, "same", data_format="channels_last")
            return of_x, _of_kernel(x, upstream, kernel.shape[:2])

        return ops.conv(x, kernel, 1, "same", "channels_last"), gradient

    return apply(x, kernel)


def _of_kernel(x, upstream, size):
    """One product for each place of the kernel: what it is multiplied with, and what comes out."""
    height, width = x.shape[1:3]
    margins = [((side - 1) // 2, side // 2) for side in size]
    padded = ops.pad(x, [(0, 0), *margins, (0, 0)])
    upstream = ops.reshape(upstream, (-1, upstream.shape[-1]))
    shifted = [
        ops.reshape(padded[:, i : i + height, j : j + width], (-1, x.shape[-1]))
        for i in range(size[0])
        for j in range(size[1])
    ]
    places = [inner_products(pixels, upstream) for pixels in shifted]
    return ops.reshape(ops.stack(places), (*size, *places[0].shape))
