"""Held-out training pictures as validation would show them."""

import keras
import numpy as np

from keras_twist.data.image_decode import center_box
from keras_twist.ops.geometry import crop_resize


def center_views(images, aspects, size, zoom):
    """What validation would show of training pictures: the square in their middle.

    Args:
        images: uint8 array of shape `(n, side, side, 3)`, stretched to squares.
        aspects: Array of shape `(n,)`: their width over height before.
        size: Side of the result.
        zoom: The shorter side over the side of the square.

    Returns:
        uint8 array of shape `(n, size, size, 3)`.
    """
    left, top, right, bottom = center_box(images.shape[1], aspects, zoom)
    views = []
    for start in range(0, len(images), 256):
        part = slice(start, start + 256)
        box = [
            np.asarray(value[part], "float32") for value in (top, left, bottom - top, right - left)
        ]
        views.append(keras.ops.convert_to_numpy(crop_resize(images[part], *box, (size, size))))
    return np.concatenate(views)
