"""random_resized_crop with aspects: the boxes that torchvision would cut out of the originals."""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_twist import data
from keras_twist.ops import draws

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="TensorFlow or JAX make the batches"
)
SCALE, RATIO = (0.35, 1.0), (3 / 4, 4 / 3)
COUNT = 4000


def recorded(operation, images, seed=0):
    """The draws for all images as the pipeline makes them, and which images they are for."""
    record = operation._replace(apply=lambda images, **draws: draws, size=None)
    labels = np.arange(len(images))
    ((box, order),) = data.train_dataset(images, labels, len(images), (record,), seed=seed)
    return {name: np.array(tensor) for name, tensor in box.items()}, np.array(order)


def by_hand(numbers, height, width, scale, ratio, aspect):
    """One box as torchvision's loop finds it, from the same uniform numbers."""
    shares, ratios, top, left = numbers
    for share, log_ratio in zip(shares, ratios, strict=True):
        area = aspect * (scale[0] + share * (scale[1] - scale[0]))  # of an image of height 1
        shape = np.exp(np.log(ratio[0]) + log_ratio * (np.log(ratio[1]) - np.log(ratio[0])))
        across, down = np.sqrt(area * shape), np.sqrt(area / shape)
        if across <= aspect and down <= 1:
            break
    else:
        across, down, top, left = aspect, 1.0, 0.5, 0.5
        if aspect < ratio[0]:
            down = across / ratio[0]
        elif aspect > ratio[1]:
            across = down * ratio[1]
    rows = np.clip(down * height, 1, height)
    columns = np.clip(across / aspect * width, 1, width)
    return top * (height - rows), left * (width - columns), rows, columns


@settings(max_examples=25)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(0.08, 1.0), (0.35, 1.0), (0.9, 1.0), (1.0, 1.0)]),
    st.sampled_from([(3 / 4, 4 / 3), (1.0, 1.0), (0.2, 0.5)]),
    st.floats(-3, 3),
)
def test_equals_the_loop(seed, scale, ratio, spread):
    rng = np.random.default_rng(seed)
    aspects = np.exp(rng.uniform(-1, 1, 20) * spread)
    calls = []

    def uniform(shape, low, high, dtype):
        calls.append(rng.random(shape).astype(dtype))
        return low + calls[-1] * np.float32(high - low)

    box = draws.stretched_crop_box(uniform, (20, 32, 40, 3), scale, ratio, aspects)
    shares, ratios, top, left = calls
    for index, aspect in enumerate(aspects):
        numbers = shares[index], ratios[index], top[index], left[index]
        expected = by_hand(numbers, 32, 40, scale, ratio, aspect)
        found = [float(box[name][index]) for name in ("top", "left", "height", "width")]
        # A candidate that fits by less than rounding may be another's.
        if not np.allclose(found, expected, atol=1e-3):
            tightest = np.abs(np.array(by_hand_sides(shares[index], ratios[index], scale, ratio)))
            relative = tightest * np.sqrt([[1 / aspect], [aspect]])
            assert np.abs(relative - 1).min() < 1e-5


def by_hand_sides(shares, ratios, scale, ratio):
    share = scale[0] + shares * (scale[1] - scale[0])
    shape = np.exp(np.log(ratio[0]) + ratios * (np.log(ratio[1]) - np.log(ratio[0])))
    return np.sqrt(share * shape), np.sqrt(share / shape)


@pytest.mark.parametrize("aspect", [0.5, 0.8, 1.0, 1.5, 3.0])
def test_area_and_shape_in_the_original(aspect):
    size = 160
    images = np.zeros((COUNT, size, size, 1), "uint8")
    operation = data.random_resized_crop(128, SCALE, RATIO, aspects=np.full(COUNT, aspect))
    box, _ = recorded(operation, images)
    down, across = box["height"] / size, box["width"] / size * aspect  # in original heights
    assert (box["top"] >= 0).all() and (box["top"] + box["height"] <= size + 1e-3).all()
    assert (box["left"] >= 0).all() and (box["left"] + box["width"] <= size + 1e-3).all()
    area, shape = down * across / aspect, across / down
    middle = np.isclose(down, 1) | np.isclose(across, aspect)
    free = ~middle
    assert RATIO[0] - 1e-3 < shape.min() and shape.max() < RATIO[1] + 1e-3
    assert free.mean() > {0.5: 0.9, 3.0: 0.2}.get(aspect, 0.97)
    assert 0.35 - 1e-3 < area[free].min() and area.max() < 1 + 1e-3
    # Small boxes fit whatever their shape, so both are distributed as they are drawn.
    largest = min(aspect * RATIO[0], 1 / aspect * RATIO[0], 1)
    if largest > 0.45:
        small = free & (area < largest)
        for values, low, high in (
            (area[small], 0.35, largest),
            (np.log(shape[small]), *np.log(RATIO)),
        ):
            counts, _ = np.histogram(values, 5, (low, high))
            assert np.abs(counts / counts.mean() - 1).max() < 6 / np.sqrt(counts.mean())
    place = (box["left"] / (size - box["width"] + 1e-9))[free]
    assert abs(place.mean() - 0.5) < 0.03


