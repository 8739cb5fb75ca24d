"""The published eraser: its rectangle and values for the same draws, and an untouched input."""

import os

import numpy as np
import pytest

from keras_twist.data import get_random_eraser

IMAGE = np.random.default_rng(1).integers(0, 256, (16, 12, 3)).astype("uint8")


def published(image, rng, p, s_l, s_h, r_1, r_2, v_l, v_h, pixel_level):
    """What the published code does to its input, with a generator in place of NumPy's global."""
    rows, columns, channels = image.shape
    if rng.random() > p:
        return image
    while True:
        area = rng.uniform(s_l, s_h) * rows * columns
        ratio = rng.uniform(r_1, r_2)
        width = int(np.sqrt(area / ratio))
        height = int(np.sqrt(area * ratio))
        left = rng.integers(0, columns)
        top = rng.integers(0, rows)
        if left + width <= columns and top + height <= rows:
            break
    value = rng.uniform(v_l, v_h, (height, width, channels) if pixel_level else None)
    image[top : top + height, left : left + width, :] = value
    return image


@pytest.mark.parametrize("pixel_level", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_erases_as_the_published_code_does_for_the_same_draws(pixel_level, dtype):
    values = (0.5, 0.02, 0.4, 0.3, 1 / 0.3, 0, 255, pixel_level)
    image, rng = IMAGE.astype(dtype), np.random.default_rng(7)
    eraser = get_random_eraser(*values, seed=7)
    for _ in range(40):
        erased = eraser(image)
        np.testing.assert_array_equal(erased, published(image.copy(), rng, *values))
        assert erased.dtype == dtype
    np.testing.assert_array_equal(image, IMAGE)  # never touched


def test_how_often_and_how_large():
    canvas = np.zeros((32, 32, 1), "float32")
    eraser = get_random_eraser(p=0.3, s_l=0.1, s_h=0.2, v_l=1, v_h=2, seed=0)
    shares = np.array([(eraser(canvas) > 0).mean() for _ in range(2000)])
    assert np.mean(shares > 0) == pytest.approx(0.3, abs=0.03)
    erased = shares[shares > 0]
    assert 0.08 < erased.min() and erased.max() <= 0.2  # sides are cut to whole pixels
    assert get_random_eraser(p=0.0, seed=0)(canvas) is not canvas


def test_values_lie_in_their_range():
    image = get_random_eraser(1.0, 0.3, 0.4, v_l=3, v_h=4, pixel_level=True, seed=0)(
        np.zeros((20, 20, 3), "float64")
    )
    noise = image[image > 0]
    assert 3 <= noise.min() < noise.max() <= 4 and len(set(noise)) == len(noise)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 1.5}, "`p`.*p=1.5"),
        ({"s_l": 0.5, "s_h": 0.4}, "`s_l` and `s_h`.*s_l=0.5, s_h=0.4"),
        ({"r_1": 0}, "`r_1` and `r_2`.*r_1=0"),
        ({"v_l": 2, "v_h": 1}, "`v_l` and `v_h`.*v_l=2, v_h=1"),
        ({"seed": -1}, "`seed`.*seed=-1"),
        ({"p": 1, "s_l": 1, "s_h": 1, "r_1": 3, "r_2": 3}, "fits into the image.*16 x 12 pixels"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        get_random_eraser(**options)(IMAGE)


def test_a_batch_is_refused():
    with pytest.raises(ValueError, match=r"`input_img`.*\(1, 16, 12, 3\)"):
        get_random_eraser()(IMAGE[None])


def test_worker_processes_draw_for_themselves(monkeypatch):
    image, drawn = np.zeros((16, 16, 1)), []
    for process in (os.getpid(), 7, 8):
        eraser = get_random_eraser(p=1.0, v_l=1, v_h=255, seed=0)
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        drawn += [eraser(image).tobytes(), eraser(image).tobytes()]
        monkeypatch.undo()
    assert len(set(drawn)) == 6
