"""Rotate, flip, blur, pad and then crop: a notebook's augmentation, by imgaug and without it.

    pip install -e '.[cpu,imgaug]'      # in a clone, with Python 3.11 or 3.12

The order matters: padding after the crop would lose a border of every image for good.
"""

import imgaug.augmenters as iaa

from keras_twist import data

(x, y), _ = data.load_cifar10()
normalize = data.normalize(data.CIFAR10_MEAN, data.CIFAR10_STD)

augmenter = iaa.Sequential(
    [
        iaa.Affine(rotate=(-15, 15)),
        iaa.Fliplr(0.5),
        iaa.GaussianBlur(sigma=(0.0, 1.0)),
        iaa.Pad(px=4, pad_mode="reflect", keep_size=False),
        iaa.CropToFixedSize(32, 32),
    ]
)
by_imgaug = data.train_dataset(x, y, 100, augment=(data.from_imgaug(augmenter), normalize), seed=1)

# The same distribution from built-in operations, but for the blur's kernel, which reaches further.
augment = (
    data.random_rotation(15),
    data.random_flip(),
    data.random_gaussian_blur((0.0, 1.0)),
    data.random_pad_crop(4),
    normalize,
)
by_itself = data.train_dataset(x, y, 100, augment=augment, seed=1)
