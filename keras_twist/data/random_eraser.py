"""Random erasing as NumPy code, image by image, under the name that notebooks know."""

import os

import numpy as np

from keras_twist.data.seeding import check_seed


def get_random_eraser(
    p=0.5,
    s_l=0.02,
    s_h=0.4,
    r_1=0.3,
    r_2=1 / 0.3,
    v_l=0,
    v_h=255,
    pixel_level=False,
    seed=None,
):
    """Function that overwrites a random rectangle of an image, in some of the images.

    `random_erasing` in `train_dataset` does so to whole batches, compiled.

    Args:
        p: Share of the images that are erased, in `[0, 1]`. Defaults to 0.5.
        s_l: Smallest area of the rectangle as a share of the image's. Defaults to 0.02.
        s_h: Largest area. Defaults to 0.4.
        r_1: Smallest height over width. Defaults to 0.3.
        r_2: Largest height over width. Defaults to `1 / 0.3`.
        v_l: Lowest value written, in the units of the images: 0 and 255 fit pixels, 0 and 1 pixels
            divided by 255. Defaults to 0.
        v_h: Highest value written. Defaults to 255.
        pixel_level: Whether every pixel and channel gets a value of its own, or the rectangle one
            value. Defaults to False.
        seed: Integer, or None to draw one from NumPy's global generator, which
            `keras.utils.set_random_seed` fixes. In a worker process, which has a copy of the
            function, the number of the process counts besides. Defaults to None.

    Returns:
        Function from an array of shape `(height, width, channels)` to a new one of the same dtype,
        such as `ImageDataGenerator(preprocessing_function=...)` takes.

    Raises:
        ValueError: if a share is outside `[0, 1]`, a range is empty, or no such rectangle fits.

    Example:
        >>> eraser = get_random_eraser(p=1.0, v_l=1, v_h=255, pixel_level=True, seed=0)
        >>> int((eraser(np.zeros((8, 8, 1), "uint8")) > 0).sum()) > 0
        True

    Reference:
        [cutout-random-erasing](https://github.com/yu4u/cutout-random-erasing). Differs from it in:
        the image that is handed in stays as it is, and there is a seed.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"Argument `p` must lie in [0, 1]. Received: p={p}")
    if not 0 <= s_l <= s_h <= 1:
        raise ValueError(
            "Arguments `s_l` and `s_h` must lie in [0, 1], the lower bound first. "
            f"Received: s_l={s_l}, s_h={s_h}"
        )
    if not 0 < r_1 <= r_2:
        raise ValueError(
            "Arguments `r_1` and `r_2` must be positive, the lower bound first. "
            f"Received: r_1={r_1}, r_2={r_2}"
        )
    if not v_l <= v_h:
        raise ValueError(
            f"Arguments `v_l` and `v_h` must be a range. Received: v_l={v_l}, v_h={v_h}"
        )
    seed, owner = check_seed(seed), os.getpid()
    rng = np.random.default_rng(seed)

    def eraser(input_img):
        nonlocal rng, owner
        if owner != os.getpid():  # Copies in worker processes would all draw the same.
            owner = os.getpid()
            rng = np.random.default_rng([seed, owner])
        image = np.array(input_img)
        if image.ndim != 3:
            raise ValueError(
                "Argument `input_img` must have the shape (height, width, channels). "
                f"Received: input_img.shape={image.shape}"
            )
        if rng.random() > p:
            return image
        top, left, height, width = rectangle(*image.shape[:2])
        shape = (height, width, image.shape[2]) if pixel_level else ()
        image[top : top + height, left : left + width] = rng.uniform(v_l, v_h, shape)
        return image

    def rectangle(rows, columns):
        # Drawn until one fits, which makes large rectangles rarer; bounded, since none may.
        for _ in range(10_000):
            area = rng.uniform(s_l, s_h) * rows * columns
            ratio = rng.uniform(r_1, r_2)
            width, height = int(np.sqrt(area / ratio)), int(np.sqrt(area * ratio))
            left, top = rng.integers(0, columns), rng.integers(0, rows)
            if left + width <= columns and top + height <= rows:
                return top, left, height, width
        raise ValueError(
            "Arguments `s_l`, `s_h`, `r_1` and `r_2` must allow a rectangle that fits into the "
            f"image. Received: {(s_l, s_h, r_1, r_2)} for {rows} x {columns} pixels"
        )

    return eraser
