"""Outputs of the real imgaug 0.4.0 for fixed parameters, kept in `imgaug.npz`.

imgaug runs with NumPy 1 only, so it has an environment of its own, which needs nothing else:

    python -m venv /tmp/imgaug
    /tmp/imgaug/bin/pip install imgaug==0.4.0 "numpy<2" "opencv-python<4.12"
    /tmp/imgaug/bin/python tests/golden/make_imgaug.py

The images are smooth in places and noisy in others, of unequal sides. An array's name is
`<augmenter>/<parameter>`; imgaug ran each with that parameter for the whole batch.
"""

from pathlib import Path

import imgaug.augmenters as iaa
import numpy as np

PATH = Path(__file__).parent / "imgaug.npz"
# Powers of two, so that positions, which imgaug takes as shares of the sides, are exact.
HEIGHT, WIDTH, PADDING = 8, 16, 4


def images():
    """uint8 of shape (3, 8, 16, 3): slopes, waves and noise."""
    rng = np.random.default_rng(0)
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    slope = np.stack([15 * column, 20 * row, 8 * (row + column)], axis=-1)
    wave = 127.5 + 120 * np.sin(np.stack([column / 2, row / 2, (row - column) / 3], axis=-1))
    noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3))
    return np.stack([slope, wave, noise]).clip(0, 255).astype("uint8")


def crop(top, left):
    """Reflect-pad, then cut the window whose first pixel is `(top, left)` of the padded image."""
    # A position counts from the right and from below, as a share of what may be cut off.
    position = 1 - left / (2 * PADDING), 1 - top / (2 * PADDING)
    return iaa.Sequential(
        [
            iaa.Pad(px=PADDING, pad_mode="reflect", keep_size=False),
            iaa.CropToFixedSize(width=WIDTH, height=HEIGHT, position=position),
        ]
    )


def cutout(row, column):
    """A square of half the shorter side around the pixel `(row, column)`."""
    return iaa.Cutout(position=(column / WIDTH, row / HEIGHT), size=0.5, squared=True, cval=128)


def augmenters():
    """Augmenters by the name of what they make."""
    found = {"flip/all": iaa.Fliplr(1.0), "flip/none": iaa.Fliplr(0.0)}
    for corner in ((0, 0), (1, 6), (4, 4), (8, 3)):
        found["crop/{}_{}".format(*corner)] = crop(*corner)
    for mode in ("constant", "edge", "reflect"):
        for degrees in (-15, 4, 30):
            found[f"rotate_{mode}/{degrees}"] = iaa.Affine(rotate=degrees, mode=mode, cval=0)
    for sigma in (0.5, 1.0, 1.5):
        found[f"blur/{sigma}"] = iaa.GaussianBlur(sigma)
    for centre in ((4, 8), (0, 0), (7, 3), (2, 15)):
        found["cutout/{}_{}".format(*centre)] = cutout(*centre)
    return found


if __name__ == "__main__":
    batch = images()
    arrays = {"images": batch}
    for name, augmenter in augmenters().items():
        arrays[name] = np.stack([augmenter.augment_image(image) for image in batch])
    np.savez_compressed(PATH, **arrays)
