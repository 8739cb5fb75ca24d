"""Blending of whole examples, images and labels alike."""

import numpy as np

from keras_twist.ops import image as image_ops


def mixup(alpha=0.2):
    """Blend each image, and its label likewise, with another one of the batch.

    Args:
        alpha: Both parameters of the Beta distribution that each image's weight is drawn from;
            positive. Small values leave most images nearly alone. Defaults to 0.2.

    Returns:
        What `train_dataset` takes as `mix`. Labels must be one-hot (`num_classes=`). The accuracy
        on such batches means little: a mixed image has two right answers.

    Raises:
        ValueError: if `alpha` is not positive.

    Example:
        >>> mix = mixup(alpha=0.2)

    Reference:
        [mixup](https://arxiv.org/abs/1710.09412), with one weight per image as in
        [mixup-generator](https://github.com/yu4u/mixup-generator). Differs from it in: the partner
        is another image of the same batch, so that an epoch shows every image.
    """
    if not alpha > 0:
        raise ValueError(f"Argument `alpha` must be positive. Received: alpha={alpha}")

    def apply(images, labels, seed):
        import tensorflow as tf

        # A Beta variate is a ratio of two Gamma variates; tf.random has only the latter stateless.
        shape = [2, tf.shape(images)[0]]
        # The smallest normal float keeps 0 / 0 out when a small alpha rounds both down to zero.
        gamma = tf.random.stateless_gamma(shape, seed, alpha=alpha) + np.finfo("float32").tiny
        weight = gamma[0] / (gamma[0] + gamma[1])
        images = tf.cast(images, "float32")
        return (
            image_ops.blend(images, tf.roll(images, 1, axis=0), weight),
            image_ops.blend(labels, tf.roll(labels, 1, axis=0), weight),
        )

    return apply