def test_true_proportions_come_out():
    """A circle in an original of 2 : 1 is a tall ellipse when stretched, and a circle again."""
    size = 96
    rows, columns = np.mgrid[:size, :size]
    rows, columns = (rows + 0.5) / size - 0.5, 2 * ((columns + 0.5) / size - 0.5)
    circle = ((rows**2 + columns**2 < 0.2**2) * 255).astype("uint8")
    images = np.broadcast_to(circle[..., None], (64, size, size, 1))
    operation = data.random_resized_crop(64, (0.45, 0.5), (1, 1), np.full(64, 2.0))
    ((crops, _),) = data.train_dataset(images, np.zeros(64, int), 64, (operation,))
    crops = np.array(crops)[..., 0] > 127
    whole = ~(crops[:, [0, -1]].any((1, 2)) | crops[:, :, [0, -1]].any((1, 2)))
    assert whole.sum() > 10
    tall, wide = crops.any(2).sum(1)[whole], crops.any(1).sum(1)[whole]
    assert np.abs(tall / wide - 1).max() < 0.12  # a pixel or two of 25


def test_every_image_has_its_own_aspect():
    images = np.zeros((12, 60, 60, 1), "uint8")
    aspects = np.array([0.2, 1, 5] * 4)
    whole = data.random_resized_crop(8, (1, 1), (1, 1), aspects=aspects)
    box, order = recorded(whole, images, seed=3)
    assert sorted(order) == list(range(12)) and list(order) != list(range(12))
    np.testing.assert_allclose(box["height"], np.minimum(1, aspects[order]) * 60, rtol=1e-5)
    np.testing.assert_allclose(box["width"], np.minimum(1, 1 / aspects[order]) * 60, rtol=1e-5)
    np.testing.assert_allclose(box["top"], (60 - box["height"]) / 2, atol=1e-4)


def test_the_resident_feed_makes_the_same_batches():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (20, 12, 12, 3)).astype("uint8"), np.arange(20)
    crop = data.random_resized_crop(8, aspects=rng.uniform(0.5, 2, 20))
    augment = (crop, data.random_flip(), data.normalize([120] * 3, [60] * 3))
    feed = data.ResidentFeed(images, labels, 4, augment, seed=1)
    expected = data.train_dataset(images, labels, 4, augment, seed=1, repeat=True)
    for drawn, (batch, targets) in zip(itertools.islice(feed.dataset(), 7), expected, strict=False):
        found = feed.make_batch(drawn)
        np.testing.assert_allclose(found[0], batch, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(found[1], targets)
    resumed = next(iter(feed.dataset(6)))
    np.testing.assert_array_equal(feed.make_batch(resumed)[0], found[0])


@pytest.mark.parametrize(
    ("aspects", "message"),
    [
        ([[1.0]], r"`aspects`.*one number per image.*\(1, 1\)"),
        (["a"], "`aspects`.*one number per image"),
        ([1.0, 0.0], "`aspects`.*positive.*0.0"),
        ([1.0, -1.0], "`aspects`.*positive.*-1.0"),
        ([1.0, np.nan], "`aspects`.*positive.*nan"),
        ([1.0, np.inf], "`aspects`.*positive.*inf"),
    ],
)
def test_bad_aspects_are_named(aspects, message):
    with pytest.raises(ValueError, match=message):
        data.random_resized_crop(8, aspects=aspects)


@pytest.mark.parametrize("numbers", [7, 9])
def test_too_few_or_too_many_aspects(numbers):
    augment = (data.random_resized_crop(4, aspects=np.ones(numbers)),)
    images, labels = np.zeros((8, 6, 6, 3), "uint8"), np.zeros(8, int)
    with pytest.raises(ValueError, match=f"`aspects`.*{numbers} numbers for 8 images"):
        data.train_dataset(images, labels, 4, augment)
    with pytest.raises(ValueError, match=f"`aspects`.*{numbers} numbers for 8 images"):
        data.ResidentFeed(images, labels, 4, augment).dataset()
